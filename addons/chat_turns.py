"""The messages of a Messages request as those of Chat Completions.

Strict servers want users and assistants in turn, and after an assistant's tool calls a result for each, in
their order, before anything else: so messages of one role are merged, results sorted and completed.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from typing import Any
from typing import NamedTuple

import msgspec

import chat_names
import chat_quirks
import chat_thinking
import profiles
import thinking

EMPTY = "[No message content]"

# What Google documents for calls in a history that another model made.
_FOREIGN_CALL = {"google": {"thought_signature": "skip_thought_signature_validator"}}

_Part = str | dict[str, Any]
"""A part of a user's message: text, or a part of another kind."""


class Block(msgspec.Struct, gc=False):
    """A content block of any kind: `type` says which of the fields it has."""

    type: str
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = msgspec.Raw()
    tool_use_id: str | None = None
    content: msgspec.Raw = msgspec.Raw()
    is_error: bool | None = None
    source: msgspec.Raw = msgspec.Raw()
    title: str | None = None
    context: str | None = None
    tool_name: str | None = None
    tool: msgspec.Raw = msgspec.Raw()
    cache_control: Any = None
    citations: Any = None
    caller: Any = None


class Message(msgspec.Struct):
    role: str
    content: str | list[Block] = ""
    output_config: Any = None


class Source(msgspec.Struct):
    type: str
    media_type: str = ""
    data: str = ""
    url: str = ""
    content: str | list[Block] = ""


class _Call(NamedTuple):
    id: str
    """The client's id of the call."""
    sent: str
    name: str


_blocks = msgspec.json.Decoder(str | list[Block] | None)
_source = msgspec.json.Decoder(Source)


class Turns:
    """Takes the messages one after the other; `sent` is what the provider gets."""

    def __init__(
        self,
        names: chat_names.Names,
        quirks: chat_quirks.Quirks,
        provider: profiles.Provider,
        drop: Callable[[str], None],
    ) -> None:
        self.sent: list[dict[str, Any]] = []
        self.ids: set[str] = set()
        """The client's ids of all calls."""
        self._names = names
        self._quirks = quirks
        self._provider = provider
        self._tag = thinking.tag(provider.name)
        self._drop = drop
        self._waiting: list[_Call] = []
        """The calls of the last message, whose results must come next."""

    def assistant(self, blocks: Iterable[Block]) -> None:
        texts: list[str] = []
        calls: list[dict[str, Any]] = []
        thoughts = chat_thinking.Thoughts()
        for block in blocks:
            self._note(block)
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
                    texts.append(f"[Called {block.name}: {_text(block.input)}]")
                case _:
                    texts.append(self._other(block))
        content = "\n\n".join(text for text in texts if text)
        # Some servers refuse a null content, some an empty one: OpenAI's own answers have the null.
        message: dict[str, Any] = {"role": "assistant", "content": content or None}
        if calls:
            message["tool_calls"] = calls
            self._sign(calls, thoughts)
        elif not content:
            message["content"] = EMPTY
        thoughts.put(message)
        if calls and self._provider.reasoning == "required":
            message.setdefault("reasoning_content", "")
        self.sent.append(message)

    def user(self, blocks: Iterable[Block]) -> None:
        """A user's turn: the results of the calls before it, then all the rest as one message."""
        waiting, self._waiting = self._waiting, []
        results: dict[str, list[Block]] = {call.id: [] for call in waiting}
        room = [call.id for call in waiting]
        rest: list[_Part] = []
        for block in blocks:
            self._note(block)
            if block.type != "tool_result":
                rest += self._parts(block)
            elif block.tool_use_id in room:
                room.remove(block.tool_use_id)
                results[block.tool_use_id].append(block)
            else:
                text, media = self._result(block)
                rest += [f"[Result of another tool call, {block.tool_use_id}]\n{text}", *media]
        shown: list[_Part] = []
        for call in waiting:
            content: str | msgspec.Raw = "[The call has no result]"
            if results[call.id]:
                block = results[call.id].pop(0)
                if raw := _raw_text(block):
                    content = raw
                else:
                    content, media = self._result(block)
                    if media:
                        shown += [f"[From the result of {call.name}, {call.sent}]", *media]
            self.sent.append({"role": "tool", "tool_call_id": call.sent, "content": content})
        parts = [part for part in shown + rest if part]
        if parts or not waiting:
            self.sent.append({"role": "user", "content": _content(parts)})

    def end(self) -> None:
        """After the last message: calls that wait for results get them here."""
        if self._waiting:
            self.user([])

    def _call(self, block: Block) -> dict[str, Any]:
        id = block.id or ""
        sent = self._quirks.call_id(id)
        if self._waiting and any(call.sent == sent for call in self._waiting):
            sent = chat_names.hashed(f"{sent} {len(self._waiting)}", 9)
        name = self._names.sent(block.name or "")
        self._waiting.append(_Call(id, sent, name))
        self.ids.add(id)
        arguments = _text(block.input)
        if not arguments.startswith("{"):
            arguments = "{}"
        return {"id": sent, "type": "function", "function": {"name": name, "arguments": arguments}}

    def _sign(self, calls: list[dict[str, Any]], thoughts: chat_thinking.Thoughts) -> None:
        for call, waiting in zip(calls, self._waiting, strict=True):
            if extra := thoughts.calls.get(waiting.id):
                call["extra_content"] = extra
        # Of several calls in one message only the first has to be signed.
        if self._quirks.gemini:
            calls[0].setdefault("extra_content", _FOREIGN_CALL)

    def _thought(self, block: Block, thoughts: chat_thinking.Thoughts) -> None:
        policy = self._provider.thinking.requests
        signature = block.signature or ""
        if policy != "all" and signature.startswith(self._tag):
            thoughts.add(block.thinking or "", signature[len(self._tag) :])
        elif policy == "none":
            thoughts.add(block.thinking or "", "")
        else:
            self._drop("messages[].content[].thinking")

    def _result(self, block: Block) -> tuple[str, list[_Part]]:
        """A result as text, and what of it isn't text for the user's message after it."""
        texts: list[str] = []
        media: list[_Part] = []
        for part in self._nested(block.content):
            if isinstance(part, str):
                texts.append(part)
            else:
                kind = "image" if part["type"] == "image_url" else "document"
                texts.append(f"[The {kind} is in the next message]")
                media.append(part)
        text = "\n".join(filter(None, texts)) or "[No output]"
        return (f"Error: {text}" if block.is_error else text), media

    def _nested(self, content: msgspec.Raw) -> list[_Part]:
        """The content of a tool result or a document: text, or blocks."""
        inner = _blocks.decode(content) if content else None
        if isinstance(inner, str):
            return [inner]
        parts: list[_Part] = []
        for block in inner or ():
            self._note(block)
            parts += self._parts(block)
        return parts

    def _parts(self, block: Block) -> list[_Part]:
        match block.type:
            case "text":
                return [block.text or ""]
            case "image":
                return [self._image(_source.decode(block.source))]
            case "document":
                return self._document(block)
            case "search_result":
                source = msgspec.json.decode(block.source, type=str)
                found = [part for part in self._nested(block.content) if isinstance(part, str)]
                return ["\n".join([f"[Search result: {block.title}, {source}]", *found])]
            case "tool_reference":
                return [f"[The tool {self._names.sent(block.tool_name or '')} can be called now]"]
            case "tool_addition":
                # Its definition is among the tools.
                return []
            case _:
                return [self._other(block)]

    def _image(self, source: Source) -> _Part:
        if source.type == "base64":
            url = f"data:{source.media_type};base64,{source.data}"
        elif source.type == "url":
            url = source.url
        else:
            self._drop(f"messages[].content[].source.{source.type}")
            return "[An image that cannot be shown here]"
        return {"type": "image_url", "image_url": {"url": url}}

    def _document(self, block: Block) -> list[_Part]:
        source = _source.decode(block.source)
        title = block.title or "document"
        head = f"[Document: {title}]"
        if block.context:
            head += f"\n{block.context}"
        if source.type == "base64":
            data = f"data:{source.media_type};base64,{source.data}"
            return [head, {"type": "file", "file": {"filename": title, "file_data": data}}]
        if source.type == "text":
            return [f"{head}\n{source.data}"]
        if source.type == "content":
            inner = source.content
            if isinstance(inner, str):
                return [f"{head}\n{inner}"]
            return [head, *(part for block in inner for part in self._parts(block))]
        if source.type == "url":
            return [f"{head}\n{source.url}"]
        self._drop(f"messages[].content[].source.{source.type}")
        return [f"{head}\n[It cannot be shown here]"]

    def _other(self, block: Block) -> str:
        """A block that has no equal here: what can be read of it, as text."""
        if not block.content:
            self._drop(f"messages[].content[].{block.type}")
            return ""
        content = _readable(msgspec.json.decode(block.content))
        if not isinstance(content, str):
            content = msgspec.json.encode(content).decode()
        return f"[{block.type}: {content}]"

    def _note(self, block: Block) -> None:
        if block.cache_control is not None:
            self._drop("messages[].content[].cache_control")
        if block.citations is not None:
            self._drop("messages[].content[].citations")
        if block.caller is not None:
            self._drop("messages[].content[].caller")


def _raw_text(result: Block) -> msgspec.Raw | None:
    """A result that is a string, as JSON: files make most of a conversation, and decoding them takes long."""
    text = bytes(result.content)
    if not text.startswith(b'"') or text == b'""':
        return None
    return msgspec.Raw(b'"Error: ' + text[1:]) if result.is_error else result.content


def _content(parts: list[_Part]) -> str | list[dict[str, Any]]:
    """A message's content: a plain string where it can be, which every server takes."""
    texts = [part for part in parts if isinstance(part, str)]
    if len(texts) == len(parts):
        return "\n\n".join(texts) or EMPTY
    return [{"type": "text", "text": part} if isinstance(part, str) else part for part in parts]


def _readable(value: Any) -> Any:
    """A server tool's result without what is encrypted or not text."""
    if isinstance(value, list):
        return [_readable(item) for item in value]
    if isinstance(value, dict):
        unread = {"data"} if value.get("type") == "base64" else set()
        return {
            key: _readable(item)
            for key, item in value.items()
            if not key.startswith("encrypted") and key not in unread
        }
    return value


def _text(raw: msgspec.Raw) -> str:
    return bytes(raw).decode().strip()
