from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from claude_route.wire import sse

TABLE = [
    pytest.param(b"event: ping\ndata: {}\n\n", [("ping", b"{}")], id="lf"),
    pytest.param(b"event: ping\r\ndata: {}\r\n\r\n", [("ping", b"{}")], id="crlf"),
    pytest.param(b"event: ping\rdata: {}\r\r", [("ping", b"{}")], id="cr"),
    pytest.param(b"data: a\r\rdata: b\r\r", [("", b"a"), ("", b"b")], id="cr, two events"),
    pytest.param(b"data: a\r\n\ndata: b\n\r\n", [("", b"a"), ("", b"b")], id="mixed"),
    pytest.param(b"data: a\n\rdata: b\n\n", [("", b"a"), ("", b"b")], id="lf then cr"),
    pytest.param(b"data: a\r\r\ndata: b\n\n", [("", b"a"), ("", b""), ("", b"b")], id="cr cr lf"),
    pytest.param(b"data: a\ndata: b\n\n", [("", b"a\nb")], id="two data lines"),
    pytest.param(b"data: a\ndata\ndata:\n\n", [("", b"a\n\n")], id="data lines with nothing"),
    pytest.param(b"event:x\ndata:y\n\n", [("x", b"y")], id="no space"),
    pytest.param(b"event:  x \ndata:  y \n\n", [(" x ", b" y ")], id="one space only is dropped"),
    pytest.param(b"event: a\nevent: b\n\n", [("b", b"")], id="last name wins"),
    pytest.param(b"event: a\nevent\n\n", [("", b"")], id="a name taken back"),
    pytest.param(b": keep-alive\n\n", [("", b"")], id="comment alone"),
    pytest.param(b": hello\ndata: a: b\n\n", [("", b"a: b")], id="comment and colon"),
    pytest.param(b"id: 1\nretry: 5\nDATA: x\nfoo\n\n", [("", b"")], id="other fields"),
    pytest.param(b"\n\r\n\ndata: a\n\n", [("", b"")] * 3 + [("", b"a")], id="blank lines"),
    pytest.param(
        "event: é\ndata: \u2028\x85\v\f é\n\n".encode(),
        [("é", "\u2028\x85\v\f é".encode())],
        id="only \\r and \\n end lines",
    ),
    pytest.param(b"event: \xff\ndata: \xff\n\n", [("\ufffd", b"\xff")], id="not UTF-8"),
    pytest.param(
        b"\xef\xbb\xbfdata: a\n\ndata: b\n\n", [("", b"a"), ("", b"b")], id="byte order mark"
    ),
    pytest.param(b"\xef\xbb\xbfdata: a\r\n\r\n", [("", b"a")], id="byte order mark, crlf"),
    pytest.param(b"data: a\n\ndata: b", [("", b"a")], id="unfinished"),
    pytest.param(b"data: a\n\ndata: b\n", [("", b"a")], id="unfinished, line ended"),
    pytest.param(b"data: a\r\n\r\ndata: b\r\n\r", [("", b"a")], id="cut inside the last line end"),
    pytest.param(b"", [], id="nothing"),
]


def cuts(wire: bytes) -> list[list[bytes]]:
    """The wire whole, byte by byte, in twos and sevens, and cut at each place with nothing between."""
    by_size = [
        [wire[i : i + size] for i in range(0, len(wire), size)]
        for size in (len(wire) or 1, 1, 2, 7)
    ]
    return by_size + [[wire[:i], b"", wire[i:]] for i in range(len(wire) + 1)]


@pytest.mark.parametrize("wire, expected", TABLE)
def test_decoder(wire: bytes, expected: list[tuple[str, bytes]]) -> None:
    for pieces in cuts(wire):
        decoder = sse.Decoder()
        events = [event for piece in pieces for event in decoder.feed(piece)]
        assert [(event.name, event.data) for event in events] == expected, pieces
        assert b"".join(event.raw for event in events) + decoder.rest() == wire


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        (b"event: ping\ndata: {}\n\n", None),
        ("event: é\ndata: é\n\n".encode(), None),
        (b"data: a\xffb\n\n", ("", "a\ufffdb")),
        (b"data: \xe2\x80\r\n\r\n", ("", "\ufffd")),
        (b": \xff\nevent: e\ndata: \xed\xa0\x80\n\n", ("e", "\ufffd" * 3)),
        (b"\xef\xbb\xbfdata: \xff\ndata: b\n\n", ("", "\ufffd\nb")),
    ],
)
def test_as_utf_8(wire: bytes, expected: tuple[str, str] | None) -> None:
    (event,) = sse.Decoder().feed(wire)
    made = sse.as_utf_8(event)
    if expected is None:
        assert made is event
    else:
        assert (made.name, made.data.decode()) == expected
        assert made.raw == wire.decode(errors="replace").encode()


@settings(max_examples=200)
@given(
    st.lists(
        st.sampled_from(
            [b"data: x", b"event: y", b":", b"\r", b"\n", b"\r\n", "é".encode(), b"\xef\xbb\xbf"]
        )
    ),
    st.data(),
    st.sampled_from([0, 8]),
)
def test_cuts_make_no_difference(parts: list[bytes], data: st.DataObject, few: int) -> None:
    wire = b"".join(parts)
    whole = sse.Decoder()
    expected = without_idle(whole.feed(wire))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sse, "_FEW_IDLE", few)
        check_cuts(wire, data, whole, expected)


def check_cuts(
    wire: bytes, data: st.DataObject, whole: sse.Decoder, expected: list[sse.Event]
) -> None:
    places = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=6)))
    decoder = sse.Decoder()
    events = []
    for start, end in zip([0, *places], [*places, len(wire)], strict=True):
        events += decoder.feed(wire[start:end])
    assert without_idle(events) == expected
    assert b"".join(event.raw for event in events) + decoder.rest() == wire
    assert decoder.rest() == whole.rest()


def without_idle(events: list[sse.Event]) -> list[sse.Event]:
    """Only those with a name or data. How many the others are depends on the cuts, if they are many."""
    return [event for event in events if event.name or event.data]


IDLE = [
    pytest.param(b"\n", id="lf"),
    pytest.param(b"\r", id="cr"),
    pytest.param(b"\r\n", id="crlf"),
    pytest.param(b"\r\r\n", id="cr crlf"),
    pytest.param(b"\n\r", id="lf cr"),
    pytest.param(b":\n\n", id="comments"),
    pytest.param(b": a\r\n: b\r\n\r\n", id="comments, crlf"),
    pytest.param(b":\r\r", id="comments, cr"),
    pytest.param(b"id: 1\nretry: 5\n\n", id="other fields"),
    pytest.param(b"x\n\n\n", id="no fields"),
    pytest.param(b"x\n\r\r\n", id="mixed"),
]


@pytest.mark.parametrize("unit", IDLE)
@pytest.mark.parametrize("then", [b"data: a\n\n", b": c\ndata: a\r\n\r\n", b":\rdata: a\r\r"])
def test_many_events_that_say_nothing(unit: bytes, then: bytes) -> None:
    wire = unit * 20 + then + unit * 20 + b":\n" + then + unit * 3
    for pieces in cuts(wire):
        decoder = sse.Decoder()
        events = [event for piece in pieces for event in decoder.feed(piece)]
        named = without_idle(events)
        assert [(event.name, event.data) for event in named] == [("", b"a")] * 2, pieces
        assert b"".join(event.raw for event in events) + decoder.rest() == wire


@pytest.mark.parametrize("unit", IDLE)
def test_millions_are_few(unit: bytes) -> None:
    """At their full price, an event each, they would take half a minute."""
    wire = unit * (4 * 1024 * 1024 // len(unit))
    decoder = sse.Decoder()
    events = decoder.feed(wire)
    assert len(events) < 20
    assert len(decoder.rest()) <= len(unit)


@pytest.mark.parametrize(
    "line", [b"data: a", b"data", b"event: a", b"\xef\xbb\xbfdata: a", b"\xef\xbb\xbfevent:a"]
)
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_no_event_is_lost_among_comments(line: bytes, end: bytes) -> None:
    [alone] = sse.Decoder().feed(line + end + end)
    (*_, last) = sse.Decoder().feed((b":" + end + end) * 20 + line + end + end)
    assert last == alone


def test_comments_before_an_event_are_its_own() -> None:
    (*_, last) = sse.Decoder().feed(b"\n" * 20 + b": a\n: b\ndata: c\n\n")
    assert last == sse.Event("", b"c", b": a\n: b\ndata: c\n\n")


@settings(max_examples=200)
@given(st.lists(st.sampled_from([b"data: x", b"data:", b"event: y", b"event:", b"\n", b"\n\n"])))
def test_a_comment_makes_no_difference(parts: list[bytes]) -> None:
    """An event with a comment isn't parsed by the fast path."""
    for event in sse.Decoder().feed(b"".join(parts)):
        [commented] = sse.Decoder().feed(b":\n" + event.raw.lstrip(b"\n") + b"\n\n")[:1]
        assert (commented.name, commented.data) == (event.name, event.data)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_an_event_is_not_held_back(end: bytes) -> None:
    decoder = sse.Decoder()
    for _ in range(3):
        assert len(decoder.feed(b"data: a" + end + end)) == 1


def test_what_never_ends_is_passed_on() -> None:
    decoder = sse.Decoder()
    piece = b"x" * (sse.LIMIT // 4)
    events = [event for _ in range(5) for event in decoder.feed(piece)]
    assert [(event.name, event.data, len(event.raw)) for event in events] == [
        ("", b"", 5 * len(piece))
    ]
    assert [event.data for event in decoder.feed(b"\n\ndata: a\n\n")] == [b"", b"", b"a"]


@pytest.mark.parametrize(
    "name, data, wire",
    [
        ("ping", b"{}", b"event: ping\ndata: {}\n\n"),
        ("", b"[DONE]", b"data: [DONE]\n\n"),
        ("error", b"a\nb", b"event: error\ndata: a\ndata: b\n\n"),
        ("ping", b"", b"event: ping\ndata: \n\n"),
    ],
)
def test_encode(name: str, data: bytes, wire: bytes) -> None:
    assert sse.encode(name, data) == wire
    assert sse.Decoder().feed(wire) == [sse.Event(name, data, wire)]
