"""Message threads: the conversations that Anthropic keeps, so that a request has only what is new.

The beta is message-threads-2026-08-12. A thread is for one credential, and lasts five minutes. What isn't
about the messages must stay the same, and no answer is continued twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulator.strict import Refusal

LIFETIME = 300.0
"""Seconds."""

BILLING = "x-anthropic-billing-header"
"""The block of the system prompt that is about the request, and differs each time."""

Body = Mapping[str, Any]


@dataclass
class _Thread:
    credential: str | None
    fingerprint: dict[str, Any]
    messages: list[Any]
    """With the last answer."""
    until: float
    is_continued: bool = False


class Threads:
    """`clock` returns seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[str, _Thread] = {}
        """By the id of the last answer."""

    def refusal(self, body: Body, credential: str | None) -> Refusal | None:
        """Why a thread can't be continued; None if it can, or if none is to be."""
        if _kind(body) != "continue":
            return None
        if not body["thread"].get("previous_message_id"):
            words = "thread.continue.previous_message_id: Field required"
            return Refusal(400, "invalid_request_error", words)
        thread = self._thread(body, credential)
        if thread is None:
            return _refusal(404, "not_found_error", "thread_not_found", "no such thread")
        if thread.is_continued:
            words = "this message has already been continued"
            return _refusal(400, "invalid_request_error", "thread_already_continued", words)
        for name, value in _fingerprint(body).items():
            if thread.fingerprint.get(name) != value:
                words = f"differing field: {name}"
                code = "thread_fingerprint_mismatch"
                return _refusal(400, "invalid_request_error", code, words)
        return None

    def whole(self, body: Body, credential: str | None) -> dict[str, Any]:
        """The body with all of the conversation, and with what a thread inherits."""
        thread = self._thread(body, credential) if _kind(body) == "continue" else None
        if thread is None:
            return dict(body)
        return {**thread.fingerprint, **body, "messages": [*thread.messages, *body["messages"]]}

    def answered(self, body: Body, credential: str | None, message: Body) -> None:
        """`body` is whole, and `message` its answer."""
        kind = _kind(body)
        if kind not in ("create", "continue"):
            return
        if kind == "continue" and (thread := self._thread(body, credential)):
            thread.is_continued = True
        answer = {"role": "assistant", "content": message["content"]}
        until = self._clock() + LIFETIME
        messages = [*map(_pointless, body["messages"]), answer]
        self._kept[message["id"]] = _Thread(credential, _fingerprint(body), messages, until)

    def _thread(self, body: Body, credential: str | None) -> _Thread | None:
        thread = self._kept.get(body["thread"].get("previous_message_id") or "")
        if thread is None or thread.credential != credential or thread.until <= self._clock():
            return None
        return thread


def _pointless(message: Body) -> dict[str, Any]:
    """A message without cache points: those of a request count, not those of its thread."""
    content = message["content"]
    if isinstance(content, list):
        points = [{k: v for k, v in block.items() if k != "cache_control"} for block in content]
        return {**message, "content": points}
    return dict(message)


def _refusal(status: int, kind: str, code: str, words: str) -> Refusal:
    return Refusal(status, kind, f"{code}: {words}", code)


def _kind(body: Body) -> str | None:
    kind: str | None = (body.get("thread") or {}).get("type")
    return kind


def _fingerprint(body: Body) -> dict[str, Any]:
    """What must not differ, of what a request has."""
    names = ("model", "system", "tools", "thinking", "output_config")
    fields = {name: body[name] for name in names if body.get(name) is not None}
    if isinstance(fields.get("system"), list):
        fields["system"] = [
            block for block in fields["system"] if not str(block.get("text")).startswith(BILLING)
        ]
    return fields
