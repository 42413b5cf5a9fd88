"""Translates reasoning to thinking blocks, and back for the provider that made it.

Providers use different names for it, and require it back under the same name. The block's signature
records the name, after the tag with the provider.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable
from typing import Any
from typing import Literal

import msgspec

from claude_route.dialects import think_tags
from claude_route.wire import rawjson

Form = Literal["reasoning_content", "reasoning", "reasoning_text", "parts", "tags"]
"""Where plain reasoning was: in the field of that name, which for GitHub Copilot is the third, for Mistral among the parts of the content, or in
tags with which the text begins."""

_FORMS: tuple[Form, ...] = ("reasoning", "reasoning_text", "parts", "tags")
"""The forms that a signature records. It leaves out the most common one."""

_TEXTS = ("text", "summary", "data")
"""The fields of a detail that come in pieces."""

# The type of a reasoning detail of our own, for what Gemini requires back with a tool call.
_CALL = "tool_call.extra_content"


def payload(form: Form, details: list[dict[str, Any]]) -> str:
    """The part of a signature after the tag.

    It contains OpenRouter's reasoning_details unchanged if they are signed or encrypted: the provider
    that it calls refuses them if altered. If they only repeat the text, the text suffices.
    """
    if sealed(details):
        return base64.b64encode(_encoded(details)).decode()
    if details:
        return "reasoning"
    return "" if form == "reasoning_content" else form


def _encoded(details: list[dict[str, Any]]) -> bytes:
    try:
        return msgspec.json.encode(details, order="sorted")
    except UnicodeEncodeError:
        # It contains halves of surrogate pairs. Written as escapes, adjacent halves form a pair.
        details = msgspec.json.decode(rawjson.mend(json.dumps(details).encode()))
        return msgspec.json.encode(details, order="sorted")


def sealed(details: Iterable[Any]) -> bool:
    """Whether any of the reasoning_details is signed or encrypted."""
    return any(
        isinstance(detail, dict) and (detail.get("data") or detail.get("signature"))
        for detail in details
    )


def call_payload(id: str, extra_content: Any) -> str:
    """The payload for a block that carries a tool call's extra_content, Gemini's thought signature."""
    detail = {"type": _CALL, "id": id, "extra_content": extra_content}
    return base64.b64encode(msgspec.json.encode([detail])).decode()


class Details:
    """The reasoning_details of an answer, whose pieces come in any number of chunks."""

    def __init__(self) -> None:
        self.is_sealed = False
        """Whether any is signed or encrypted."""
        self._all: list[dict[str, Any]] = []
        self._by_index: dict[str, dict[str, Any]] = {}
        """The first detail with each index."""
        self._texts: dict[int, dict[str, list[str]]] = {}
        """The id() of a detail -> the pieces of its texts. Joined at the end: a text may come letter by
        letter."""

    def merge(self, more: Iterable[Any]) -> None:
        """Add a chunk's reasoning_details. Pieces of the same detail have the same index."""
        for piece in more:
            if not isinstance(piece, dict):
                continue
            self.is_sealed = self.is_sealed or sealed([piece])
            whole = self._all[-1] if self._all else {}
            index = piece.get("index")
            if index is not None:
                whole = self._by_index.get(repr(index), {})
            if (
                not whole
                or whole.get("type") != piece.get("type")
                or (index is None and "data" in piece)
            ):
                whole = {}
                self._all.append(whole)
                if index is not None:
                    self._by_index.setdefault(repr(index), whole)
            self._add(whole, piece)

    def _add(self, whole: dict[str, Any], piece: dict[str, Any]) -> None:
        texts = self._texts.setdefault(id(whole), {})
        is_new = not whole
        for key, value in piece.items():
            if key in _TEXTS and isinstance(value, str):
                texts.setdefault(key, []).append(value)
                whole.setdefault(key, "")
            elif value is not None or is_new:
                texts.pop(key, None)
                whole[key] = value

    def whole(self) -> list[dict[str, Any]]:
        """The details, as far as they have come."""
        joined = {
            at: {k: "".join(v) for k, v in texts.items()} for at, texts in self._texts.items()
        }
        return [detail | joined[id(detail)] for detail in self._all]


def detailed_text(details: Iterable[Any]) -> str:
    """The readable text in reasoning_details."""
    texts = (
        detail.get("text") or detail.get("summary")
        for detail in details
        if isinstance(detail, dict)
    )
    return "".join(text for text in texts if isinstance(text, str))


class Thoughts:
    """The reasoning of one assistant message, to be returned to its provider."""

    def __init__(self) -> None:
        self.calls: dict[str, Any] = {}
        """Tool call id -> extra_content."""
        self._texts: list[str] = []
        self._form: Form = "reasoning_content"
        self._details: list[dict[str, Any]] = []

    def add(self, text: str, payload: str) -> None:
        """Add a thinking block. `payload` is the part of its signature after the tag; empty without a
        tag."""
        for form in _FORMS:
            if payload == form:
                self._form = form
        details = _details(payload)
        for detail in details:
            if detail.get("type") == _CALL:
                self.calls[str(detail.get("id"))] = detail.get("extra_content")
            else:
                self._details.append(detail)
        if text and not details:
            self._texts.append(text)

    def put(self, message: dict[str, Any]) -> None:
        """Put the reasoning into the assistant message, in the form that its provider used."""
        text = "".join(self._texts)
        if self._details:
            unsigned = [{"type": "reasoning.text", "text": text}] if text else []
            message["reasoning_details"] = unsigned + self._details
        elif text and self._form == "parts":
            parts: list[dict[str, Any]] = [
                {"type": "thinking", "thinking": [{"type": "text", "text": text}]}
            ]
            if message["content"]:
                parts.append({"type": "text", "text": message["content"]})
            message["content"] = parts
        elif text and self._form == "tags":
            message["content"] = think_tags.joined(text, message["content"] or "")
        elif text:
            message[self._form] = text


def _details(payload: str) -> list[dict[str, Any]]:
    if payload in ("", *_FORMS):
        return []
    try:
        return msgspec.json.decode(base64.b64decode(payload), type=list[dict[str, Any]])
    except (binascii.Error, ValueError, msgspec.DecodeError):
        # Not one of ours: a Messages provider of the same name signed it.
        return []
