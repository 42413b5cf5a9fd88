"""What a provider of the Messages API wants otherwise than Claude Code writes it.

A quirk of one provider or model is a field of `Quirks`, given to it in `of`. What one provider wants and
no other minds is a constant, for all of them.
"""

from __future__ import annotations

from typing import NamedTuple

from claude_route import targets

IDENTITY = frozenset({b"user-agent", b"x-app"})
"""Headers that say which client asks: Kimi serves only those that it knows by them."""


class Quirks(NamedTuple):
    flat_schemas: bool = False
    """Refuses oneOf, anyOf and allOf at the top of a tool's schema."""


def of(target: targets.Target) -> Quirks:
    return Quirks(flat_schemas=target.provider.is_anthropic)
