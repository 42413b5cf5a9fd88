"""Thinking that is bound to the conversation before it.

https://platform.claude.com/docs/en/build-with-claude/preserved-thinking. These models check it for every
account. Thinking that a model can't read, because another made it, is no error: the API leaves it out.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

import msgspec

from simulator import signatures

CHECKED = re.compile(r"claude-(?:fable|mythos)-5-[2-9](?!\d)")
BILLING = "x-anthropic-billing-header"
THINKING = ("thinking", "redacted_thinking")


def bond(body: Mapping[str, Any], count: int) -> signatures.Bond:
    """The bond of thinking in message `count`. Before it come the system prompt, tools, and messages,
    which count without thinking and cache points. Tools that are deferred may come later."""
    if not CHECKED.match(str(body["model"])):
        return signatures.UNBOUND
    tools = [tool for tool in body.get("tools") or () if not tool.get("defer_loading")]
    parts = [_plain(body.get("system")), _plain(tools)]
    for message in body["messages"][:count]:
        parts.append([message.get("role"), _plain(message["content"])])
    digest = hashlib.sha256(msgspec.json.encode(parts, order="sorted")).digest()
    return signatures.Bond(body["model"], digest[:16])


def _plain(content: Any) -> Any:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if not isinstance(content, list):
        return content
    return [
        {key: value for key, value in part.items() if key != "cache_control"}
        for part in content
        if part.get("type") not in THINKING and not str(part.get("text")).startswith(BILLING)
    ]


def problems(body: Mapping[str, Any], signer: signatures.Signer) -> Iterator[str]:
    if not CHECKED.match(body["model"]):
        return
    for n, message in enumerate(body["messages"]):
        if message.get("role") != "assistant" or isinstance(message["content"], str):
            continue
        for m, block in enumerate(message["content"]):
            if block["type"] not in THINKING:
                continue
            seal = signer.read(str(block.get("signature") or block.get("data")))
            if seal and seal.bond.model == body["model"] and seal.bond != bond(body, n):
                yield (
                    f"messages.{n}.content.{m}: Invalid `signature` in `thinking` block. The block is bound"
                    " to a different conversation. Remove the block, or set"
                    ' `thinking.block_binding.prefix_mismatch_behavior` to "drop_block".'
                )
