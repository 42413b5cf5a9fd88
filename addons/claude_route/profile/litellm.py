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

from claude_route.profile import litellm_apis
from claude_route.profile import litellm_deployments
from claude_route.profile import litellm_ignored
from claude_route.profile import patterns
from claude_route.profile import values


class Translation(NamedTuple):
    profile: dict[str, Any]
    """With a profile's keys."""
    warnings: list[str]
    left_out: dict[str, str]
    """Model names that the config has and the profile hasn't, and why."""
    taken: Sequence[str]
    """The names of the entries that the profile has, one for each entry."""


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
    deployments, left_out, warnings = litellm_deployments.read(config)
    anthropics = [each for each in deployments if each.is_anthropic]
    # All of them share a base_url; an entry with another is a provider of its own.
    anthropics = [a for a in anthropics if a.base_url.raw == anthropics[0].base_url.raw]
    profile, more = _anthropic(anthropics)
    warnings += [*more, *litellm_ignored.unguarded(config)]
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
    return Translation(
        profile,
        [*warnings, *litellm_ignored.summary(litellm_ignored.ignored(config))],
        left_out,
        taken,
    )


def _with_references(raw: Any) -> Any:
    """The config with `os.environ/NAME` replaced by `${NAME}`."""
    if isinstance(raw, dict):
        return {key: _with_references(value) for key, value in raw.items()}
    if isinstance(raw, list):
        return [_with_references(item) for item in raw]
    if isinstance(raw, str) and raw.startswith("os.environ/"):
        return f"${{{raw.removeprefix('os.environ/')}}}"
    return raw


def _anthropic(
    deployments: Sequence[litellm_deployments.Deployment],
) -> tuple[dict[str, Any], list[str]]:
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


def _provider(deployment: litellm_deployments.Deployment) -> values.Value:
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


def _provider_name(deployment: litellm_deployments.Deployment, taken: Container[str]) -> str:
    """`z.ai` for https://api.z.ai/api/anthropic; the prefix if the host is the prefix's own."""
    name = deployment.prefix
    if deployment.host not in (
        "",
        litellm_deployments.host_of(litellm_apis.PREFIXES[name].base_url),
    ):
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
