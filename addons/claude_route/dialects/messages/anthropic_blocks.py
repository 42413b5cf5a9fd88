"""Changes blocks of other providers to what Anthropic accepts: calls, their results, server tools and
citations."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Annotated
from typing import Any

import msgspec

from claude_route.dialects import call_ids
from claude_route.dialects.messages import assistant_blocks
from claude_route.dialects.messages import requests
from claude_route.dialects.messages import server_blocks
from claude_route.wire import rawjson

_CALL_FIELDS = {"type", "id", "name", "input", "cache_control"}
"""What a call of another provider keeps: `Extra inputs are not permitted`."""

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]")
_LONGEST_NAME = 128

_NOT_FROM_ASSISTANTS = {"document", "image", "search_result", "tool_result"}
"""Blocks that only a user's message may have."""

_SEARCHED = "web_search_tool_result"

type _Fields = dict[str, msgspec.Raw]


class ServerTools:
    """The server tools of a conversation, and whose servers ran them.

    A call and its result are Anthropic's only if both are: each requires the other.
    """

    def __init__(
        self,
        history: Sequence[requests.Message],
        blocks: Iterable[list[assistant_blocks.Block]],
    ) -> None:
        self.theirs: set[object] = set()
        """The ids of the calls that other providers ran."""
        self._history = history
        self._searched: set[object] = set()
        called: set[object] = set()
        for message, in_message in zip(history, blocks, strict=True):
            if not any(_is_about_servers(block.type) for block in in_message):
                continue
            contents = rawjson.decode(message.content, list[dict[str, msgspec.Raw]])
            for block, fields in zip(in_message, contents, strict=True):
                if block.type in server_blocks.CALLS:
                    called.add(key(block.id))
                    if not server_blocks.is_anthropics_id(block.type, block.id):
                        self.theirs.add(key(block.id))
                elif _is_about_servers(block.type):
                    id = key(block.tool_use_id)
                    if block.type == _SEARCHED:
                        self._searched.add(id)
                    if id not in called or not _is_anthropics_result(block, fields):
                        self.theirs.add(id)

    def plain(self, raw: msgspec.Raw, block: assistant_blocks.Block) -> msgspec.Raw:
        """A block that is neither text, thinking nor a call: text, unless Anthropic may have made it."""
        if block.type in server_blocks.CALLS:
            is_theirs = key(block.id) in self.theirs
        elif _is_about_servers(block.type):
            is_theirs = key(block.tool_use_id) in self.theirs
        else:
            is_theirs = block.type in _NOT_FROM_ASSISTANTS
        return as_text(raw, block) if is_theirs else raw

    def cited(self, raw: msgspec.Raw, block: assistant_blocks.Block) -> msgspec.Raw:
        """A text without citations of what the conversation doesn't have."""
        if block.citations == rawjson.NULL:
            return raw
        fields = rawjson.decode(raw, dict[str, msgspec.Raw])
        given = rawjson.decode(block.citations, object)
        listed = given if isinstance(given, list) else []
        kept = [citation for citation in listed if self._is_sound(citation)]
        if kept == given:
            return raw
        if kept:
            return rawjson.encode(fields | {"citations": rawjson.encode(kept)})
        return rawjson.encode({key: fields[key] for key in fields if key != "citations"})

    def _is_sound(self, citation: Any) -> bool:
        kind = citation.get("type") if isinstance(citation, dict) else None
        match kind:
            case "web_search_result_location":
                index = citation.get("encrypted_index")
                is_sealed = isinstance(index, str) and index != ""
                return is_sealed and self._has_search
            case "char_location" | "page_location" | "content_block_location":
                return isinstance(citation.get("document_index"), int) and self._has_documents
            case "search_result_location":
                return isinstance(citation.get("search_result_index"), int) and self._has_results
        # Those of other providers, such as `url_citation`.
        return isinstance(kind, str) and kind.endswith("_location")

    # Once, because there may be as many citations as there is conversation.

    @functools.cached_property
    def _has_search(self) -> bool:
        return not self._searched <= self.theirs

    @functools.cached_property
    def _has_documents(self) -> bool:
        return self._has(b'"document"')

    @functools.cached_property
    def _has_results(self) -> bool:
        return self._has(b'"search_result"')

    def _has(self, kind: bytes) -> bool:
        return any(
            kind in bytes(message.content)
            for message in self._history
            if message.role != "assistant"
        )


class _Text(msgspec.Struct, tag_field="type", tag="text"):
    pass


class _Thinking(msgspec.Struct, tag_field="type", tag="thinking"):
    pass


class _RedactedThinking(msgspec.Struct, tag_field="type", tag="redacted_thinking"):
    pass


class _Call(msgspec.Struct, tag_field="type", tag="tool_use", forbid_unknown_fields=True):
    """The fields in _CALL_FIELDS."""

    id: Annotated[str, msgspec.Meta(pattern=r"^[a-zA-Z0-9_-]+\Z", max_length=call_ids.LONGEST)]
    input: dict[str, msgspec.Raw]
    name: msgspec.Raw
    cache_control: msgspec.Raw = rawjson.NULL


_ACCEPTED = msgspec.json.Decoder(list[_Text | _Thinking | _RedactedThinking | _Call])


def are_accepted(content: msgspec.Raw) -> bool:
    """Whether Anthropic accepts the form of an assistant's calls, whoever made them."""
    try:
        _ACCEPTED.decode(content)
    except rawjson.REFUSALS:
        return False
    return True


def is_name(name: object) -> bool:
    """Whether Anthropic accepts the name of a tool: `String should match pattern
    '^[a-zA-Z0-9_-]{1,128}$'`."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def call(raw: msgspec.Raw, block: assistant_blocks.Block, id: str) -> msgspec.Raw:
    """A call of a client's tool with an id that Anthropic accepts; the same object if it has one and
    nothing else has to change."""
    fields: _Fields = rawjson.decode(raw, dict[str, msgspec.Raw])
    changed = fields
    if id != block.id:
        changed = changed | {"id": rawjson.encode(id)}
    if not id.startswith("toolu_") and changed.keys() - _CALL_FIELDS:
        changed = {key: changed[key] for key in changed if key in _CALL_FIELDS}
    name = rawjson.text(fields, "name")
    if not is_name(name):
        fit = _NOT_IN_NAMES.sub("_", name)[:_LONGEST_NAME] or "unnamed"
        changed = changed | {"name": rawjson.encode(fit)}
    if not _is_object(fields.get("input", rawjson.NULL)):
        changed = changed | {"input": _input(fields.get("input", rawjson.NULL))}
    return raw if changed is fields else rawjson.encode(changed)


def result(raw: msgspec.Raw, block: assistant_blocks.Block, id: str) -> msgspec.Raw:
    """A result with the id of its call; the same object if it has it."""
    if block.tool_use_id == id:
        return raw
    fields = rawjson.decode(raw, dict[str, msgspec.Raw])
    return rawjson.encode(fields | {"tool_use_id": rawjson.encode(id)})


def as_text(raw: msgspec.Raw, block: assistant_blocks.Block) -> msgspec.Raw:
    """A block as a text with what can be read of it."""
    fields: _Fields = rawjson.decode(raw, dict[str, msgspec.Raw])
    if block.type in server_blocks.CALLS:
        input = bytes(fields.get("input", rawjson.NULL)).decode()
        text = server_blocks.call_text(rawjson.text(fields, "name"), input)
    elif fields.get("content", rawjson.NULL) != rawjson.NULL:
        text = server_blocks.result_text(block.type, fields["content"])
    else:
        text = f"[{block.type}]"
    plain = {"type": rawjson.encode("text"), "text": rawjson.encode(text)}
    if fields.get("cache_control", rawjson.NULL) != rawjson.NULL:
        plain["cache_control"] = fields["cache_control"]
    return rawjson.encode(plain)


def _is_about_servers(kind: str) -> bool:
    return kind in server_blocks.CALLS or server_blocks.is_result(kind) or kind == "tool_result"


def _is_anthropics_result(block: assistant_blocks.Block, fields: _Fields) -> bool:
    if block.type == "tool_result":
        return False
    content = rawjson.decode(fields.get("content", rawjson.NULL), object)
    return server_blocks.is_anthropics_result(block.type, content)


def key(id: object) -> object:
    """An id that can be a member of a set."""
    return id if isinstance(id, str) else None


def _is_object(raw: msgspec.Raw) -> bool:
    return memoryview(raw)[0] == ord("{")


def _input(raw: msgspec.Raw) -> msgspec.Raw:
    """An input that is an object. Some providers leave it as the text that they received."""
    text = rawjson.text({"input": raw}, "input")
    try:
        return rawjson.encode(rawjson.decode(text.encode(), dict[str, Any]))
    except ValueError:
        return msgspec.Raw(b"{}")
