"""Makes the summary of a turn from what went over the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from claude_route.dialects import fold
from claude_route.dialects import registry
from claude_route.dialects import usage
from claude_route.sessions import blocks
from claude_route.sessions import kinds
from claude_route.sessions import prefixes
from claude_route.sessions import search
from claude_route.sessions import turns


@dataclass(slots=True, kw_only=True)
class Wire:
    """A request and its answer, as they are known when the flow ends."""

    flow: str
    at: float
    """Unix seconds."""
    request: bytes = b""
    """The body as the client sent it, decoded. Empty if it isn't kept."""
    answer: bytes = b""
    """The body that the client got. Empty if it isn't kept."""
    is_stream: bool = False
    session: str = ""
    client: str = ""
    agent: str = ""
    parent: str = ""
    model: str = ""
    target: str = ""
    token: str = ""
    counts: bool = False
    """Whether it asks for a count of tokens."""
    check: str = ""
    used: usage.Usage | None = None
    """What was counted on the way; the answer's body has it too, if it is kept."""
    cost: float | None = None
    first_byte: float | None = None
    seconds: float = 0.0
    error: str = ""
    failed: tuple[turns.Failed, ...] = ()
    passed_over: tuple[turns.PassedOver, ...] = ()
    compares: str = ""


def make(
    wire: Wire,
    known: turns.Known | None = None,
    calls: Mapping[str, str] | None = None,
    hide: blocks.Hide = bytes,
    past: prefixes.Prefixes | None = None,
    between: blocks.Between = blocks.nothing,
) -> turns.Turn:
    """The summary, with no text that `hide` removes. What can't be read is left out: the body may be
    anyone's."""
    try:
        reading = (
            blocks.read(wire.request, known, calls, hide, past, between)
            if wire.request
            else blocks.Reading()
        )
    except ValueError:
        reading = blocks.Reading()
    between(len(wire.answer))
    answer = _answer(wire)
    answered, made, words = blocks.of_answer(answer, hide)
    text = next((block.label for block in answered if block.kind == "text" and block.label), "")
    kind = kinds.kind(
        counts=wire.counts,
        is_check=bool(wire.check),
        agent=wire.agent,
        system=reading.system,
        last=reading.last,
        tools=reading.tools,
        is_session=bool(wire.session),
        max_tokens=reading.max_tokens,
    )
    return turns.Turn(
        flow=wire.flow,
        session=wire.session,
        client=wire.client,
        at=wire.at,
        agent=wire.agent,
        parent=wire.parent,
        kind=kind,
        model=_short(wire.model, hide),
        target=wire.target,
        token=wire.token,
        # The client's long request for a summary is nobody's words.
        prompt=kind if kind == "compaction" else reading.prompt,
        results=tuple(reading.results),
        text=text,
        calls=tuple(made),
        stop=_short(answer.stop, hide),
        used=wire.used or answer.usage,
        cost=wire.cost,
        first_byte=wire.first_byte,
        seconds=wire.seconds,
        error=wire.error,
        failed=wire.failed,
        passed_over=wire.passed_over,
        blocks=tuple(reading.blocks),
        answer=tuple(answered),
        begins=reading.begins,
        thread=reading.thread,
        continues=reading.continues if reading.thread == "continue" else "",
        message=_short(answer.id, hide)[:128],
        launched=tuple(reading.launched),
        ttl=reading.ttl,
        cache_miss_reason=_short(answer.cache_miss_reason, hide),
        words=search.pack([*reversed(reading.words), *words]),
        size=len(wire.request),
        check=wire.check,
        compares=wire.compares,
    )


def _short(text: str, hide: blocks.Hide) -> str:
    """A word of the client's or the provider's, which may be of any length, and any text."""
    beginning = text[: 4 * turns.MAX_TEXT]
    return hide(beginning.encode("utf-8", "replace")).decode()[: turns.MAX_TEXT]


def _answer(wire: Wire) -> fold.Answer:
    if not wire.answer or wire.counts:
        return fold.Answer()
    try:
        return registry.MESSAGES.fold(wire.answer, is_stream=wire.is_stream)
    except ValueError:
        return fold.Answer()
