"""What a conversation consists of, seen in the same pass over its text that reads the request.

Most conversations are plain: they have nothing that has to change for a provider, thinking aside. Looking
into each of their messages would take several times as long as all else that is done to a request. What
is not plain is looked at message by message, and may turn out to need no change either.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from claude_route import targets
from claude_route.dialects.messages import quirks
from claude_route.dialects.messages import thinking
from claude_route.wire import rawjson

_ANTHROPICS_CALL = re.compile(r"toolu_[a-zA-Z0-9_-]+")
_ANTHROPICS_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")


class _CachePoint(msgspec.Struct, gc=False):
    scope: msgspec.Raw = rawjson.NULL


class _Block(msgspec.Struct, tag_field="type", gc=False):
    """Of these types alone: with any other, a conversation can't be decoded, and is not plain."""

    cache_control: _CachePoint | None = None


class _Text(_Block, tag="text", gc=False):
    text: str = ""
    citations: msgspec.Raw = rawjson.NULL


class _Call(_Block, tag="tool_use", gc=False):
    id: str = ""
    name: str = ""


class _Image(_Block, tag="image", gc=False): ...


class _Document(_Block, tag="document", gc=False): ...


class _Result(_Block, tag="tool_result", gc=False):
    tool_use_id: str = ""
    content: str | list[_Text | _Image | _Document] | None = None


class _Thinking(_Block, tag="thinking", gc=False):
    signature: str = ""

    @property
    def mark(self) -> tuple[str, str]:
        return "thinking", self.signature


class _Redacted(_Block, tag="redacted_thinking", gc=False):
    data: str = ""

    @property
    def mark(self) -> tuple[str, str]:
        return "redacted_thinking", self.data


class _Addition(_Block, tag="tool_addition", gc=False): ...


class _Removal(_Block, tag="tool_removal", gc=False): ...


class Message(msgspec.Struct, gc=False):
    role: str = ""
    content: (
        str
        | list[
            _Text
            | _Call
            | _Image
            | _Document
            | _Result
            | _Thinking
            | _Redacted
            | _Addition
            | _Removal
        ]
        | None
    ) = None
    output_config: msgspec.Raw = rawjson.NULL
    clear_at: msgspec.Raw = rawjson.NULL


class Survey(NamedTuple):
    """Of a plain conversation."""

    calls: list[str]
    """The ids of its calls."""
    results: set[str]
    """The ids of the calls that its results are for."""
    names: set[str]
    """Of the tools that are called."""
    thinking: list[tuple[str, str]]
    """Kind and signature of each block of thinking."""
    is_for_anthropic: bool
    """Whether something in it is only for Anthropic, such as a `system` message."""
    has_pictures: bool
    """Whether there may be an image or a document in it."""

    def fits(self, target: targets.Target) -> bool:
        """Whether the target may get the conversation as it is."""
        return self._has_fit_calls(target) and self._keeps_thinking(target.provider)

    def _has_fit_calls(self, target: targets.Target) -> bool:
        if target.provider.is_anthropic:
            return (
                all(map(_ANTHROPICS_CALL.fullmatch, self.calls))
                and all(map(_ANTHROPICS_NAME.fullmatch, self.names))
                and len(set(self.calls)) == len(self.calls)
            )
        target_quirks = quirks.of(target)
        call_id = target_quirks.call_id
        return (
            not self.is_for_anthropic
            and not target_quirks.returned
            and all(call_id(id) == id for id in self.results.union(self.calls))
        )

    def _keeps_thinking(self, provider: targets.Provider) -> bool:
        if provider.thinking.requests == "none":
            return True
        if provider.thinking.requests == "all":
            return not self.thinking
        return all(
            not signature.startswith(thinking.TAG)
            and thinking.origin(kind, signature) == provider.name
            for kind, signature in self.thinking
        )


def of(messages: Iterable[Message]) -> Survey | None:
    """None if the conversation is not plain."""
    # One loop, because calling something for each block takes longer than the rest of it.
    calls: list[str] = []
    results: set[str] = set()
    names: set[str] = set()
    thoughts: list[tuple[str, str]] = []
    is_for_anthropic = has_pictures = False
    for message in messages:
        content, role = message.content, message.role
        if message.output_config is not rawjson.NULL or message.clear_at is not rawjson.NULL:
            is_for_anthropic = True
        if role == "system":
            is_for_anthropic = True
            if type(content) is list:
                has_pictures = has_pictures or _has_more_than_text(content)
            continue
        if not content or role not in ("user", "assistant"):
            return None
        if isinstance(content, str):
            if content.isspace():
                return None
            continue
        is_users = role == "user"
        for block in content:
            if block.cache_control is not None and block.cache_control.scope is not rawjson.NULL:
                is_for_anthropic = True
            # `type() is` takes half the time of isinstance().
            if type(block) is _Call:
                if is_users:
                    return None
                calls.append(block.id)
                names.add(block.name)
            elif type(block) is _Result:
                if not is_users:
                    return None
                if type(block.content) is list:
                    if not _are_plain(block.content):
                        return None
                    has_pictures = has_pictures or _has_more_than_text(block.content)
                results.add(block.tool_use_id)
            elif type(block) is _Text:
                if not block.text or block.text.isspace() or block.citations is not rawjson.NULL:
                    return None
            elif type(block) is _Thinking or type(block) is _Redacted:
                if is_users:
                    return None
                thoughts.append(block.mark)
            elif is_users and isinstance(block, _Image | _Document):
                has_pictures = True
            else:
                return None
    return Survey(calls, results, names, thoughts, is_for_anthropic, has_pictures)


def _has_more_than_text(parts: Iterable[_Block]) -> bool:
    return any(type(part) is not _Text for part in parts)


def _are_plain(parts: Iterable[_Text | _Image | _Document]) -> bool:
    """The parts of a result."""
    for part in parts:
        if part.cache_control is not None:
            return False
        if type(part) is _Text and (not part.text or part.text.isspace()):
            return False
    return True
