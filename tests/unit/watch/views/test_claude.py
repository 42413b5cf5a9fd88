from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from mitmproxy import contentviews
from mitmproxy import http
from mitmproxy.contentviews import Metadata
from mitmproxy.test import taddons
from mitmproxy.test import tflow

from claude_route.text import layout
from claude_route.watch import upstream_requests
from claude_route.watch.views import claude
from tests.unit.flows import REQUEST
from tests.unit.flows import ROUTED
from tests.unit.flows import STREAM
from tests.unit.flows import exchange


@pytest.fixture(autouse=True)
def added() -> Any:
    """mitmproxy with our views, as a script would have them."""
    with taddons.context(claude.Views()):
        yield


def shown(flow: http.HTTPFlow, message: http.Message | None, view: str = "auto") -> tuple[str, str]:
    assert message
    result = contentviews.prettify_message(message, flow, view)
    return result.view_name or "", result.text


def test_a_request_shows_itself() -> None:
    flow = exchange(**ROUTED)
    view, page = shown(flow, flow.request)
    assert view == "claude"
    assert page.startswith("claude-opus-5-5 → zai/glm-5 · try 2\nabout 13 tokens")
    assert "\n  What is this?\n" in page


def test_an_answer_shows_itself() -> None:
    flow = exchange(**ROUTED)
    view, page = shown(flow, flow.response)
    assert view == "claude"
    assert page.splitlines()[:4] == [
        "claude-opus-5-5 → zai/glm-5 · try 2",
        "complete · stop reason tool_use · first byte after 800 ms over a new connection"
        " · 4.1 s in all",
        "in 107 (100 from cache, 7 not cached) · out 42",
        "msg_1 · 18 events · 1 of them a ping",
    ]
    assert page.endswith("  → Bash  toolu_1\n      command: ls -la")


@pytest.mark.parametrize(
    ("target", "cost"),
    [
        ("anthropic/claude-opus-5-5", "$0.0009 · "),
        ("", "$0.0009 · "),
        ("anthropic/claude-unheard-of-1", ""),
        ("openrouter/anthropic/claude-opus-5-5", ""),
        ("zai/glm-5", ""),
    ],
)
def test_cost(target: str, cost: str) -> None:
    flow = exchange(route_target=target)
    usage = shown(flow, flow.response)[1].splitlines()[2]
    assert usage == cost + "in 107 (100 from cache, 7 not cached) · out 42"


@pytest.mark.parametrize(
    ("metadata", "line"),
    [
        ({}, ""),
        ({"route_model": "glm", "route_target": "zai/glm-5"}, "glm → zai/glm-5"),
        (
            {
                "route_model": "claude-opus-5-5",
                "route_target": "anthropic/claude-opus-5-5",
                "route_attempts": 3,
                "route_token": "token 2 …wxyz",
            },
            "claude-opus-5-5 → anthropic/claude-opus-5-5 · try 3 · token 2 …wxyz",
        ),
    ],
)
def test_routing(metadata: dict[str, Any], line: str) -> None:
    assert claude.routing(exchange(**metadata)) == line


@pytest.mark.parametrize(
    ("live", "error", "state"),
    [
        (True, False, "◌ STREAMING"),
        (False, False, "✗ INCOMPLETE: the stream was interrupted"),
        (True, True, "✗ INCOMPLETE: the stream was interrupted"),
    ],
)
def test_an_answer_that_runs(live: bool, error: bool, state: str) -> None:
    flow = exchange(answer=STREAM[: STREAM.index(b"message_delta") - 20])
    assert flow.response
    flow.response.timestamp_end = None
    flow.live = live
    flow.error = tflow.terr() if error else None
    line = shown(flow, flow.response)[1].splitlines()[1]
    assert line == f"{state} · first byte after 800 ms over a new connection"


@pytest.mark.parametrize(
    ("since", "words"),
    [
        (-12.0, "800 ms over a kept connection ·"),
        (0.0, "800 ms over a new connection ·"),
        (0.3, "800 ms over a new connection ·"),
        (None, "800 ms ·"),  # no upstream was asked
    ],
)
def test_whether_its_connection_was_new(since: float | None, words: str) -> None:
    flow = exchange()
    began = flow.request.timestamp_start
    flow.server_conn.timestamp_start = None if since is None else began + since
    assert words in shown(flow, flow.response)[1].splitlines()[1]


def test_answers_that_are_no_streams() -> None:
    message = {"id": "m", "content": [{"type": "text", "text": "Done."}], "stop_reason": "end_turn"}
    completion = {"choices": [{"message": {"content": "Done."}, "finish_reason": "stop"}]}
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Busy"}}
    for path, body, end in (
        ("/v1/messages", message, "  Done."),
        ("/chat/completions", completion, "  Done."),
        ("/v1/messages", error, layout.rule("error overloaded_error") + "\n  Busy"),
    ):
        flow = exchange(path, answer=json.dumps(body).encode(), answered_with="application/json")
        view, page = shown(flow, flow.response)
        assert view == "claude"
        assert page.endswith(end)


@pytest.mark.parametrize(
    ("path", "content_type", "data", "priorities"),
    [
        ("/v1/messages?beta=true", "application/json", b"{}", (2, 0.5, 0.25)),
        ("/v1/messages", "text/event-stream", b"x", (2, 0.5, 0.25)),
        ("/api/anthropic/v1/messages/count_tokens", "application/json", b"{}", (2, 0.5, 0.25)),
        ("/api/v1/chat/completions", "application/json", b"{}", (2, 0.5, 0.25)),
        ("/v1/messages", "application/json", b"", (-1, -1, -1)),
        ("/v1/messages", "text/html", b"<html>", (-1, -1, -1)),
        ("/v1/messages", None, b"{}", (-1, -1, -1)),
        ("/v1/messages/batches", "application/json", b"{}", (-1, -1, -1)),
        ("/api/event_logging/v2/batch", "application/json", b"{}", (-1, -1, -1)),
    ],
)
def test_render_priority(
    path: str, content_type: str | None, data: bytes, priorities: tuple[float, ...]
) -> None:
    metadata = Metadata(flow=exchange(path), content_type=content_type)
    for view, priority in zip(claude.Views().views, priorities, strict=True):
        assert view.render_priority(data, metadata) == priority
        assert view.render_priority(data, Metadata(content_type=content_type)) == -1
        assert view.render_priority(data, Metadata(flow=tflow.ttcpflow())) == -1


def test_full_views_leave_nothing_out() -> None:
    long = "line\n" * 1000
    flow = exchange(request=json.dumps({**REQUEST, "system": long}).encode())
    assert shown(flow, flow.request)[1].count("  line") == 3
    assert shown(flow, flow.request, "claude-full")[1].count("  line") == 1000


def test_what_went_upstream() -> None:
    flow = exchange(**ROUTED)
    upstream = http.Request.make(
        "POST",
        "https://openrouter.ai/api/v1/chat/completions",
        json.dumps(
            {"model": "qwen", "messages": [{"role": "user", "content": "Asked"}], "stop": ["x"]}
        ),
        http.Headers(authorization="Bearer {{openrouter}}"),
    )
    upstream_requests.remember(flow, upstream)
    _, page = shown(flow, flow.request, "claude-upstream")
    lines = page.splitlines()
    assert lines[:2] == [
        "POST https://openrouter.ai/api/v1/chat/completions",
        "authorization: Bearer {{openrouter}}",
    ]
    assert (
        "Compared with the client's request: changed: model, messages · left out: stream · added: stop"
        in " ".join(lines)
    )
    assert 'stop: ["x"]' in lines
    assert "  Asked" in lines


@pytest.mark.parametrize(
    ("metadata", "notice"),
    [
        ({}, "(The client's body went upstream unchanged.)"),
        ({"route_rewritten": True}, "(The upstream request is no longer in memory."),
    ],
)
def test_what_went_upstream_is_not_always_known(metadata: dict[str, Any], notice: str) -> None:
    flow = exchange(**metadata)
    _, page = shown(flow, flow.request, "claude-upstream")
    assert page.startswith(notice)
    assert "\n  What is this?\n" in page
    _, page = shown(flow, flow.response, "claude-upstream")
    assert page.startswith("(The answer as the client received it.")


@pytest.mark.parametrize(
    ("body", "page"),
    [
        (b'{"a":[1]}', '{\n  "a": [\n    1\n  ]\n}'),
        (b'{"a":"\\ud83e"}', '{\n  "a": "\\ufffd"\n}'),
        (b"oh no", "oh no"),
        (b"\xff", "\ufffd"),
        (b"[" * 5000, "[" * 5000),
    ],
)
def test_what_is_no_message_is_json_or_text(body: bytes, page: str) -> None:
    flow = exchange(request=body, answer=body)
    for message in (flow.request, flow.response):
        for view in ("claude", "claude-full"):
            assert shown(flow, message, view) == (view, page)


def test_views_chosen_for_other_flows() -> None:
    flow = tflow.tflow(resp=True)
    for name in ("claude", "claude-full", "claude-upstream"):
        for message, body in ((flow.request, "content"), (flow.response, "message")):
            assert shown(flow, message, name) == (name, body)
    for view in claude.Views().views:
        assert view.prettify(b'{"messages":[]}', Metadata()).startswith("?\n")


@settings(
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.binary() | st.recursive(st.none() | st.text(), lambda x: st.lists(x)).map(json.dumps))
def test_never_raises(body: bytes | str) -> None:
    raw = body if isinstance(body, bytes) else body.encode("utf-8", "replace")
    for content_type in ("application/json", "text/event-stream"):
        flow = exchange(request=raw, answer=raw, answered_with=content_type)
        for message in (flow.request, flow.response):
            metadata = Metadata(flow=flow, content_type=content_type, http_message=message)
            for view in claude.Views().views:
                assert isinstance(view.prettify(raw, metadata), str)


def test_a_reload_takes_the_views_back() -> None:
    assert "claude" in contentviews.registry
    addon, another = claude.Views(), claude.Views()
    addon.load(None)  # type: ignore[arg-type]
    another.load(None)  # type: ignore[arg-type]
    addon.done()
    assert contentviews.registry["claude"] is another.views[0]
    another.done()
    assert "claude" not in contentviews.registry
    assert "claude-full" not in contentviews.registry
    another.done()
