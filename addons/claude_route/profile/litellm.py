"""Translates a LiteLLM proxy's `config.yaml` to a profile:
https://docs.litellm.ai/docs/proxy/configs

The result has a profile's keys, but its values keep their key paths in the LiteLLM file, so that
errors refer to the file that the user wrote.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Container
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from typing import NamedTuple
from urllib.parse import urlsplit

from claude_route.profile import litellm_apis
from claude_route.profile import patterns
from claude_route.profile import values

PREFIXES = litellm_apis.PREFIXES

USED = {
    "": ("model_list", "router_settings", "litellm_settings"),
    "router_settings": ("fallbacks", "model_group_alias"),
    "litellm_settings": ("fallbacks",),
    "model_list[]": ("model_name", "litellm_params"),
    "model_list[].litellm_params": (
        *("model", "custom_llm_provider", "api_base", "base_url", "api_key", "extra_headers"),
    ),
}


KEY_HEADERS = ("authorization", "x-api-key")
"""The headers in which Messages providers expect a key. Some accept either, so configs repeat it."""


class Deployment(NamedTuple):
    """An entry of `model_list`, which LiteLLM calls a deployment."""

    name: str
    prefix: str
    model: str
    """The provider's name for it."""
    base_url: values.Value
    """Without the endings of its style; unchanged if it refers to an unset variable."""
    api_key: values.Value
    auth: str | None
    """The profile's `auth`; None if it is the default."""
    params: values.Value

    @property
    def style(self) -> litellm_apis.Style:
        return PREFIXES[self.prefix].style

    @property
    def host(self) -> str:
        return _host(self.base_url.raw)

    @property
    def is_anthropic(self) -> bool:
        """Whether this is Anthropic itself: at its own host, or at a gateway if the entry names no other
        credential than Anthropic's, and passes on all of Claude's models."""
        if self.prefix != "anthropic" or self.host == "api.anthropic.com":
            return self.prefix == "anthropic"
        if self.model not in ("*", "claude-*") or self.base_url.unset():
            return False
        key = self.api_key
        return key.raw is None or (not key.unset() and key.text("").startswith("sk-ant-"))

    @property
    def headers(self) -> values.Value:
        """The headers to send besides the credential."""
        headers = self.params["extra_headers"]
        if not isinstance(headers.raw, dict):
            return headers
        others = {
            name: value
            for name, value in headers.raw.items()
            if str(name).lower() not in KEY_HEADERS
        }
        return replace(headers, raw=others or None)

    @property
    def account(self) -> tuple[str, ...]:
        """Identifies a provider: deployments with the same account share one."""
        parts = (self.base_url, self.api_key, self.headers)
        return (self.style.dialect, self.auth or "", *(repr(part.raw) for part in parts))


class Translation(NamedTuple):
    profile: dict[str, Any]
    """With a profile's keys."""
    warnings: list[str]
    left_out: dict[str, str]
    """Model names that the config has and the profile hasn't, and why."""
    taken: Sequence[str]
    """The names of the entries that the profile has, one for each entry."""


class Ignored(NamedTuple):
    """A LiteLLM setting that has no equivalent."""

    name: str
    """Its key path without list indexes: `model_list[].litellm_params.timeout`."""
    value: values.Value


def is_config(raw: Any) -> bool:
    """Whether a YAML document is a LiteLLM config."""
    return isinstance(raw, dict) and "model_list" in raw


def translate(config: values.Value) -> Translation:
    """The profile for a config.

    Of several entries with the same `model_name`, the first is the route, and the others are its first
    fallbacks. As in LiteLLM, a model of `anthropic/*` is also found without its prefix.

    Raises:
        ValueError: `<key path>: expected <what>, got <repr>`.
    """
    config = replace(config, raw=_with_references(config.raw))
    deployments, left_out, warnings = _deployments(config)
    anthropics = [each for each in deployments if each.is_anthropic]
    # All of them share a base_url; an entry with another is a provider of its own.
    anthropics = [a for a in anthropics if a.base_url.raw == anthropics[0].base_url.raw]
    profile, more = _anthropic(anthropics)
    warnings += [*more, *unguarded(config)]
    names: dict[tuple[str, ...], str] = {}
    routes: dict[str, list[values.Value]] = {}
    for deployment in deployments:
        account = deployment.account
        name = "anthropic" if deployment in anthropics else names.get(account)
        if name is None:
            name = names[account] = _provider_name(deployment, profile["providers"])
            profile["providers"][name] = _provider(deployment)
        target = replace(deployment.params["model"], raw=f"{name}/{deployment.model}")
        routes.setdefault(deployment.name, []).append(target)

    routes = _unprefixed(routes)
    kept = patterns.Table(routes)
    rules_here, more = _fallbacks(config, left_out, kept)
    fallbacks = _unprefixed(rules_here)
    warnings += more
    for alias, name, at in _aliases(config):
        if (group := kept.find(name)) is None:
            left_out[alias] = left_out.get(name) or f"{at.path}: there is no model {name}"
            warnings.append(f"{at.path} is left out: there is no model {name} here.")
            continue
        routes.setdefault(alias, _filled(*group))
        if alias not in fallbacks and (rule := patterns.Table(fallbacks).find(name)):
            fallbacks[alias] = _filled(*rule)
    rules = patterns.Table(fallbacks)
    models = {name: targets[0] for name, targets in routes.items()}
    for name, (first, *others) in routes.items():
        rule = rules.find(name)
        if others := [target for target in others if target.raw != first.raw]:
            fallbacks[name] = others + (_filled(*rule) if rule else [])
        for target in others:  # fallbacks refer to names in `models`
            models.setdefault(target.raw, target)
    profile |= {"models": models, "fallbacks": fallbacks}
    taken = [deployment.name for deployment in deployments]
    return Translation(profile, [*warnings, *summary(ignored(config))], left_out, taken)


def _with_references(raw: Any) -> Any:
    """The config with `os.environ/NAME` replaced by `${NAME}`."""
    if isinstance(raw, dict):
        return {key: _with_references(value) for key, value in raw.items()}
    if isinstance(raw, list):
        return [_with_references(item) for item in raw]
    if isinstance(raw, str) and raw.startswith("os.environ/"):
        return f"${{{raw.removeprefix('os.environ/')}}}"
    return raw


def _deployments(config: values.Value) -> tuple[list[Deployment], dict[str, str], list[str]]:
    """The entries that we can take, the names that are left without one, and warnings.

    Raises:
        ValueError: an entry is wrong, or none can be taken.
    """
    deployments: list[Deployment] = []
    left_out: dict[str, str] = {}
    warnings = []
    problems = []
    for entry in config["model_list"].items():
        model = entry["litellm_params"]["model"]
        try:
            deployments.append(_deployment(entry))
        except litellm_apis.NotTakenError as e:
            problems.append(model.error(str(e).removeprefix("expected ")))
            name = entry["model_name"].text(expected="a model name")
            why = f"{model.path}: {e}, got {model.text()!r}"
            left_out.setdefault(name, why)
            warnings.append(f"{name} is left out: {why}.")
    if not deployments:
        listed = config["model_list"]
        nothing = listed.error(
            "a list of at least one model", got="an empty list" if listed.raw == [] else None
        )
        raise next(iter(problems), nothing)
    for deployment in deployments:
        left_out.pop(deployment.name, None)
    return deployments, left_out, warnings


def _deployment(entry: values.Value) -> Deployment:
    params = entry["litellm_params"]
    text = params["model"].text(expected="a model name")
    base_url = params["api_base"] if params["base_url"].raw is None else params["base_url"]
    mode = entry["model_info"]["mode"] if isinstance(entry["model_info"].raw, dict) else None
    if mode and mode.raw in litellm_apis.OTHER_MODES:
        raise litellm_apis.NotTakenError("expected a model that answers messages")
    prefix, model = litellm_apis.api_of(
        text, params["custom_llm_provider"].text(""), has_base=base_url.raw is not None
    )
    api = PREFIXES[prefix]
    name = entry["model_name"].text(expected="a model name")
    if name == text == "*" and base_url.raw is None:
        name = model = "claude-*"  # all other models are other companies'
    key, auth = _credential(params, api.style)
    base_url = base_url.otherwise(api.base_url)
    url = base_url.text(expected="an http(s) URL", unset_is_empty=True).rstrip("/")
    for end in api.style.ends:
        url = url.removesuffix(end).rstrip("/")
    if api.base_url and _host(url) == _host(api.base_url):
        if prefix == "gemini":
            url = api.base_url  # LiteLLM's own is Google's native API, at the same host
        if api.variable:
            key = key.otherwise(f"${{{api.variable}}}")
    return Deployment(
        name=name,
        prefix=prefix,
        model=model,
        base_url=replace(base_url, raw=url or base_url.raw),
        api_key=key,
        auth=auth if key.raw is not None else None,
        params=params,
    )


def _credential(params: values.Value, style: litellm_apis.Style) -> tuple[values.Value, str | None]:
    """An entry's credential, and how it is sent. LiteLLM sends `extra_headers` last, so a credential in
    them counts; one that only repeats the key is sent as LiteLLM sends the key."""
    api_key, headers = params["api_key"], params["extra_headers"]
    given = headers.mapping() if isinstance(headers.raw, dict) else {}
    for name, at in given.items():
        header = name.lower()
        if header not in KEY_HEADERS or at.raw is None:
            continue
        text = at.text(expected="a string", secret=True, unset_is_empty=True)
        scheme, _, rest = str(at.raw).strip().partition(" ")
        if not rest:
            secret = at
        elif scheme.lower() == "bearer" and header == "authorization":
            secret = replace(at, raw=rest.strip())
        else:
            raise at.error("a key, or Bearer and a key", got="another form", secret=True)
        if text and secret.raw == api_key.raw:
            continue
        return secret, "bearer" if header == "authorization" else "x-api-key"
    return api_key, style.auth


def _host(url: str | None) -> str:
    try:
        return urlsplit(url or "").netloc.rpartition("@")[2].lower()
    except ValueError:
        return ""


def _anthropic(deployments: Sequence[Deployment]) -> tuple[dict[str, Any], list[str]]:
    """The profile's provider and pool for Anthropic itself, from all of its entries.

    A single key becomes the provider's key; several become the pool. If the environment sets tokens
    or their mode, it takes precedence: such files contain a key only because LiteLLM requires one.
    """
    if not deployments:
        return {"providers": {}}, []
    first = deployments[0]
    warnings = [
        f"{deployment.headers.path} is ignored: all Anthropic models use the headers of the first entry."
        for deployment in deployments
        if deployment.headers.raw != first.headers.raw
    ]
    keys = {deployment.api_key.raw: deployment.api_key for deployment in deployments}
    environ = first.params.environ
    in_environment = environ.get("CLAUDE_OAUTH_TOKENS") or environ.get("CLAUDE_TOKEN_MODE")
    if len(keys) == 1 and not in_environment:
        return {"providers": {"anthropic": _provider(first)}}, warnings
    keyless = first._replace(api_key=replace(first.api_key, raw=None))
    profile: dict[str, Any] = {"providers": {"anthropic": _provider(keyless)}}
    given = [key for key in keys.values() if key.raw is not None]
    if environ.get("CLAUDE_OAUTH_TOKENS"):
        warnings += [f"{key.path} is ignored because CLAUDE_OAUTH_TOKENS is set." for key in given]
    elif given:
        profile["pool"] = {"tokens": given}
    return profile, warnings


def _provider(deployment: Deployment) -> values.Value:
    raw = {
        "base_url": deployment.base_url,
        "api": deployment.style.dialect,
        "api_key": deployment.api_key,
        "headers": deployment.headers,
    }
    # For Anthropic itself we distinguish the kinds of keys.
    if deployment.auth and not deployment.is_anthropic:
        raw["auth"] = deployment.auth
    return replace(deployment.params, raw=raw)


def _provider_name(deployment: Deployment, taken: Container[str]) -> str:
    """`z.ai` for https://api.z.ai/api/anthropic; the prefix if the host is the prefix's own."""
    name = deployment.prefix
    if deployment.host not in ("", _host(PREFIXES[name].base_url)):
        words = re.findall(r"[a-z0-9.]+", deployment.host.removeprefix("api."))
        name = "-".join(words).strip(".") or name
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    # The provider `anthropic` is Anthropic itself, and this one is not.
    return next(free for free in names if free not in taken and free != "anthropic")


def _fallbacks(
    config: values.Value,
    left_out: Container[str],
    kept: patterns.Table[list[values.Value]],
) -> tuple[dict[str, list[values.Value]], list[str]]:
    """The fallbacks, without those that are left out, and warnings about these."""
    fallbacks: dict[str, list[values.Value]] = {}
    warnings = []
    for section in ("router_settings", "litellm_settings"):
        for rule in config[section]["fallbacks"].items("a list of {model: [models]}"):
            for name, models in rule.mapping().items():
                if name in left_out:
                    warnings.append(f"{models.path} is left out, because {name} is.")
                    continue
                usable = []
                for model in models.items("a list of models"):
                    if str(model.raw) not in left_out or kept.find(str(model.raw)):
                        usable.append(model)
                    else:
                        warnings.append(f"{model.path} is left out, because {model.raw} is.")
                fallbacks.setdefault(name, usable)
    return fallbacks, warnings


def _aliases(config: values.Value) -> Iterator[tuple[str, str, values.Value]]:
    """Each alias, the model that it stands for, and where it is: LiteLLM's `model_group_alias`."""
    for alias, at in config["router_settings"]["model_group_alias"].mapping().items():
        model = at["model"] if isinstance(at.raw, dict) else at
        yield alias, model.text(expected="a model name"), at


def unguarded(config: values.Value) -> Iterator[str]:
    """What guarded LiteLLM's proxy, and doesn't guard this one."""
    guards = [
        config[section][key]
        for section, key in (
            ("general_settings", "master_key"),
            ("litellm_settings", "master_key"),
            ("general_settings", "custom_auth"),
        )
        if config[section][key].raw is not None
    ]
    if guards:
        names = " and ".join(guard.path for guard in guards)
        is_one = len(guards) == 1
        yield f"{names} {'guards' if is_one else 'guard'} nothing here: " + (
            "clients present PROXY_STATIC_TOKEN."
            if config.environ.get("PROXY_STATIC_TOKEN")
            else "without PROXY_STATIC_TOKEN, every program on this machine may use this proxy."
        )


def _filled(models: Iterable[values.Value], kept: tuple[str, ...]) -> list[values.Value]:
    texts = ((value, value.text(expected="a model name")) for value in models)
    return [
        replace(value, raw=patterns.fill(text, kept) if kept else text) for value, text in texts
    ]


def _unprefixed(entries: Mapping[str, list[values.Value]]) -> dict[str, list[values.Value]]:
    """The same entries, plus `claude-*` if there is only `anthropic/*` or `anthropic/claude-*`.

    LiteLLM also looks up a known model with its provider's prefix.
    """
    more = {}
    for name, group in entries.items():
        rest = name.removeprefix("anthropic/")
        if name == "anthropic/*":
            more["claude-*"] = _filled(group, ("claude-*",))
        elif rest != name and rest.startswith("claude"):
            more[rest] = group
    return {**entries, **{name: more[name] for name in more if name not in entries}}


def summary(settings: Iterable[Ignored]) -> list[str]:
    """One warning about all of them; empty if there are none."""
    names = dict.fromkeys(setting.name for setting in settings)
    return [f"Ignored LiteLLM settings: {', '.join(names)}."] if names else []


def ignored(config: values.Value) -> list[Ignored]:
    """The keys of a config that have no equivalent, in the order of the file."""
    places = [("", config)]
    places += [(section, config[section]) for section in ("router_settings", "litellm_settings")]
    for entry in config["model_list"].items():
        places.append(("model_list[]", entry))
        places.append(("model_list[].litellm_params", entry["litellm_params"]))
    return [
        Ignored(f"{place}.{key}".removeprefix("."), at)
        for place, value in places
        for key, at in value.mapping().items()
        if key not in USED[place]
    ]
