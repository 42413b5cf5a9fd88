"""Where providers of the Messages API require something else than Claude Code sends.

A quirk of some providers or models is a field of `Quirks`, which `of` sets. A quirk that does no harm
elsewhere is a constant and applies to all.
"""

from __future__ import annotations

from typing import NamedTuple

from claude_route import targets

IDENTITY = frozenset({b"user-agent", b"x-app"})
"""Headers that identify the client. Kimi serves only clients that it recognises by them."""


class Quirks(NamedTuple):
    flat_schemas: bool = False
    """Whether it refuses oneOf, anyOf and allOf at the top of a tool's schema."""


def of(target: targets.Target) -> Quirks:
    return Quirks(flat_schemas=target.provider.is_anthropic)
