"""Translates the messages of a Messages request to those of Chat Completions.

Strict servers require user and assistant to alternate, and after an assistant's tool calls a result for
each, in the same order, before anything else. So messages of one role are merged, and results are sorted
and completed.
"""

from __future__ import annotations

from collections import Counter
from collections import deque
from collections.abc import Callable
from collections.abc import Iterable
from typing import Any
from typing import NamedTuple

import msgspec

from claude_route import targets
from claude_route.dialects import call_ids
from claude_route.dialects.chat import parts
from claude_route.dialects.chat import quirks
from claude_route.dialects.chat import reasoning
from claude_route.dialects.chat import tool_names
from claude_route.dialects.messages import requests
from claude_route.dialects.messages import server_blocks
from claude_route.dialects.messages import thinking

_BETWEEN = "I have the results."
"""The assistant's message for servers that refuse a user message right after a tool's."""


class Message(msgspec.Struct):
    role: str
    content: str | list[parts.Block] = ""
    output_config: Any = None


class _Call(NamedTuple):
    id: str
    """The client's id of the call."""
    sent: str
    name: str


class Turns:
    """Translates the messages one after the other. `sent` is what the provider gets."""

    def __init__(
        self,
        names: tool_names.Names,
        target_quirks: quirks.Quirks,
        provider: targets.Provider,
        drop: Callable[[str], None],
        *,
        returned: bool = False,
    ) -> None:
        """`returned`: the provider requires its reasoning back with each call, if only an empty one."""
        self.sent: list[dict[str, Any]] = []
        self.ids: set[str] = set()
        """The client's ids of all calls."""
        self._names = names
        self._parts = parts.Parts(names, drop)
        self._quirks = target_quirks
        self._provider = provider
        self._tag = thinking.tag(provider.name)
        self._drop = drop
        self._returned = returned or provider.reasoning == "required"
        self._waiting: list[_Call] = []
        """The calls of the last message, whose results must come next."""
        self._waiting_ids: set[str] = set()
        """Their ids as the provider gets them."""

    def assistant(self, blocks: Iterable[parts.Block]) -> None:
        texts: list[str] = []
        calls: list[dict[str, Any]] = []
        thoughts = reasoning.Thoughts()
        for block in blocks:
            self._parts.note(block)
            match block.type:
                case "text":
                    texts.append(block.text or "")
                case "tool_use":
                    calls.append(self._call(block))
                case "thinking":
                    self._thought(block, thoughts)
                case "redacted_thinking":
                    self._drop("messages[].content[].redacted_thinking")
                case "server_tool_use" | "mcp_tool_use":
                    texts.append(server_blocks.call_text(block.name or "", _text(block.input)))
                case _:
                    texts.append(self._parts.other(block))
        content = "\n\n".join(text for text in texts if text and not text.isspace())
        # Some servers refuse null content, others empty content. OpenAI's own answers have null.
        message: dict[str, Any] = {"role": "assistant", "content": content or None}
        if calls:
            message["tool_calls"] = calls
            self._sign(calls, thoughts)
        elif not content:
            message["content"] = requests.EMPTY
        thoughts.put(message)
        if calls and self._returned:
            message.setdefault("reasoning_content", "")
        self.sent.append(message)

    def user(self, blocks: Iterable[parts.Block]) -> None:
        """A user's turn: the results of the previous calls, then the rest as one message."""
        waiting, self._waiting = self._waiting, []
        self._waiting_ids.clear()
        results: dict[str, deque[parts.Block]] = {call.id: deque() for call in waiting}
        room = Counter(call.id for call in waiting)
        rest: list[parts.Part] = []
        for block in blocks:
            is_cached = self._quirks.caches(block.type)
            self._parts.note(block, is_cached=is_cached)
            if block.type != "tool_result":
                block_parts = self._parts.of(block)
                if is_cached and block_parts and block_parts[-1]:
                    block_parts[-1] = parts.marked(block_parts[-1], block.cache_control)
                rest += block_parts
            elif room[id := block.tool_use_id or ""]:
                room[id] -= 1
                results[id].append(block)
            else:
                text, media = self._parts.result(block)
                rest += [f"[Result of another tool call, {block.tool_use_id}]\n{text}", *media]
        shown: list[parts.Part] = []
        for call in waiting:
            content: str | msgspec.Raw = "[The call has no result]"
            cached: list[parts.Part] = []
            if results[call.id]:
                block = results[call.id].popleft()
                if raw := _raw_text(block):
                    content = raw
                else:
                    content, media = self._parts.result(block)
                    if media:
                        shown += [f"[From the result of {call.name}, {call.sent}]", *media]
                if block.cache_control is not None and self._quirks.caches(block.type):
                    cached = [parts.marked(parts.text_part(content), block.cache_control)]
            result = {"role": "tool", "tool_call_id": call.sent, "content": cached or content}
            self.sent.append(result | {"name": call.name} if self._quirks.gemini else result)
        # Claude refuses a blank text, whoever serves it.
        all_parts = [part for part in shown + rest if not isinstance(part, str) or part.strip()]
        if all_parts and waiting and self._quirks.in_turn:
            self.sent.append({"role": "assistant", "content": _BETWEEN})
        if all_parts or not waiting:
            self.sent.append({"role": "user", "content": parts.content(all_parts)})

    def end(self) -> None:
        """After the last message: complete the calls that still wait for results."""
        if self._waiting:
            self.user([])

    def _call(self, block: parts.Block) -> dict[str, Any]:
        id = block.id or ""
        sent = self._quirks.call_id(id)
        if sent in self._waiting_ids:
            sent = call_ids.hashed(f"{sent} {len(self._waiting)}", 9)
        self._waiting_ids.add(sent)
        name = self._names.sent(block.name or "")
        self._waiting.append(_Call(id, sent, name))
        self.ids.add(id)
        arguments = _text(block.input)
        if not arguments.startswith("{"):
            arguments = "{}"
        return {"id": sent, "type": "function", "function": {"name": name, "arguments": arguments}}

    def _sign(self, calls: list[dict[str, Any]], thoughts: reasoning.Thoughts) -> None:
        for call, waiting in zip(calls, self._waiting, strict=True):
            if extra := thoughts.calls.get(waiting.id):
                call["extra_content"] = extra
        # Of several calls in one message, only the first requires a signature.
        if foreign := self._quirks.foreign_call:
            calls[0].setdefault("extra_content", foreign)

    def _thought(self, block: parts.Block, thoughts: reasoning.Thoughts) -> None:
        policy = self._provider.thinking.requests
        signature = block.signature or ""
        if policy != "all" and signature.startswith(self._tag):
            thoughts.add(block.thinking or "", signature[len(self._tag) :])
        elif policy == "none":
            thoughts.add(block.thinking or "", "")
        else:
            self._drop("messages[].content[].thinking")


def _raw_text(result: parts.Block) -> msgspec.Raw | None:
    """A result that is a string, as JSON; None for others. Files make up most of a conversation, and
    decoding them would be slow."""
    text = bytes(result.content)
    if not text.startswith(b'"') or text == b'""':
        return None
    return msgspec.Raw(b'"Error: ' + text[1:]) if result.is_error else result.content


def _text(raw: msgspec.Raw) -> str:
    return bytes(raw).decode().strip()
