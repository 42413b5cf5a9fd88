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
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from typing import NamedTuple
from urllib.parse import urlsplit

from claude_route.profile import patterns
from claude_route.profile import values


class Style(NamedTuple):
    """How LiteLLM calls the APIs of one dialect."""

    dialect: str
    ends: tuple[str, ...]
    """Endings of an api_base that a profile's base_url doesn't have."""
    auth: str | None = None
    """The profile's `auth` for a key; None if it is the default."""


# LiteLLM sends x-api-key to every provider of the Messages API.
MESSAGES = Style("anthropic", ("/messages", "/v1"), "x-api-key")
CHAT = Style("openai", ("/chat/completions",))


class Api(NamedTuple):
    """The API that a prefix of `litellm_params.model` means."""

    style: Style
    base_url: str | None
    variable: str | None = None
    """The environment variable with the key, for entries that set neither key nor base."""


PREFIXES = {
    "anthropic": Api(MESSAGES, "https://api.anthropic.com"),
    "openai": Api(CHAT, "https://api.openai.com/v1", "OPENAI_API_KEY"),
    "openrouter": Api(CHAT, "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    "cerebras": Api(CHAT, "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY"),
    "dashscope": Api(
        CHAT, "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "DASHSCOPE_API_KEY"
    ),
    "deepseek": Api(CHAT, "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    "fireworks_ai": Api(CHAT, "https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY"),
    "gemini": Api(
        CHAT, "https://generativelanguage.googleapis.com/v1beta/openai", "GEMINI_API_KEY"
    ),
    "groq": Api(CHAT, "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    "minimax": Api(CHAT, "https://api.minimax.io/v1", "MINIMAX_API_KEY"),
    "mistral": Api(CHAT, "https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    "moonshot": Api(CHAT, "https://api.moonshot.ai/v1", "MOONSHOT_API_KEY"),
    "nvidia_nim": Api(CHAT, "https://integrate.api.nvidia.com/v1", "NVIDIA_NIM_API_KEY"),
    "together_ai": Api(CHAT, "https://api.together.xyz/v1", "TOGETHERAI_API_KEY"),
    "xai": Api(CHAT, "https://api.x.ai/v1", "XAI_API_KEY"),
    "zai": Api(CHAT, "https://api.z.ai/api/paas/v4", "ZAI_API_KEY"),
    "hosted_vllm": Api(CHAT, None),
    "lm_studio": Api(CHAT, None),
    # LiteLLM calls Ollama's own API; the Messages API is at the same base.
    "ollama": Api(MESSAGES, "http://localhost:11434"),
    "ollama_chat": Api(MESSAGES, "http://localhost:11434"),
}

USED = {
    "": ("model_list", "router_settings", "litellm_settings"),
    "router_settings": ("fallbacks",),
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
    params: values.Value

    @property
    def style(self) -> Style:
        return PREFIXES[self.prefix].style

    @property
    def host(self) -> str:
        return _host(self.base_url.raw)

    @property
    def is_anthropic(self) -> bool:
        """Whether this is Anthropic itself."""
        return self.prefix == "anthropic" and self.host == "api.anthropic.com"

    @property
    def headers(self) -> values.Value:
        """The headers to send besides the key, without those that only repeat the key."""
        headers = self.params["extra_headers"]
        if not isinstance(headers.raw, dict) or self.api_key.raw is None:
            return headers
        others = {
            name: value
            for name, value in headers.raw.items()
            if str(name).lower() not in KEY_HEADERS
            or str(value).removeprefix("Bearer ") != self.api_key.raw
        }
        return replace(headers, raw=others or None)

    @property
    def account(self) -> tuple[str, ...]:
        """Identifies a provider: deployments with the same account share one."""
        parts = (self.base_url, self.api_key, self.headers)
        return (self.style.dialect, *(repr(part.raw) for part in parts))


class Ignored(NamedTuple):
    """A LiteLLM setting that has no equivalent."""

    name: str
    """Its key path without list indexes: `model_list[].litellm_params.timeout`."""
    value: values.Value


def is_config(raw: Any) -> bool:
    """Whether a YAML document is a LiteLLM config."""
    return isinstance(raw, dict) and "model_list" in raw


def translate(config: values.Value) -> tuple[dict[str, Any], list[str]]:
    """The profile for a config, and warnings.

    Of several entries with the same `model_name`, the first is the route, and the others are its first
    fallbacks. As in LiteLLM, a model of `anthropic/*` is also found without its prefix.

    Raises:
        ValueError: `<key path>: expected <what>, got <repr>`.
    """
    config = replace(config, raw=_with_references(config.raw))
    deployments = [_deployment(entry) for entry in config["model_list"].items()]
    if not deployments:
        raise config["model_list"].error("a list of at least one model")
    profile, warnings = _anthropic([d for d in deployments if d.is_anthropic])
    names: dict[tuple[str, ...], str] = {}
    routes: dict[str, list[values.Value]] = {}
    for deployment in deployments:
        account = deployment.account
        name = "anthropic" if deployment.is_anthropic else names.get(account)
        if name is None:
            name = names[account] = _provider_name(deployment, profile["providers"])
            profile["providers"][name] = _provider(deployment)
        target = replace(deployment.params["model"], raw=f"{name}/{deployment.model}")
        routes.setdefault(deployment.name, []).append(target)

    routes = _unprefixed(routes)
    fallbacks = _unprefixed(_fallbacks(config))
    rules = patterns.Table(fallbacks)
    models = {name: targets[0] for name, targets in routes.items()}
    for name, (first, *others) in routes.items():
        rule = rules.find(name)
        if others := [target for target in others if target.raw != first.raw]:
            fallbacks[name] = others + (_filled(*rule) if rule else [])
        for target in others:  # fallbacks refer to names in `models`
            models.setdefault(target.raw, target)
    profile |= {"models": models, "fallbacks": fallbacks}
    return profile, [*warnings, *summary(ignored(config))]


def _with_references(raw: Any) -> Any:
    """The config with `os.environ/NAME` replaced by `${NAME}`."""
    if isinstance(raw, dict):
        return {key: _with_references(value) for key, value in raw.items()}
    if isinstance(raw, list):
        return [_with_references(item) for item in raw]
    if isinstance(raw, str) and raw.startswith("os.environ/"):
        return f"${{{raw.removeprefix('os.environ/')}}}"
    return raw


def _deployment(entry: values.Value) -> Deployment:
    params = entry["litellm_params"]
    text = params["model"].text(expected="a model name")
    prefix, slash, model = text.partition("/")
    if named := params["custom_llm_provider"].text(""):
        prefix, model = named, text.removeprefix(f"{named}/")
    elif not slash:
        # LiteLLM has a list of all model names. We only need to recognise those of Claude.
        prefix, model = "anthropic" if text.startswith(("claude", "*")) else "openai", text
    if prefix not in PREFIXES:
        prefixes = ", ".join(f"{prefix}/" for prefix in PREFIXES)
        raise params["model"].error(f"a model without a prefix or with one of {prefixes}")
    api = PREFIXES[prefix]
    base_url = params["api_base"] if params["base_url"].raw is None else params["base_url"]
    api_key = params["api_key"]
    if base_url.raw is None and api.variable:
        api_key = api_key.otherwise(f"${{{api.variable}}}")
    base_url = base_url.otherwise(api.base_url)
    url = base_url.text(expected="an http(s) URL", unset_is_empty=True).rstrip("/")
    for end in api.style.ends:
        url = url.removesuffix(end).rstrip("/")
    return Deployment(
        name=entry["model_name"].text(expected="a model name"),
        prefix=prefix,
        model=model,
        base_url=replace(base_url, raw=url or base_url.raw),
        api_key=api_key,
        params=params,
    )


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
    auth = deployment.style.auth
    # For Anthropic itself we distinguish the kinds of keys.
    if auth and deployment.api_key.raw is not None and not deployment.is_anthropic:
        raw["auth"] = auth
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


def _fallbacks(config: values.Value) -> dict[str, list[values.Value]]:
    fallbacks: dict[str, list[values.Value]] = {}
    for section in ("router_settings", "litellm_settings"):
        for rule in config[section]["fallbacks"].items("a list of {model: [models]}"):
            for name, models in rule.mapping().items():
                fallbacks.setdefault(name, models.items("a list of models"))
    return fallbacks


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
