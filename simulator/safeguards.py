"""Auto mode's check of tool calls, as Anthropic makes it: a verdict about each call of an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DANGEROUS = "rm -rf"
"""A call with this in its input is flagged."""


def results(body: Mapping[str, Any], blocks: list[dict[str, Any]]) -> dict[str, Any]:
    """What an answer has for a request with `safeguards`; nothing for any other."""
    if not body.get("safeguards"):
        return {}
    calls = {block["id"]: _verdict(block) for block in blocks if block["type"] == "tool_use"}
    status = {"type": "available", "tool_uses": calls}
    return {"safeguard_results": [{"type": "dangerous_tool_use", "status": status}]}


def _verdict(call: Mapping[str, Any]) -> dict[str, str]:
    if DANGEROUS in str(call.get("input")):
        return {"type": "evaluated", "outcome": "flagged", "explanation": "It deletes files."}
    return {"type": "evaluated", "outcome": "not_flagged"}
