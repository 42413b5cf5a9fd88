"""Which models a profile has: `models`, and what names them: `fallbacks`, `server_tools`, `safeguards`.

Each reader raises ValueError: `<key path>: expected <what>, got <repr>`.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping

from claude_route import targets
from claude_route.dialects.messages import server_tools
from claude_route.profile import patterns
from claude_route.profile import values

CLASSIFIERS = ("claude-haiku-5-5", "claude-sonnet-5")
"""The models that check tool calls, unless the profile names another: the first that Anthropic answers.
Haiku is quick, and the only family that a token of a subscription may ask with words of our own."""


def read_models(
    value: values.Value, by_name: Mapping[str, targets.Provider]
) -> patterns.Table[targets.Target]:
    """Model name or pattern -> target, whose model may contain `*`. `by_name`: the providers."""
    models = patterns.Table(
        {pattern: _target(pattern, at, by_name) for pattern, at in value.mapping().items()}
    )
    if not list(models):
        raise value.error("at least one model")
    return models


def read_fallbacks(
    value: values.Value, models: patterns.Table[targets.Target]
) -> patterns.Table[tuple[str, ...]]:
    """Model name or pattern -> models to try next, which may contain `*`."""
    return patterns.Table(
        {
            pattern: tuple(
                _fallback(pattern, item, models) for item in at.items("a list of models")
            )
            for pattern, at in value.mapping().items()
        }
    )


def _target(
    pattern: str, at: values.Value, by_name: Mapping[str, targets.Provider]
) -> targets.Target:
    name, _, model = at.text(expected="provider/model").partition("/")
    if name not in by_name:
        raise at.error(f"one of the providers {values.listed(by_name)}")
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
        raise at.error(f"one of the models {values.listed(models)}")
    return name


def read_server_tools(
    value: values.Value, models: patterns.Table[targets.Target]
) -> Mapping[str, str]:
    """Server tool -> model. A profile has one model for all of the tools, or a mapping of some of them to
    models."""
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


def read_classifiers(
    value: values.Value, models: patterns.Table[targets.Target]
) -> tuple[str, ...]:
    """The models that may check tool calls: the first usable one does."""
    value.only("classifier")
    at = value["classifier"]
    if at.raw is None:
        entries = ((name, models.find(name)) for name in CLASSIFIERS)
        return tuple(name for name, entry in entries if entry and entry[0].provider.is_anthropic)
    if at.raw is False or at.raw == "off":  # YAML takes off for false
        return ()
    name = at.text(expected="a model name, or off")
    if "*" in name or models.find(name) is None:
        raise at.error(f"off, or one of the models {values.listed(models)}")
    return (name,)


def unused(fallbacks: Iterable[str], models: patterns.Table[targets.Target]) -> list[str]:
    """Warnings about fallbacks of names that no model has."""
    return [
        f"fallbacks.{name} is never used: no model has this name."
        for name in fallbacks
        if "*" not in name and models.find(name) is None
    ]
