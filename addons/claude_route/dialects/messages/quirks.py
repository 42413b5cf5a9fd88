"""Where providers of the Messages API require something else than Claude Code sends.

A quirk of some providers or models is a field of `Quirks`, which `of` sets. A quirk that does no harm
elsewhere is a constant and applies to all.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from claude_route import targets
from claude_route.dialects import call_ids
from claude_route.dialects import thinking_rules

IDENTITY = frozenset({b"user-agent", b"x-app"})
"""Headers that identify the client. Kimi serves only clients that it recognises by them."""

# Whoever serves them. An empty block is harmless where it isn't required.
_RETURNED = re.compile(r"deepseek|kimi|moonshot|mimo")


class Quirks(NamedTuple):
    flat_schemas: bool = False
    """Whether it refuses oneOf, anyOf and allOf at the top of a tool's schema."""
    strict_ids: bool = False
    """Whether it refuses ids of calls in other characters than Anthropic's."""
    returned: bool = False
    """Whether it requires its thinking back with each call of a tool, if only as an empty block."""

    def call_id(self, id: str) -> str:
        """A call's id in a form that this model accepts, which is its own if it made it."""
        return call_ids.short(id) if self.strict_ids else call_ids.decode(id)


def of(target: targets.Target) -> Quirks:
    provider = target.provider
    # OpenRouter and gateways put the vendor before a slash.
    model = target.model.rpartition("/")[2].lower()
    return Quirks(
        flat_schemas=provider.is_anthropic,
        strict_ids=provider.is_anthropic or "claude" in model,
        returned=not provider.is_anthropic
        and (
            provider.reasoning == "required"
            or thinking_rules.of(target).returned
            or _RETURNED.match(model) is not None
        ),
    )
