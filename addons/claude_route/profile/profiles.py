"""YAML text and environment variables -> a frozen Profile: which provider answers which model."""

from __future__ import annotations

import difflib
import logging
import os
import re
import urllib.parse
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from claude_route import targets
from claude_route.dialects.messages import server_tools
from claude_route.pricing import prices
from claude_route.profile import clients as client_entries
from claude_route.profile import env_file
from claude_route.profile import ledgers
from claude_route.profile import litellm
from claude_route.profile import patterns
from claude_route.profile import plain_file
from claude_route.profile import price_table
from claude_route.profile import providers
from claude_route.profile import stores
from claude_route.profile import values
from claude_route.profile import yaml_loader

logger = logging.getLogger(__name__)

LISTED_ABOVE = "listed above"
"""Why a candidate is passed over whose target an earlier candidate has."""


NAMED_TOKEN = re.compile(r"((?!sk-ant-)[A-Za-z0-9][A-Za-z0-9._@+-]{0,63})\s*=\s*(sk-ant-.+)")
"""A token of the pool with a name. Only Anthropic's begin like this: in any other, a `=` may be part of it."""


CLASSIFIERS = ("claude-haiku-5-5", "claude-sonnet-5")
"""The models that check tool calls, unless the profile names another: the first that Anthropic answers.
Haiku is quick, and the only family that a token of a subscription may ask with words of our own."""


class Candidate(NamedTuple):
    """A model that a request may go to, by its own name or as a fallback, and whether it is usable."""

    name: str
    """The name that the client or the profile uses."""
    target: targets.Target | None
    """None if the profile doesn't have the model."""
    passed_over: str
    """Why it is never tried, phrased to follow its name; empty if it may be tried."""


@dataclass(frozen=True)
class Pool:
    """The Claude tokens, and how to rotate them."""

    tokens: tuple[str, ...] = field(repr=False)
    mode: targets.TokenMode
    strategy: targets.Strategy
    cooldown: float
    """Seconds that a token rests if the provider gives no time."""
    spread: targets.Spread = "session"
    """What keeps one token with the strategy `session`: a whole session, or each of its agents."""
    names: Mapping[str, str] = field(
        default_factory=lambda: MappingProxyType({}), repr=False, hash=False
    )
    """The names of tokens that have one, by the token."""

    @property
    def rotates(self) -> bool:
        """Whether a request gets one of the tokens, unless it asks for its own credential."""
        return bool(self.tokens) and self.mode == "rotate"


@dataclass(frozen=True)
class Profile:
    name: str
    """The file's name without its suffix."""
    path: Path
    providers: Mapping[str, targets.Provider] = field(hash=False)
    models: patterns.Table[targets.Target] = field(hash=False)
    """Model name or pattern -> target, whose model may contain `*`."""
    fallbacks: patterns.Table[tuple[str, ...]] = field(hash=False)
    """Model name or pattern -> models to try next, named as in `models`, which may contain `*`."""
    server_tools: Mapping[str, str] = field(hash=False)
    """Server tool -> the model, named as in `models`, that runs it for models without it."""
    pool: Pool
    intercept: tuple[str, ...]
    """Hosts whose TLS we decrypt; lower case."""
    max_attempts: int
    open: bool
    """Whether other machines may connect without a key."""
    classifiers: tuple[str, ...]
    """The models of which the first usable one checks tool calls for other models than Claude."""
    upstream_proxy: str | None = field(repr=False)
    """The URL of the proxy that leads to the providers, which may hold a password."""
    store: str | None = field(repr=False)
    """The URL of what instances share, which may hold a password; None for the default, empty for none."""
    warnings: tuple[str, ...]
    """Warnings to log at start."""
    clients: Mapping[str, client_entries.Client] = field(
        default_factory=lambda: MappingProxyType({}), repr=False, hash=False
    )
    """The clients that have a key of their own, by name."""
    left_out: patterns.Table[str] = field(default_factory=lambda: patterns.Table({}), hash=False)
    """Model names or patterns that a LiteLLM config has, but nobody to answer them, and why."""
    prices: prices.Prices = field(
        default_factory=lambda: prices.Prices(patterns.Table({})), hash=False, compare=False
    )
    ledger: ledgers.Ledger = field(default_factory=ledgers.Ledger)
    otlp: str = ""
    """The URL of an OpenTelemetry collector; empty for none."""

    @property
    def asks_anthropic(self) -> bool:
        """Whether any request may go to Anthropic. If none may, clients need no credential for it."""
        return any(provider.is_anthropic for provider in self.providers.values())

    def target(self, model: str) -> targets.Target | None:
        """The target for a client's model name; None if there is none. It may be unusable (`missing`)."""
        entry = self.models.find(model)
        if entry is None:
            return None
        target, kept = entry
        if not kept:
            return target
        name = targets.bare(patterns.fill(target.model, kept))
        return targets.Target(target.provider, name) if name else None

    def client(self, name: str) -> client_entries.Client:
        """Raises:
        ValueError: there is no client of this name.
        """
        if name not in self.clients:
            names = f"one of {_list(self.clients)}" if self.clients else "none, for there are none"
            raise ValueError(f"client: expected {names}, got {name!r}")
        return self.clients[name]

    def candidates(
        self, model: str, may_ask: Callable[[str], bool] = lambda model: True
    ) -> list[Candidate]:
        """The model itself and its fallbacks, in the order in which they are tried. A fallback that the
        client may not ask for is left out, as if there were none."""
        names = [model]
        if rule := self.fallbacks.find(model):
            templates, kept = rule
            names += filter(may_ask, (patterns.fill(template, kept) for template in templates))
        candidates: list[Candidate] = []
        for name in names:
            target = self.target(name)
            if target is None:
                why = "not one of the profile's models"
            elif target.provider.missing:
                why = target.provider.unset
            elif target in [candidate.target for candidate in candidates]:
                why = LISTED_ABOVE
            else:
                why = ""
            candidates.append(Candidate(name, target, why))
        return candidates

    def fallback_targets(
        self, model: str, may_ask: Callable[[str], bool] = lambda model: True
    ) -> tuple[targets.Target, ...]:
        """The usable targets to try after target(model), in order, each once. `may_ask`: whether a client
        may ask for a model."""
        _, *fallbacks = self.candidates(model, may_ask)
        return tuple(
            fallback.target
            for fallback in fallbacks
            if fallback.target and not fallback.passed_over
        )

    def server_tool_targets(
        self, tools: Iterable[str], may_ask: Callable[[str], bool] = lambda model: True
    ) -> tuple[targets.Target, ...]:
        """The usable targets that run these server tools for models without them, each once."""
        names = (self.server_tools.get(tool) for tool in tools)
        found = (self.target(name) for name in names if name and may_ask(name))
        usable = (target for target in found if target and not target.provider.missing)
        return tuple(dict.fromkeys(usable))

    def classifier(self, *, has_login: bool) -> str | None:
        """The model that checks tool calls for most clients, by its name in this profile; None if there is
        none. `has_login`: they have a credential of their own."""
        for name in self.classifiers:
            target = self.target(name)
            if target is None or target.provider.missing:
                continue
            if target.provider.credential(rotates=self.pool.rotates) != "client" or has_login:
                return name
        return None

    @property
    def needs_classifier(self) -> bool:
        """Whether models answer that are not Claude, whose calls Anthropic doesn't check."""
        return any(not target.provider.is_anthropic for _, target in self.models.items())

    def listed_models(self) -> list[str]:
        """The model names of the file, in its order, for `GET /v1/models`.

        Patterns (names with `*`) are left out.
        """
        return [name for name in self.models if "*" not in name]


def parse(text: str, environ: Mapping[str, str], source: str) -> Profile:
    """Parse the text of a profile or a LiteLLM config; `source` is the file's path.

    Raises:
        ValueError: `<source>: line <number>: <key path>: expected <what>, got <repr>`, on one line,
            without the line if it is unknown.
    """
    try:
        root = document(text, environ)
        if litellm.is_config(root.raw):
            translation = litellm.translate(root)
            profile = _profile(
                values.Value(translation.profile, environ), Path(source), translation.warnings
            )
            return replace(profile, left_out=patterns.Table(translation.left_out))
        return _profile(root, Path(source), ())
    except ValueError as e:
        raise ValueError(f"{source}: {e}") from e


def document(text: str, environ: Mapping[str, str]) -> values.Value:
    """The content of a profile or a LiteLLM config, before checking what it means.

    Raises:
        ValueError: as `yaml_loader.load`.
    """
    loaded = yaml_loader.load(text)
    return values.Value(loaded.raw, environ, lines=loaded.lines)


def read(path: Path, environ: Mapping[str, str]) -> Profile:
    """The profile, or LiteLLM config, in a file.

    Raises:
        ValueError: as parse(), and when the file cannot be read.
    """
    return parse(read_text(path), environ, str(path))


def read_text(path: Path) -> str:
    """The text of a profile's file.

    Raises:
        ValueError: the file cannot be read.
    """
    try:
        # As a text file is read: a line may end in another way.
        text = plain_file.read(path).decode("utf-8-sig")
        return text.replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as e:
        raise ValueError(f"{path}: expected UTF-8, got byte 0x{e.object[e.start]:02x}") from e
    except OSError as e:
        raise ValueError(f"{path}: expected a readable file, got {e.strerror}") from e


def locate(name: str, folder: Path) -> Path:
    """The file of a profile given by its name in `folder` or by its path.

    What ends like a file is one in the working directory first: `team.yaml`, made there, is not to be
    taken for the profile `team`.

    Raises:
        ValueError: there is no such file.
    """
    path = Path(os.path.expanduser(name))  # noqa: PTH111 - Path's own raises for an unknown user
    candidates = [path]
    if path.name == name:
        candidates = [folder / f"{name}.yaml", folder / f"{name}.yml", folder / name, path]
        if path.suffix in (".yaml", ".yml"):
            candidates.insert(0, path)
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    names = sorted(file.stem for file in folder.glob("*.y*ml"))
    if path.name != name or path.suffix in (".yaml", ".yml"):
        why = ": there is no such file"
    else:
        nearest = difflib.get_close_matches(name, names, 1)
        why = f": did you mean {nearest[0]}?" if nearest else ""
    raise ValueError(f"profile: expected a path or one of {', '.join(names)}, got {name!r}{why}")


def environment(
    directory: Path, environ: Mapping[str, str], *, name: str = ".env"
) -> dict[str, str]:
    """The variables in the directory's `.env`, if there is one, overridden by `environ`.

    Raises:
        ValueError: the file has a line that can't be read.
    """
    path = directory / name
    try:
        variables = env_file.parse(plain_file.read(path))
    except FileNotFoundError:
        variables = {}
    except OSError as e:
        logger.warning(f"Cannot read {path}: {e.strerror}")
        variables = {}
    except ValueError as e:
        raise ValueError(f"{path}: {e}") from e
    return {**variables, **environ}


def _profile(root: values.Value, path: Path, warnings: Iterable[str]) -> Profile:
    root.only(
        *("providers", "models", "fallbacks", "pool", "intercept", "max_attempts", "open"),
        *("upstream_proxy", "server_tools", "safeguards", "prices", "default_price", "clients"),
        *("ledger", "ledger_days", "otlp", "store"),
    )
    by_name = {name: providers.read(name, at) for name, at in root["providers"].mapping().items()}
    if not by_name:
        raise root["providers"].error("at least one provider")
    models = patterns.Table(
        {pattern: _target(pattern, at, by_name) for pattern, at in root["models"].mapping().items()}
    )
    if not list(models):
        raise root["models"].error("at least one model")
    fallbacks = {
        pattern: tuple(_fallback(pattern, item, models) for item in at.items("a list of models"))
        for pattern, at in root["fallbacks"].mapping().items()
    }
    intercept = root["intercept"].otherwise(["api.anthropic.com"])
    owners = client_entries.read(root["clients"], models)
    ledger = ledgers.read(root["ledger"], root["ledger_days"])
    return Profile(
        name=path.stem,
        path=path,
        providers=by_name,
        models=models,
        fallbacks=patterns.Table(fallbacks),
        server_tools=_server_tools(root["server_tools"], models),
        pool=_pool(root["pool"]),
        intercept=tuple(_host(item) for item in intercept.items("a list of host names")),
        max_attempts=root["max_attempts"].integer(4, expected="a whole number above 0", least=1),
        open=root["open"].boolean(False),
        classifiers=_classifiers(root["safeguards"], models),
        upstream_proxy=_proxy(root["upstream_proxy"]),
        store=stores.read(root["store"]),
        clients=owners,
        prices=price_table.read(root["prices"], root["default_price"]),
        ledger=ledger,
        otlp=_collector(root["otlp"]),
        warnings=(
            *warnings,
            *_warnings(by_name.values()),
            *(f"pool.tokens: ${{{name}}} is not set." for name in root["pool"]["tokens"].unset()),
            *_unused(fallbacks, models),
            *ledgers.warnings(ledger, owners.values()),
            *price_table.warnings(root["prices"], by_name),
        ),
    )


def _target(
    pattern: str, at: values.Value, by_name: Mapping[str, targets.Provider]
) -> targets.Target:
    name, _, model = at.text(expected="provider/model").partition("/")
    if name not in by_name:
        raise at.error(f"one of the providers {_list(by_name)}")
    if not model:
        raise at.error(f"{name}/ followed by a model name")
    if model.count("*") > pattern.count("*"):
        raise at.error(f"no more `*` than in {pattern!r}")
    return targets.Target(by_name[name], targets.bare(model))


def _fallback(pattern: str, at: values.Value, models: patterns.Table[targets.Target]) -> str:
    name = at.text(expected="a model name")
    if name.count("*") > pattern.count("*"):
        raise at.error(f"no more `*` than in {pattern!r}")
    # Only a pattern's `*` matches a `*` in the name, so it will also match whatever replaces it.
    if models.find(name) is None:
        raise at.error(f"one of the models {_list(models)}")
    return name


def _server_tools(value: values.Value, models: patterns.Table[targets.Target]) -> Mapping[str, str]:
    """One model for all of the tools, or a mapping of some of them to models."""
    if not isinstance(value.raw, dict | None):
        return dict.fromkeys(server_tools.NAMES, _server_tools_model(value, models))
    value.only(*server_tools.NAMES)
    return {name: _server_tools_model(at, models) for name, at in value.mapping().items()}


def _server_tools_model(at: values.Value, models: patterns.Table[targets.Target]) -> str:
    name = at.text(expected="a model name")
    entry = models.find(name)
    if entry is None or not entry[0].provider.is_anthropic:
        raise at.error("a model that the profile sends to Anthropic")
    return name


def _classifiers(value: values.Value, models: patterns.Table[targets.Target]) -> tuple[str, ...]:
    value.only("classifier")
    at = value["classifier"]
    if at.raw is None:
        entries = ((name, models.find(name)) for name in CLASSIFIERS)
        return tuple(name for name, entry in entries if entry and entry[0].provider.is_anthropic)
    if at.raw is False or at.raw == "off":  # YAML takes off for false
        return ()
    name = at.text(expected="a model name, or off")
    if "*" in name or models.find(name) is None:
        raise at.error(f"off, or one of the models {_list(models)}")
    return (name,)


def _pool(value: values.Value) -> Pool:
    value.only("tokens", "mode", "strategy", "spread", "cooldown")
    mode = value["mode"].otherwise("${CLAUDE_TOKEN_MODE:-rotate}")
    tokens = _tokens(value["tokens"].otherwise("${CLAUDE_OAUTH_TOKENS:-}"))
    return Pool(
        tokens=tuple(tokens),
        mode=mode.choice("rotate", "passthrough", default="rotate", any_case=True),
        strategy=value["strategy"].choice(
            "session", "round-robin", "least-used", default="session"
        ),
        cooldown=value["cooldown"].seconds(60, may_be_zero=True),
        spread=value["spread"].choice("session", "agent", default="session"),
        names={token: name for token, name in tokens.items() if name},
    )


def _tokens(value: values.Value) -> dict[str, str]:
    """Tokens, each with its name, which is empty if it has none: `alice=sk-ant-…`."""
    tokens: dict[str, str] = {}
    for item in value.items() if isinstance(value.raw, list) else [value]:
        text = item.text(expected="tokens separated by commas", secret=True, unset_is_empty=True)
        for part in filter(None, map(str.strip, text.split(","))):
            named = NAMED_TOKEN.fullmatch(part)
            name, token = (named[1], named[2]) if named else ("", part)
            if not providers.VISIBLE.fullmatch(token):
                raise item.error("tokens with only visible ASCII characters", secret=True)
            if name and name in tokens.values() and tokens.get(token) != name:
                raise item.problem(f"two tokens have the name {name}")
            tokens[token] = tokens.get(token) or name
    return tokens


def _host(at: values.Value) -> str:
    expected = "a host name without scheme, port or path"
    host = at.text(expected=expected).lower()
    if not providers.is_host(host):
        raise at.error(expected)
    return host


def _proxy(at: values.Value) -> str | None:
    expected = "the URL of an http or https proxy: http://user:password@host:port"
    url = at.text("", expected=expected, secret=True).strip()
    if not url:
        return None
    try:
        parts = urllib.parse.urlsplit(url)
        is_proxy = parts.scheme in ("http", "https") and providers.is_host(parts.hostname or "")
        is_proxy = is_proxy and parts.port != 0 and parts.path in ("", "/")
    except ValueError:
        is_proxy = False
    if not is_proxy or parts.query or parts.fragment:
        raise at.error(expected, secret=True)
    return url


def _collector(at: values.Value) -> str:
    expected = "the URL of a collector: http://127.0.0.1:4318"
    url = at.text("", expected=expected)
    try:
        parts = urllib.parse.urlsplit(url)
        is_collector = parts.scheme in ("http", "https") and providers.is_host(parts.hostname or "")
    except ValueError:
        is_collector = False
    if url and not is_collector:
        raise at.error(expected)
    return url


def _warnings(all_providers: Iterable[targets.Provider]) -> list[str]:
    warnings = []
    for provider in all_providers:
        if provider.missing:
            warnings.append(f"Provider {provider.name} cannot be used: {provider.unset}.")
        if provider.api_key and provider.auth not in ("bearer", "x-api-key"):
            warnings.append(
                f"Provider {provider.name} has an api_key that auth: {provider.auth} does not use."
            )
    return warnings


def _unused(fallbacks: Iterable[str], models: patterns.Table[targets.Target]) -> list[str]:
    return [
        f"fallbacks.{name} is never used: no model has this name."
        for name in fallbacks
        if "*" not in name and models.find(name) is None
    ]


def _list(names: Iterable[str]) -> str:
    first, others = list(names)[:12], list(names)[12:]
    return ", ".join(first) + (" …" if others else "")
