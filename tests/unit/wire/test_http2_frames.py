from __future__ import annotations

import pytest

from claude_route.wire import http2_frames

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
START = 100.0


def frame(kind: int, payload: bytes = b"", flags: int = 0, stream: int = 1) -> bytes:
    head = len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big")
    return head + payload


def client() -> http2_frames.Frames:
    return http2_frames.Frames(from_client=True, preface=len(PREFACE))


FLOODS = {
    "unknown": frame(0xBB, b"x" * 10),
    "WINDOW_UPDATE": frame(8, bytes(4)),
    "PING": frame(6, bytes(8)),
    "PING's answer": frame(6, bytes(8), 1),
    "PRIORITY": frame(2, bytes(5)),
    "SETTINGS": frame(4, bytes(6), stream=0),
    "SETTINGS' answer": frame(4, b"", 1, 0),
    "empty DATA": frame(0),
    "DATA of a byte": frame(0, b"x"),
    "DATA that is padding": frame(0, b"\xff" + bytes(255), http2_frames.PADDED),
    "HEADERS": frame(1, b"\x82", 4),
    "RST_STREAM": frame(3, bytes(4)),
    "CONTINUATION": frame(9, b""),
    "PUSH_PROMISE": frame(5, bytes(5)),
    "GOAWAY": frame(7, bytes(8)),
}


@pytest.mark.parametrize("name", FLOODS)
@pytest.mark.parametrize("size", [1, 7, 1000, 1_000_000])
def test_floods(name: str, size: int) -> None:
    wire = PREFACE + FLOODS[name] * (http2_frames.BURST + 1)
    frames = client()
    pieces = [wire[start : start + size] for start in range(0, len(wire), size)]
    assert "http2_frames" in [frames.feed(piece, START) for piece in pieces]


@pytest.mark.parametrize("cut", range(1, 60))
def test_what_is_left_does_not_depend_on_the_pieces(cut: int) -> None:
    wire = PREFACE + frame(4, bytes(12), stream=0) + frame(1, b"x" * 9) + frame(0, b"y" * 100)
    whole, pieces = client(), client()
    assert whole.feed(wire, START) == ""
    assert [pieces.feed(wire[at : at + cut], START) for at in range(0, len(wire), cut)]
    assert vars(pieces) == vars(whole)


def test_a_body_costs_nothing() -> None:
    frames = client()
    assert frames.feed(PREFACE, START) == ""
    for _ in range(10 * http2_frames.BURST):
        assert frames.feed(frame(0, b"x" * http2_frames.SMALL), START) == ""


def test_small_events_of_an_upstream_cost_nothing() -> None:
    frames = http2_frames.Frames(from_client=False)
    for _ in range(10 * http2_frames.BURST):
        assert frames.feed(frame(0, b"data: 1\n\n"), START) == ""
    assert frames.feed(frame(0) * (http2_frames.BURST + 1), START)


def test_settings_cost_by_their_number() -> None:
    assert client().feed(PREFACE + frame(4, bytes(6 * http2_frames.BURST)), START)


def test_who_reads_may_say_so() -> None:
    frames = client()
    assert frames.feed(PREFACE, START) == ""
    for _ in range(10 * http2_frames.BURST):
        frames.earn(100, is_end=False)
        assert frames.feed(frame(8, bytes(4)) * 2, START) == ""


def test_who_reads_byte_by_byte_earns_nothing() -> None:
    frames = client()
    limits: list[str] = []
    for _ in range(http2_frames.BURST + 1):
        frames.earn(1, is_end=False)
        limits.append(frames.feed(PREFACE + frame(8, bytes(4)) if not limits else frame(8), START))
    assert limits[-1] == "http2_frames"


def test_requests_that_are_answered_go_on_for_ever() -> None:
    frames = client()
    assert frames.feed(PREFACE, START) == ""
    for _ in range(http2_frames.BURST):
        request = frame(1, b"x" * 50) + frame(0, b"y") + frame(8) * 2
        assert frames.feed(request, START) == ""
        frames.earn(10, is_end=True)


def test_rapid_resets() -> None:
    pair = frame(1, b"x" * 50) + frame(3, bytes(4))
    assert client().feed(PREFACE + pair * 100, START) == ""
    assert client().feed(PREFACE + pair * 101, START) == "http2_frames"


def test_time_brings_some_back() -> None:
    frames = client()
    assert frames.feed(PREFACE + frame(6, bytes(8)) * http2_frames.BURST, START) == ""
    assert frames.feed(frame(6, bytes(8)) * 100, START + 1) == ""
    assert frames.feed(frame(6, bytes(8)), START + 1) == "http2_frames"
    assert client().feed(PREFACE, START + 1000) == ""


def test_the_burst_can_be_set() -> None:
    frames = http2_frames.Frames(from_client=True, burst=10)
    assert frames.feed(frame(6) * 10, START) == ""
    assert frames.feed(frame(6), START + 0.5) == "http2_frames"


@pytest.mark.parametrize(
    ("sizes", "limit"),
    [
        ([65536], ""),
        ([65537], "http2_headers"),
        ([60000, 5536], ""),
        ([60000, 5537], "http2_headers"),
        ([1000] * 64, ""),
        ([1000] * 66, "http2_headers"),
    ],
)
def test_a_field_section_in_pieces(sizes: list[int], limit: str) -> None:
    first, *others = sizes
    wire = frame(1, bytes(first)) + b"".join(frame(9, bytes(size)) for size in others)
    frames = http2_frames.Frames(from_client=True)
    assert frames.feed(wire, START) == limit


def test_each_field_section_is_one_of_its_own() -> None:
    frames = http2_frames.Frames(from_client=True)
    assert frames.feed(frame(1, bytes(60000)) * 3, START) == ""
