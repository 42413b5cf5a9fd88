"""What some Claude models refuse that others accept.

https://platform.claude.com/docs/en/models/sonnet-5-5/whats-new-sonnet-5-5,
https://platform.claude.com/docs/en/models/fable-5-2/whats-new-fable-5-2 and
https://platform.claude.com/docs/en/build-with-claude/thinking-troubleshooting
"""

from __future__ import annotations

import re

# OpenRouter writes claude-sonnet-5.5.
_UNFORCED = re.compile(r"claude-(?:(?:fable|mythos)-5[-.][1-9]|sonnet-5[-.]5)(?!\d)")
_BOUND = re.compile(r"claude-(?:(?:fable|mythos)-5[-.][2-9]|sonnet-5[-.]5)(?!\d)")
_ALWAYS = re.compile(r"claude-(?:fable|mythos)-|claude-opus-5[-.]5(?!\d)")
_BETWEEN_TOOLS = re.compile(r"claude-sonnet-5[-.]5(?!\d)")
_VERSION = re.compile(r"claude-[a-z]+-(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)")


def refuses_force(model: str) -> bool:
    """Whether it refuses a tool_choice that forces a call, whether it thinks or not."""
    return _UNFORCED.search(model) is not None


def binds_thinking(model: str) -> bool:
    """Whether few other models, if any, can read its thinking."""
    return _BOUND.search(model) is not None


def off(model: str) -> str | None:
    """The `thinking.type` with which it thinks least; None if it always thinks."""
    if _BETWEEN_TOOLS.search(model):
        return "between_tools"
    return None if _ALWAYS.search(model) else "disabled"


def refuses_thinking(model: str, mode: str) -> bool:
    """Whether it refuses this `thinking.type`."""
    if mode in ("disabled", "between_tools"):
        return mode != off(model)
    match = _VERSION.search(model)
    version = (int(match[1]), int(match[2] or 0)) if match else (4, 6)
    # 4.6 accepts both.
    return (mode == "enabled" and version > (4, 6)) or (mode == "adaptive" and version < (4, 6))
