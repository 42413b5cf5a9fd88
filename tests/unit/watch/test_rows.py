from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from mitmproxy import flowfilter
from mitmproxy import http
from mitmproxy.addons import view
from mitmproxy.test import taddons
from mitmproxy.test import tflow
from mitmproxy.tools.web import webaddons

from claude_route.dialects import usage
from claude_route.proxy import contract
from claude_route.watch import rows
from claude_route.watch.views import claude
from tests.unit.flows import ALICE
from tests.unit.flows import ROUTED
from tests.unit.flows import SHARED
from tests.unit.flows import Progress
from tests.unit.flows import attempt
from tests.unit.flows import exchange
from tests.unit.flows import routed

BUSY = {"type": "error", "error": {"type": "overloaded_error", "message": "Busy"}}


def counted(**changes: Any) -> Progress:
    return Progress(usage=usage.Usage(300, 156, 21_000), **changes)


def test_a_request_in_flight() -> None:
    flow = exchange()
    flow.response = None
    addon = rows.Rows()
    addon.requestheaders(flow)
    assert flow.comment == "…"
    addon.request(flow)
    assert flow.comment == "What is this? · opus-5-5 → …"
    addon.committed(routed(flow), attempt(), counted(complete=False, output=1200))
    assert flow.metadata.items() >= ROUTED.items()
    flow.response = http.Response.make(200)
    flow.response.timestamp_end = 1001.5
    addon.grown(flow)
    routing = "opus-5-5 → zai/glm-5 · try 2 · 21.3k in / ~1.2k out · 1.5 s…"
    assert flow.comment == f"What is this? · {routing}"


def test_a_subagents_request() -> None:
    flow = exchange()
    flow.request.headers["x-claude-code-agent-id"] = "a1"
    addon = rows.Rows()
    addon.request(flow)
    assert flow.comment == "↳ What is this? · opus-5-5 → …"


def test_the_log_has_no_word_of_the_prompt() -> None:
    flow = exchange()
    reports: list[str] = []
    addon = rows.Rows(lambda _, line: reports.append(line))
    addon.request(flow)
    addon.committed(routed(flow), attempt(), counted())
    addon.response(flow)
    assert flow.comment.startswith("What is this? · ")
    assert reports == ["opus-5-5 → zai/glm-5 · try 2 · 21.3k in / 156 out · 4.1 s"]


def test_a_prompt_that_nobody_sees_is_not_read() -> None:
    flow = exchange()
    rows.Rows(is_kept=lambda: False).request(flow)
    assert flow.comment == "opus-5-5 → …"
    flow.request.headers["content-encoding"] = "gzip"
    rows.Rows().request(flow)
    assert flow.comment == "opus-5-5 → …"


def test_a_prompt_in_a_file_may_be_anything() -> None:
    flow = exchange(**ROUTED, route_prompt=7)
    rows.ended(flow, counted())
    assert flow.comment.startswith("opus-5-5 → ")


def test_a_stream_of_pings_that_fails() -> None:
    flow = exchange()
    addon = rows.Rows()
    addon.requestheaders(flow)
    addon.opened(routed(flow))
    assert addon.is_answering(flow), "it is recorded from its first ping on"
    addon.grown(flow)
    addon.refused(routed(flow), attempt())
    flow.error = tflow.terr("529 overloaded_error")
    addon.response(flow)
    assert flow.comment == "✗ opus-5-5 → zai/glm-5 · try 2 · 529 overloaded_error"
    assert flow.metadata["route_state"] == "failed"


def test_a_stream_of_pings_that_is_answered() -> None:
    flow = exchange()
    addon = rows.Rows()
    addon.opened(routed(flow))
    addon.committed(routed(flow), attempt(), counted())
    addon.response(flow)
    assert flow.metadata["route_state"] == "complete"


@pytest.mark.parametrize(
    ("progress", "comment", "state"),
    [
        (counted(), "opus-5-5 → zai/glm-5 · try 2 · 21.3k in / 156 out · 4.1 s", "complete"),
        (
            counted(error="overloaded_error"),
            "✗ opus-5-5 → zai/glm-5 · try 2 · overloaded_error",
            "failed",
        ),
        (counted(complete=False), "✗ opus-5-5 → zai/glm-5 · try 2 · interrupted", "failed"),
    ],
)
def test_a_stream_has_ended(progress: Progress, comment: str, state: str) -> None:
    flow = exchange()
    addon = rows.Rows()
    addon.committed(routed(flow), attempt(), progress)
    addon.response(flow)
    assert flow.comment == comment
    assert flow.metadata["route_state"] == state
    assert flow.metadata["route_tokens_in"] == 21_300
    assert flow.metadata["route_tokens_cached"] == 21_000
    assert flow.metadata["route_tokens_out"] == 156


@pytest.mark.parametrize(
    ("path", "status", "body", "metadata", "comment"),
    [
        (
            "/v1/messages",
            200,
            {"usage": {"input_tokens": 7, "output_tokens": 2}},
            ROUTED,
            "opus-5-5 → zai/glm-5 · try 2 · 7 in / 2 out · 4.1 s",
        ),
        (
            "/v1/messages/count_tokens",
            200,
            {"input_tokens": 7},
            ROUTED,
            "opus-5-5 → zai/glm-5 · counted 7 · 4.1 s",
        ),
        (
            "/v1/messages",
            529,
            BUSY,
            ROUTED,
            "✗ opus-5-5 → zai/glm-5 · try 2 · 529 overloaded_error",
        ),
        ("/v1/messages", 404, BUSY, {}, "✗ opus-5-5 · 404 Busy"),
        (
            "/v1/messages",
            502,
            b"<title>502 Bad</title>",
            ROUTED,
            "✗ opus-5-5 → zai/glm-5 · try 2 · 502 Bad",
        ),
        ("/v1/messages", 502, b"", {}, "✗ opus-5-5 · 502"),
        ("/v1/messages", 200, b"", ROUTED, "opus-5-5 → zai/glm-5 · try 2 · 4.1 s"),
    ],
)
def test_an_answer_that_is_no_stream(
    path: str, status: int, body: Any, metadata: dict[str, Any], comment: str
) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    flow = exchange(path, answer=raw, answered_with="application/json", **metadata)
    assert flow.response
    flow.response.status_code = status
    rows.ended(flow, None)
    assert flow.comment == comment


def test_what_an_answer_cost() -> None:
    flow = exchange()
    reports: list[str] = []
    addon = rows.Rows(lambda _, line: reports.append(line))
    addon.committed(routed(flow), attempt("anthropic/claude-opus-5-5", number=1), counted())
    addon.response(flow)
    # 300 tokens at $4, 21,000 at $0.2 and 156 at $20 for a million
    assert flow.comment == "opus-5-5 → anthropic · 21.3k in / 156 out · 4.1 s · $0.0085"
    assert flow.metadata["route_cost"] == pytest.approx(0.00852)
    assert reports == [flow.comment]


def test_why_another_target_was_passed_over() -> None:
    flow = exchange()
    reports: list[str] = []
    addon = rows.Rows(lambda _, line: reports.append(line))
    reasons = ("token 1 rests 29 s", "token 2 is disabled")
    addon.committed(routed(flow), attempt(number=1, passed_over=reasons), counted())
    addon.response(flow)
    reason = "passed over: token 1 rests 29 s, token 2 is disabled"
    assert flow.comment == f"opus-5-5 → zai/glm-5 · 21.3k in / 156 out · 4.1 s · {reason}"
    assert reports == [flow.comment]
    assert reason in claude.routing(flow)


def test_no_answer_at_all() -> None:
    flow = exchange(**ROUTED)
    flow.response, flow.error = None, tflow.terr("Client disconnected.")
    rows.ended(flow, None)
    assert flow.comment == "✗ opus-5-5 → zai/glm-5 · try 2 · Client disconnected."
    assert "route_tokens_in" not in flow.metadata


def test_a_request_that_passes_through() -> None:
    flow = exchange("/api/claude_code/settings?x=1")
    rows.Rows().requestheaders(flow)
    rows.Rows().request(flow)
    rows.ended(flow, None)
    assert flow.comment == "POST /api/claude_code/settings"
    assert "route_state" not in flow.metadata
    flow.error = tflow.terr("gone")
    rows.ended(flow, None)
    assert flow.comment == "✗ POST /api/claude_code/settings · gone"


def test_a_users_comment_stays() -> None:
    flow = exchange(**ROUTED)
    flow.comment = "mine"
    addon = rows.Rows()
    addon.requestheaders(flow)
    addon.committed(routed(flow), attempt(), counted())
    addon.grown(flow)
    addon.response(flow)
    assert flow.comment == "mine"


def test_nothing_is_known_of_an_answer_that_nobody_committed() -> None:
    flow = exchange(**ROUTED)
    flow.comment = "mine"
    rows.Rows().grown(flow)
    assert flow.comment == "mine"


def test_an_error_after_attempts_says_who_was_asked_last() -> None:
    flow = exchange()
    addon = rows.Rows()
    addon.refused(routed(flow), None)
    assert flow.metadata == {}
    addon.refused(routed(flow), attempt())
    assert flow.metadata.items() >= ROUTED.items()


def test_whose_request_it_is() -> None:
    addon = rows.Rows()
    for flow, client in ((exchange(), ALICE), (exchange(), None), (exchange(), SHARED)):
        addon.began(routed(flow, client=client))
        assert flow.metadata.get("route_client") == ("alice" if client is ALICE else None)
    refused = exchange()
    addon.rejected(contract.Rejected(refused, ALICE, http.Response.make(404)))
    assert refused.metadata["route_client"] == "alice"


def test_a_comment_that_a_user_changed_stays() -> None:
    flow = exchange(**ROUTED)
    rows.Rows().requestheaders(flow)
    flow.comment += " look here"
    rows.ended(flow, counted())
    assert flow.comment == "… look here"


def test_a_replay_starts_over() -> None:
    flow = exchange(**ROUTED)
    rows.ended(flow, counted())
    replayed = flow.copy()
    replayed.is_replay, replayed.response = "request", None
    rows.Rows().requestheaders(replayed)
    assert replayed.comment == "…"
    assert set(replayed.metadata) == {"route_comment"}


@pytest.mark.parametrize(
    ("url", "marked", "is_shown"),
    [
        ("https://api.anthropic.com/v1/messages?beta=true", "", True),
        ("http://127.0.0.1:4000/v1/messages/count_tokens", "", True),
        ("https://api.anthropic.com/v1/models?limit=1000", "", True),
        ("https://api.anthropic.com/api/event_logging/v2/batch", "", False),
        ("https://api.anthropic.com/api/eval/sdk-x", "", False),
        ("https://api.anthropic.com/api/claude_code/settings", "", False),
        ("https://api.anthropic.com/api/hello", "", False),
        ("http://127.0.0.1:4000/health", "", False),
        ("http://127.0.0.1:4000/status", "", False),
        ("https://openrouter.ai/api/v1/chat/completions", ":x:", True),
        ("https://api.z.ai/api/anthropic/v1/messages", ":x:", True),
        ("https://example.com/other/api/", "", True),
    ],
)
def test_filter(url: str, marked: str, is_shown: bool) -> None:
    flow = tflow.tflow(req=http.Request.make("POST", url))
    flow.marked = marked
    assert bool(flowfilter.parse(rows.FILTER)(flow)) == is_shown


def test_columns_and_filter_are_set_where_there_are_any() -> None:
    addon = rows.Rows()
    with taddons.context(view.View(), webaddons.WebAddon(), addon) as context:
        context.configure(addon, show_all=False)
        assert context.options.view_filter == rows.FILTER
        assert context.options.web_columns == rows.COLUMNS
        context.configure(addon, show_all=True)
        assert context.options.view_filter is None
        context.configure(addon, show_all=False)
        assert context.options.view_filter == rows.FILTER


def test_a_users_columns_and_filter_stay() -> None:
    addon = rows.Rows()
    with taddons.context(view.View(), webaddons.WebAddon()) as context:
        columns = ["tls", "icon", "path", "method", "status", "size", "time"]
        context.options.update(view_filter="~m GET", web_columns=columns)
        context.master.addons.add(addon)
        context.configure(addon, show_all=False)
        assert context.options.view_filter == "~m GET"
        assert context.options.web_columns == columns


def test_mitmdump_has_neither_columns_nor_filter() -> None:
    with taddons.context(rows.Rows()) as context:
        assert "view_filter" not in context.options
        context.configure(rows.Rows(), show_all=True)


def test_a_check_of_a_tool_call() -> None:
    flow = exchange()
    addon = rows.Rows()
    request = dataclasses.replace(routed(flow), check="client")
    addon.committed(request, attempt(), counted())
    addon.response(flow)
    assert flow.comment.startswith("auto-mode check · opus-5-5 → zai/glm-5")
    assert flow.metadata["route_check"] == "client"


def test_our_own_check_is_listed_and_logged() -> None:
    lines: list[str] = []
    shown = view.View()
    with taddons.context(shown):
        flow = exchange()
        addon = rows.Rows(lambda flow, line: lines.append(line))
        request = dataclasses.replace(routed(flow), check="proxy")
        addon.committed(request, attempt(), counted())
        addon.closed(request, None, None)
        assert list(shown) == [flow]
    (line,) = lines
    assert line.startswith("auto-mode check · ")
    assert flow.comment.startswith("auto-mode check · ")


def test_a_clients_request_is_listed_by_mitmproxy() -> None:
    flow = exchange()
    rows.Rows(lambda flow, line: pytest.fail("logged twice")).closed(routed(flow), None, None)
