"""What a profile says about all models of a provider, or some: `context` and `supports`."""

from __future__ import annotations

from claude_route import targets
from claude_route.profile import patterns
from claude_route.profile import values

KEYS = ("context", "supports")

_CAPABILITIES: tuple[targets.Capability, ...] = (
    "images",
    "documents",
    "effort",
    "structured_outputs",
)


def read(value: values.Value, default: targets.Abilities = targets.UNKNOWN) -> targets.Abilities:
    """The abilities in a mapping. What it doesn't mention is as in `default`.

    Raises:
        ValueError: `<key path>: expected <what>, got <repr>`.
    """
    context = default.context
    if value["context"].raw is not None:
        context = value["context"].integer(0, expected="a number of tokens above 0", least=1)
    supports = value["supports"].only(*_CAPABILITIES)
    lacks = tuple(
        name for name in _CAPABILITIES if not supports[name].boolean(name not in default.lacks)
    )
    return targets.Abilities(context, lacks)


def table(
    value: values.Value, default: targets.Abilities
) -> patterns.Table[targets.Abilities] | None:
    """The abilities of some models, by name or pattern; None if there are none.

    Raises:
        ValueError: as read().
    """
    described = {name: read(at.only(*KEYS), default) for name, at in value.mapping().items()}
    return patterns.Table(described) if described else None
