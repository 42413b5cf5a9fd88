"""YAML text and environment variables -> a frozen Profile: which provider answers which model."""

from __future__ import annotations

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
from claude_route.pricing import prices
from claude_route.profile import addresses
from claude_route.profile import clients as client_entries
from claude_route.profile import files
from claude_route.profile import ledgers
from claude_route.profile import litellm
from claude_route.profile import model_tables
from claude_route.profile import patterns
from claude_route.profile import pools
from claude_route.profile import price_table
from claude_route.profile import providers
from claude_route.profile import stores
from claude_route.profile import values
from claude_route.profile import yaml_loader

LISTED_ABOVE = "listed above"
"""Why a candidate is passed over whose target an earlier candidate has."""


class Candidate(NamedTuple):
    """A model that a request may go to, by its own name or as a fallback, and whether it is usable."""

    name: str
    """The name that the client or the profile uses."""
    target: targets.Target | None
    """None if the profile doesn't have the model."""
    passed_over: str
    """Why it is never tried, phrased to follow its name; empty if it may be tried."""


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
    pool: pools.Pool
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
    otlp: str = field(default="", repr=False)
    """The URL of an OpenTelemetry collector, which may hold a password; empty for none."""

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
            names = (
                f"one of {values.listed(self.clients)}"
                if self.clients
                else "none, for there are none"
            )
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
    return parse(files.read_text(path), environ, str(path))


def _profile(root: values.Value, path: Path, warnings: Iterable[str]) -> Profile:
    root.only(
        *("providers", "models", "fallbacks", "pool", "intercept", "max_attempts", "open"),
        *("upstream_proxy", "server_tools", "safeguards", "prices", "default_price", "clients"),
        *("ledger", "ledger_days", "otlp", "store"),
    )
    by_name = {name: providers.read(name, at) for name, at in root["providers"].mapping().items()}
    if not by_name:
        raise root["providers"].error("at least one provider")
    models = model_tables.read_models(root["models"], by_name)
    fallbacks = model_tables.read_fallbacks(root["fallbacks"], models)
    intercept = root["intercept"].otherwise(["api.anthropic.com"])
    owners = client_entries.read(root["clients"], models)
    ledger = ledgers.read(root["ledger"], root["ledger_days"])
    return Profile(
        name=path.stem,
        path=path,
        providers=by_name,
        models=models,
        fallbacks=fallbacks,
        server_tools=model_tables.read_server_tools(root["server_tools"], models),
        pool=pools.read(root["pool"]),
        intercept=tuple(addresses.host(item) for item in intercept.items("a list of host names")),
        max_attempts=root["max_attempts"].integer(4, expected="a whole number above 0", least=1),
        open=root["open"].boolean(False),
        classifiers=model_tables.read_classifiers(root["safeguards"], models),
        upstream_proxy=addresses.proxy(root["upstream_proxy"]),
        store=stores.read(root["store"]),
        clients=owners,
        prices=price_table.read(root["prices"], root["default_price"]),
        ledger=ledger,
        otlp=addresses.collector(root["otlp"]),
        warnings=(
            *warnings,
            *providers.warnings(by_name.values()),
            *(f"pool.tokens: ${{{name}}} is not set." for name in root["pool"]["tokens"].unset()),
            *model_tables.unused(fallbacks, models),
            *ledgers.warnings(ledger, owners.values()),
            *price_table.warnings(root["prices"], by_name),
        ),
    )
