"""Auto mode's check of tool calls: `safeguards` in a request, `safeguard_results` in its answer.

Claude Code sends its rules in `safeguards`, with the beta `dangerous-tool-use-2026-09-03`, and Anthropic
answers with a verdict about each call. In a stream the verdicts are in the delta of `message_delta`, in a
whole answer beside `content`. What the client does with each form is in docs/clients.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

import msgspec

from claude_route.dialects.messages import answers
from claude_route.dialects.messages import fold
from claude_route.dialects.messages import requests
from claude_route.text import layout
from claude_route.wire import rawjson
from claude_route.wire import sse

KIND = "dangerous_tool_use"

STOPS = ("</block>", "</severity>")
"""The stop sequences of Claude Code's own checks, with which it asks a model where no verdict comes."""

_STOPS = tuple(msgspec.json.encode(stop) for stop in STOPS)

LONGEST = 200
"""Characters of an explanation, which the terminal shows in one line."""

_ENDING = b"event: message_delta\n"


type Verdict = Mapping[str, str]
"""As `tool_uses` has it. A type, not a bool: what isn't known to be harmless is never cleared."""

NOT_FLAGGED: Verdict = {"type": "evaluated", "outcome": "not_flagged"}


def flagged(explanation: str) -> Verdict:
    words = layout.one_line(explanation, LONGEST)
    more = {"explanation": words} if words else {}
    return {"type": "evaluated", "outcome": "flagged", **more}


def unavailable(reason: str) -> Verdict:
    """`reason` is `timeout`, `error`, `refused`, `input_too_long` or `truncated`."""
    return {"type": "unavailable", "reason": reason}


UNKNOWN = unavailable("error")

NOBODY = flagged(
    "This proxy has no model that could check the call. Its profile can name one: "
    "safeguards: {classifier: MODEL}"
)
"""For a client that has nobody to ask either: it would try, and say that there was no usable answer."""

OWN_MODEL = "claude-sonnet-5"
"""The model that Claude Code asks where it checks calls itself (2.1.330)."""


class Call(NamedTuple):
    """A tool call that the client may make."""

    id: str
    name: str
    input: Any
    """None if it isn't JSON: the answer was cut off."""


def context(request: requests.Request) -> msgspec.Raw | None:
    """What the client says about itself and its user's rules, for a check of its calls; None if it wants
    none."""
    raw = request.fields.get("safeguards")
    if raw is None or request.opaque:
        return None
    try:
        wanted = msgspec.json.decode(raw, type=list[dict[str, msgspec.Raw]])
    except rawjson.REFUSALS:
        return None
    for safeguard in wanted:
        if rawjson.text(safeguard, "type") == KIND:
            return safeguard.get("classifier_context", rawjson.NULL)
    return None


def is_check(request: requests.Request) -> bool:
    """Whether it is a check that Claude Code makes itself, rather than a turn of its conversation."""
    if request.stream or request.opaque or not any(stop in request.body for stop in _STOPS):
        return False
    raw = request.fields.get("stop_sequences")
    return raw is not None and any(stop in bytes(raw) for stop in _STOPS)


def calls(answer: bytes) -> list[Call]:
    """The calls of an answer, as its client gets them: a stream, or a whole one."""
    if b'"tool_use"' not in answer:
        return []
    is_whole = answer.lstrip()[:1] == b"{"
    folded = fold.body(answer) if is_whole else fold.stream(answer)
    return [
        Call(
            str(block.get("id", "")),
            str(block.get("name", "")),
            None if "partial_json" in block else block.get("input"),
        )
        for block in folded.blocks
        if block.get("type") == "tool_use"
    ]


def split(answer: bytes) -> tuple[bytes, bytes]:
    """What of an answer the client may have before the verdicts: all before `message_delta` in a stream,
    nothing of a whole answer."""
    end = answer.rfind(_ENDING)
    return (answer[:end], answer[end:]) if end >= 0 else (b"", answer)


def with_results(ending: bytes, verdicts: Mapping[str, Verdict] | None) -> bytes:
    """The end of an answer with the verdicts, by the ids of its calls. None: there is nobody here who
    could give any."""
    status: Mapping[str, Any] = {"type": "unsupported"}
    if verdicts is not None:
        status = {"type": "available", "tool_uses": verdicts}
    results = {answers.VERDICTS: [{"type": KIND, "status": status}]}
    if not ending.startswith(_ENDING):
        return msgspec.json.encode(msgspec.json.decode(ending) | results)
    first, *rest = sse.Decoder().feed(ending)
    fields = msgspec.json.decode(first.data)
    fields["delta"] = {**fields["delta"], **results}
    return b"".join((sse.encode(first.name, msgspec.json.encode(fields)), *_raw(rest)))


def _raw(events: Iterable[sse.Event]) -> Iterable[bytes]:
    return (event.raw for event in events)
