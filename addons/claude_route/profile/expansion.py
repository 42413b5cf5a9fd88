"""The names that a pattern of `models` stands for, as far as they are known."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator

from claude_route import targets
from claude_route.profile import patterns
from claude_route.profile import profiles

CLAUDE = (
    "claude-fable-5-2",
    "claude-opus-5-5",
    "claude-sonnet-5-5",
    "claude-haiku-5-5",
)
"""Anthropic's newest models, which a client may want to choose from. Tokens of `claude setup-token` may
not ask for the list."""


def names(
    profile: profiles.Profile, served: Callable[[targets.Provider], Iterable[str]]
) -> list[str]:
    """The names without `*`, in the order of the file, and then what is known of each pattern. `served`
    returns the models that a provider lists."""
    listed = dict.fromkeys(map(targets.unprefixed, profile.listed_models()))
    for pattern, target in profile.models.items():
        if "*" in pattern:
            found = _names(pattern, target, served)
            # Another entry may be more specific.
            listed |= dict.fromkeys(n for n in found if _goes_to(profile.target(n), target))
    return list(listed)


def _goes_to(found: targets.Target | None, template: targets.Target) -> bool:
    if found is None or found.provider is not template.provider:
        return False
    if "*" not in template.model:
        return found.model == template.model
    return patterns.match(template.model.split("*"), found.model) is not None


def _names(
    pattern: str,
    target: targets.Target,
    served: Callable[[targets.Provider], Iterable[str]],
) -> Iterator[str]:
    literals = pattern.split("*")
    if literals[0].startswith("claude-"):
        for name in CLAUDE:
            if patterns.match(literals, name) is not None:
                yield name
    if target.model.count("*") == pattern.count("*"):
        for model in served(target.provider):
            kept = patterns.match(target.model.split("*"), model)
            if kept is not None:
                yield patterns.fill(pattern, kept)
