from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import pytest
from mitmproxy import http
from mitmproxy.addons import save
from mitmproxy.addons import savehar
from mitmproxy.addons import view
from mitmproxy.test import taddons
from mitmproxy.test import tflow

from claude_route.dialects import usage
from claude_route.watch import capture
from claude_route.watch import kept_flows
from claude_route.watch import rows
from tests.unit.flows import ROUTED
from tests.unit.flows import STREAM
from tests.unit.flows import Progress
from tests.unit.flows import attempt
from tests.unit.flows import exchange
from tests.unit.flows import routed


class Clock:
    def __init__(self) -> None:
        self.now = 0.0
        self.look = 0.0
        """Seconds that a look takes."""

    def __call__(self) -> float:
        self.now += self.look / 2
        return self.now


class Timers:
    """Scheduled calls, which the test runs."""

    def __init__(self) -> None:
        self.due: list[Timer] = []

    def __call__(self, seconds: float, call: Callable[[], None]) -> Timer:
        self.due.append(Timer(self, seconds, call))
        return self.due[-1]

    def pass_by(self) -> list[float]:
        due, self.due = self.due, []
        for timer in due:
            timer.call()
        return [timer.seconds for timer in due]


class Timer:
    def __init__(self, timers: Timers, seconds: float, call: Callable[[], None]) -> None:
        self.timers = timers
        self.seconds = seconds
        self.call = call

    def cancel(self) -> None:
        if self in self.timers.due:
            self.timers.due.remove(self)


class Watcher:
    """An addon that records what is shown."""

    def __init__(self) -> None:
        self.seen: list[tuple[bytes | None, str]] = []

    def update(self, flows: list[http.HTTPFlow]) -> None:
        for flow in flows:
            assert flow.response
            self.seen.append((flow.response.raw_content, flow.comment))


class Setting:
    def __init__(self) -> None:
        self.timers, self.clock, self.watcher = Timers(), Clock(), Watcher()
        self.rows = rows.Rows()
        self.capture = capture.Capture(self.rows, self.timers, self.clock)

    def begin(self, flow: http.HTTPFlow) -> Any:
        """What replaces the flow's stream."""
        assert flow.response
        self.rows.committed(routed(flow), attempt(), Progress(usage.Usage(7, 42, 100), 30))
        self.capture.responseheaders(flow)
        return flow.response.stream

    def end(self, flow: http.HTTPFlow) -> None:
        if flow.error:
            self.rows.error(flow)
            self.capture.error(flow)
        else:
            self.rows.response(flow)
            self.capture.response(flow)


@pytest.fixture
def setting() -> Iterator[Setting]:
    """As in mitmweb."""
    made = Setting()
    with taddons.context(view.View(), made.watcher):
        yield made


def streaming(**metadata: Any) -> http.HTTPFlow:
    flow = exchange(answer=b"", **{**ROUTED, **metadata})
    assert flow.response
    flow.response.data.content = None
    flow.response.timestamp_end = None
    flow.response.stream = True
    flow.live = True
    return flow


def content(flow: http.HTTPFlow) -> bytes | None:
    assert flow.response
    return flow.response.raw_content


def pieces(wire: bytes, size: int) -> list[bytes]:
    return [wire[start : start + size] for start in range(0, len(wire), size)]


@pytest.mark.parametrize("size", [1, 7, 100, 100_000])
def test_what_comes_goes_on_unchanged_and_stays(setting: Setting, size: int) -> None:
    flow = streaming()
    stream = setting.begin(flow)
    for piece in pieces(STREAM, size):
        assert stream(piece) is piece
    assert stream(b"") == []
    setting.end(flow)
    assert content(flow) == STREAM
    assert flow.metadata["route_state"] == "complete"
    assert flow.metadata["route_tokens_out"] == 42


def test_an_empty_piece_ends_nothing(setting: Setting) -> None:
    flow = streaming()
    stream = setting.begin(flow)
    assert stream(b"") == []
    assert stream(STREAM) == STREAM
    setting.end(flow)
    assert content(flow) == STREAM


def test_an_answer_grows_while_it_streams(setting: Setting) -> None:
    flow = streaming()
    stream = setting.begin(flow)
    first, second, rest = STREAM[:500], STREAM[500:900], STREAM[900:]
    stream(first[:100])
    stream(first[100:])
    assert content(flow) is None
    assert setting.timers.pass_by() == [capture.INTERVAL]
    assert content(flow) == first
    assert setting.timers.pass_by() == [], "nothing has come since"
    stream(second)
    assert setting.timers.pass_by() == [capture.INTERVAL]
    assert [seen for seen, _ in setting.watcher.seen] == [first, first + second]
    assert all(comment.endswith("…") for _, comment in setting.watcher.seen)
    stream(rest)
    setting.end(flow)
    assert setting.timers.due == []
    assert content(flow) == STREAM


def test_an_answer_that_breaks_off_keeps_what_came(setting: Setting) -> None:
    flow = streaming()
    stream = setting.begin(flow)
    stream(STREAM[:700])
    flow.error = tflow.terr("Client disconnected.")
    setting.end(flow)
    assert content(flow) == STREAM[:700]
    assert flow.comment == "✗ opus-5-5 → zai/glm-5 · try 2 · Client disconnected."


def test_looks_take_only_a_share_of_the_time(setting: Setting) -> None:
    setting.clock.look = 0.001
    flows = [streaming() for _ in range(100)]
    streams = [setting.begin(flow) for flow in flows]

    def next_looks() -> set[float]:
        for stream in streams:
            stream(b"data: x\n\n")
        return {round(seconds, 6) for seconds in setting.timers.pass_by()}

    assert next_looks() == {capture.INTERVAL}
    assert next_looks() == {round(0.0005 * 100 / capture.SHARE, 6)}
    for flow in flows[1:]:
        setting.end(flow)
    del streams[1:]
    assert next_looks() == {capture.INTERVAL}


@pytest.mark.parametrize(
    ("stream", "metadata"),
    [
        (False, ROUTED),
        (lambda data: data, ROUTED),
        (True, {}),
        (True, {"route_target": ""}),
    ],
)
def test_only_routed_streams_are_tapped(
    setting: Setting, stream: Any, metadata: dict[str, Any]
) -> None:
    flow = exchange(**metadata)
    assert flow.response
    flow.response.stream = stream
    setting.capture.responseheaders(flow)
    assert flow.response.stream is stream
    setting.end(flow)
    assert flow.response.stream is stream


def test_nothing_keeps_a_flow_that_is_over(setting: Setting) -> None:
    flow = streaming()
    setting.begin(flow)(STREAM)
    setting.end(flow)
    assert flow.response
    assert flow.response.stream is True
    assert not setting.capture.pace.taps


def test_a_flow_that_ends_twice(setting: Setting) -> None:
    flow = streaming()
    setting.begin(flow)(STREAM)
    setting.end(flow)
    flow.error = tflow.terr("gone")
    setting.end(flow)
    assert content(flow) == STREAM
    assert not setting.capture.pace.taps


def test_endless_answers_are_not_kept_whole(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture, "LIMIT", 1000)
    flow = streaming()
    stream = setting.begin(flow)
    for _ in range(100):
        assert stream(b"x" * 100) == b"x" * 100
    setting.end(flow)
    assert content(flow) == b"x" * 1000


def test_a_failing_tap_loses_nothing(
    setting: Setting, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    flow = streaming()
    stream = setting.begin(flow)
    monkeypatch.setattr(stream, "_pace", object())
    assert stream(STREAM) == STREAM
    assert "Internal error while recording an answer" in caplog.text


def test_a_server_without_a_view_only_counts() -> None:
    with taddons.context(save.Save(), savehar.SaveHar()):
        setting = Setting()
        flow = streaming()
        assert setting.begin(flow) is True, "mitmproxy passes it on by itself"
        assert flow.response
        flow.response.timestamp_end = 1004.1
        setting.end(flow)
    assert setting.timers.due == []
    assert content(flow) is None
    assert flow.comment == "opus-5-5 → zai/glm-5 · try 2 · 107 in / 42 out · 4.1 s"


@pytest.mark.parametrize(("limit", "kept"), [(100, 6), (4, 4 * 2)])
def test_a_server_without_a_view_keeps_what_a_summary_needs(limit: int, kept: int) -> None:
    with taddons.context(save.Save(), savehar.SaveHar()):
        setting = Setting()
        setting.capture = capture.Capture(setting.rows, setting.timers, wanted=lambda: limit)
        flow = streaming()
        stream = setting.begin(flow)
        assert stream(b"one") == b"one"
        capture.grow(flow)
        assert content(flow) == b"one"
        for data in (b"two", b"six", b"ten")[: 1 if limit > 4 else 3]:
            stream(data)
        assert setting.timers.due == []
        setting.end(flow)
        assert len(content(flow) or b"") <= kept
        assert (content(flow) or b"").startswith(b"onetwo"[:limit])


def test_summaries_share_what_memory_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "SUMMARIES", 8)
    with taddons.context(save.Save(), savehar.SaveHar()):
        setting = Setting()
        setting.capture = capture.Capture(setting.rows, setting.timers, wanted=lambda: 100)
        first, second, third = flows = [streaming() for _ in range(3)]
        streams = [setting.begin(flow) for flow in flows[:2]]
        for stream in streams:
            stream(b"three")
        setting.end(first)
        # There is room again, but without its beginning the rest of an answer makes no sense.
        streams[1](b"two")
        setting.end(second)
        setting.begin(third)(b"three")
        setting.end(third)
    assert [content(flow) for flow in flows] == [b"three", b"", b"three"]


def test_what_is_saved_is_kept(tmp_path: Any) -> None:
    with taddons.context(save.Save(), savehar.SaveHar()) as context:
        context.options.update(hardump=str(tmp_path / "x.har"))
        setting = Setting()
        flow = streaming()
        assert setting.begin(flow)(STREAM) == STREAM
        setting.end(flow)
    assert setting.timers.due == []
    assert content(flow) == STREAM


def test_answers_for_the_sessions_page_are_kept_and_grow() -> None:
    with taddons.context(save.Save(), savehar.SaveHar(), kept_flows.KeptFlows()) as context:
        setting = Setting()
        assert setting.begin(streaming()) is True
        context.options.update(keep_bodies=1)
        flow = streaming()
        setting.begin(flow)(STREAM)
        assert len(setting.timers.due) == 1
        setting.end(flow)
    assert content(flow) == STREAM


def test_rows_know_the_whole_way(setting: Setting) -> None:
    flow = streaming()
    setting.rows.requestheaders(flow)
    setting.rows.request(flow)
    setting.begin(flow)(STREAM)
    assert flow.response
    flow.response.timestamp_end = 1004.1
    setting.end(flow)
    routing = "opus-5-5 → zai/glm-5 · try 2 · 107 in / 42 out · 4.1 s"
    assert flow.comment == f"What is this? · {routing}"


def test_an_answer_that_only_its_labels_claim_is_not_tapped(setting: Setting) -> None:
    """They may come from the file of a saved flow."""
    flow = streaming()
    setting.capture.responseheaders(flow)
    assert flow.response and flow.response.stream is True
