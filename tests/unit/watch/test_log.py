from __future__ import annotations

import dataclasses
import io
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from mitmproxy import http
from mitmproxy.addons import dumper
from mitmproxy.proxy import mode_specs
from mitmproxy.test import taddons
from mitmproxy.test import tflow

from claude_route import targets
from claude_route.access import clients
from claude_route.proxy import contract
from claude_route.routing import lessons
from claude_route.routing import quota
from claude_route.routing.failures import Kind
from claude_route.watch import log
from claude_route.watch import rows
from tests.unit.flows import ALICE
from tests.unit.flows import SHARED
from tests.unit.flows import attempt
from tests.unit.flows import exchange
from tests.unit.flows import failed_attempt
from tests.unit.flows import routed

TOKEN_1: dict[str, Any] = {"target": "anthropic/opus", "token": "token 1 …abcd", "number": 1}
TOKEN_2 = attempt("anthropic/opus", token="token 2 …wxyz", number=2)
RESTS = [quota.Rest(4600.0, None, "429, retry-after")]


@pytest.mark.parametrize(
    ("failed", "line"),
    [
        (
            failed_attempt(effects=RESTS, then=TOKEN_2, **TOKEN_1),
            "opus: anthropic (token 1 …abcd) 429, rests 3600 s → anthropic (token 2 …wxyz)",
        ),
        (
            failed_attempt(Kind.TIMEOUT, detail="silent for 120 s", then=attempt(), **TOKEN_1),
            "opus: anthropic (token 1 …abcd) silent for 120 s → zai/glm-5",
        ),
        (
            failed_attempt(then=http.Response.make(404), **TOKEN_1),
            "opus: anthropic (token 1 …abcd) 429 → answered by the proxy",
        ),
        (
            failed_attempt(effects=RESTS, **TOKEN_1),
            "opus: anthropic (token 1 …abcd) 429, rests 3600 s",
        ),
        (failed_attempt(Kind.CONNECT, detail="refused", number=1), "opus: zai/glm-5 refused"),
        (failed_attempt(number=2), "opus: zai/glm-5 429"),
        (
            failed_attempt(number=1, then=attempt(without="reasoning_effort", number=2)),
            "opus: zai/glm-5 429 → without reasoning_effort",
        ),
        (failed_attempt(number=1), ""),
    ],
)
def test_failed(
    failed: contract.FailedAttempt, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    log.Log().failed(routed(tflow.tflow(), "opus"), failed)
    assert caplog.messages == ([line] if line else [])


def test_no_name_stands_twice(caplog: pytest.LogCaptureFixture) -> None:
    """As in profiles/local.yaml, whose models are named after their providers."""
    log.Log().failed(routed(tflow.tflow(), "zai/glm-5"), failed_attempt(number=2))
    assert caplog.messages == ["zai/glm-5 429"]


@pytest.mark.parametrize(
    ("body", "known", "line"),
    [
        (b'{"error":{"message":"Unknown\\nfield top_k"}}', {}, " 400, Unknown field top_k"),
        (
            b'{"error":{"message":"no balance"}}',
            {"then": attempt()},
            " 400, no balance → zai/glm-5",
        ),
        (
            b'{"error":{"message":"no such key: sk-ant-oat01-abcdefgh"}}',
            {},
            " 400, no such key: [redacted]",
        ),
        (b'{"error":{"message":"Slow"}}', {"effects": RESTS}, " 400, rests 3600 s"),
        (b"x" * 1000, {}, " 400, " + "x" * 299 + "…"),
    ],
)
def test_the_providers_words(
    body: bytes, known: dict[str, Any], line: str, caplog: pytest.LogCaptureFixture
) -> None:
    failed = failed_attempt(status=400, number=1, **known)
    failed = dataclasses.replace(failed, outcome=dataclasses.replace(failed.outcome, body=body))
    log.Log().failed(routed(tflow.tflow(), "opus"), failed)
    assert caplog.messages == [f"opus: zai/glm-5{line}"]


def test_broke_off(caplog: pytest.LogCaptureFixture) -> None:
    log.Log().interrupted(routed(tflow.tflow(), "opus"), attempt(), "silent\nfor 300 s")
    assert caplog.messages == ["opus: the stream from zai/glm-5 was interrupted: silent for 300 s"]


def test_what_is_left_out_is_of_interest_to_few(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        log.Log().tries(routed(tflow.tflow(), "opus"), attempt(dropped=("top_k", "thread")))
        log.Log().tries(routed(tflow.tflow(), "opus"), attempt())
    assert caplog.record_tuples == [
        ("claude_route.watch.log", logging.DEBUG, "opus: not sent to zai/glm-5: top_k, thread")
    ]


@pytest.mark.parametrize(
    ("settings", "which"), [(None, "requests"), (b"odd", "requests like this one")]
)
def test_learned(settings: bytes | None, which: str, caplog: pytest.LogCaptureFixture) -> None:
    refused = [lessons.Lesson(name, settings) for name in ("schemas.pattern", "schemas.format")]
    log.Log().learned(routed(tflow.tflow(), "opus"), attempt(), refused)
    assert caplog.messages == [
        f"zai/glm-5 refuses schemas.pattern, schemas.format: {which} go without for 6 h. To leave it "
        "out for good, add `drop: [schemas.pattern, schemas.format]` to providers.zai in the profile"
    ]


def test_what_is_learned_about_thinking(caplog: pytest.LogCaptureFixture) -> None:
    refused = [lessons.Lesson("top_k"), lessons.Lesson(targets.BARE_CALLS)]
    log.Log().learned(routed(tflow.tflow(), "opus"), attempt(), refused)
    assert caplog.messages == [
        "zai/glm-5 refuses top_k, calls without thinking: requests go without for 6 h. To leave it out "
        "for good, add `drop: [top_k]` and `reasoning: required` to providers.zai in the profile"
    ]


def test_what_is_learned_about_a_limit(caplog: pytest.LogCaptureFixture) -> None:
    refused = [lessons.Lesson("max_tokens=8192", b"odd")]
    log.Log().learned(routed(tflow.tflow(), "opus"), attempt(), refused)
    assert caplog.messages == [
        "zai/glm-5 refuses max_tokens over 8192: requests like this one go without for 6 h. To leave it "
        "out for good, add `set: {max_tokens: 8192}` to providers.zai in the profile"
    ]


# A line for each request


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[log.Log]:
    """In a mitmdump."""
    addon, flow_rows = log.Log(), rows.Rows()
    with taddons.context(dumper.Dumper(io.StringIO()), flow_rows) as context:
        context.master.addons.add(addon)
        assert context.options.flow_detail == 0
        caplog.set_level(logging.DEBUG)
        yield addon
        addon.done()


@pytest.mark.parametrize(
    ("path", "metadata", "error", "level"),
    [
        ("/v1/messages", {"route_state": "complete"}, "", "INFO"),
        ("/v1/messages", {"route_state": "failed"}, "", "WARNING"),
        ("/v1/messages", {"route_state": "failed"}, "peer closed connection", "WARNING"),
        ("/v1/messages", {"route_state": "failed"}, "Client disconnected.", "INFO"),
        ("/v1/messages", {"route_state": "failed"}, "stream reset by client (CANCEL)", "INFO"),
    ],
)
def test_a_request_to_a_model(
    lines: log.Log,
    caplog: pytest.LogCaptureFixture,
    path: str,
    metadata: dict[str, str],
    error: str,
    level: str,
) -> None:
    flow = exchange(path)
    flow.metadata |= metadata
    flow.error = tflow.terr(error) if error else None
    lines.ended(flow, "opus-5-5 → zai/glm-5 · 1.2 s\x1b[31m")
    (record,) = caplog.records
    assert record.getMessage() == "opus-5-5 → zai/glm-5 · 1.2 s.[31m"
    assert record.levelname == level
    assert record.client == flow.client_conn.peername  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("path", "error", "line", "level"),
    [
        ("/v1/models", "", "GET /v1/models · 200 · 4.1 s", "INFO"),
        ("/v1/files", "gone", "GET /v1/models · 4.1 s", "WARNING"),
        ("/api/claude_code/settings", "", "GET /v1/models · 200 · 4.1 s", "DEBUG"),
        ("/api/claude_code/settings", "gone", "GET /v1/models · 4.1 s", "DEBUG"),
    ],
)
def test_a_request_that_passes_through(
    lines: log.Log,
    caplog: pytest.LogCaptureFixture,
    path: str,
    error: str,
    line: str,
    level: str,
) -> None:
    flow = exchange(path)
    flow.error = tflow.terr(error) if error else None
    lines.ended(flow, "GET /v1/models")
    assert [(r.getMessage(), r.levelname) for r in caplog.records] == [(line, level)]


@pytest.mark.parametrize(("client", "begin"), [(None, ""), (SHARED, ""), (ALICE, "alice: ")])
def test_a_named_client(
    lines: log.Log, caplog: pytest.LogCaptureFixture, client: clients.Client | None, begin: str
) -> None:
    flow = exchange()
    request = routed(flow, "opus", client=client)
    rows.Rows().began(request)
    lines.ended(flow, "opus → zai/glm-5 · 1.2 s")
    lines.failed(request, failed_attempt(number=2))
    lines.interrupted(request, attempt(), "closed")
    assert caplog.messages == [
        f"{begin}opus → zai/glm-5 · 1.2 s",
        f"{begin}opus: zai/glm-5 429",
        f"{begin}opus: the stream from zai/glm-5 was interrupted: closed",
    ]


@pytest.mark.parametrize(
    ("mode", "status", "is_logged"),
    [
        ("reverse:https://api.anthropic.com", 200, False),
        ("reverse:https://api.anthropic.com", 401, True),
        ("regular", 200, True),
    ],
)
def test_pages_that_programs_poll(
    lines: log.Log, caplog: pytest.LogCaptureFixture, mode: str, status: int, is_logged: bool
) -> None:
    flow = exchange("/health")
    flow.request.method = "GET"
    flow.client_conn.proxy_mode = mode_specs.ProxyMode.parse(mode)
    assert flow.response
    flow.response.status_code = status
    lines.ended(flow, "GET /health")
    assert bool(caplog.records) is is_logged


def test_the_list_of_flows_shows_them_elsewhere(caplog: pytest.LogCaptureFixture) -> None:
    with taddons.context(), caplog.at_level(logging.DEBUG):
        log.Log().ended(exchange(), "opus-5-5 → zai/glm-5 · 1.2 s")
    assert not caplog.records


def test_what_the_user_sets_wins() -> None:
    with taddons.context(dumper.Dumper(io.StringIO())) as context:
        context.options.update(flow_detail=1)
        context.master.addons.add(addon := log.Log())
        assert context.options.flow_detail == 1
        addon.done()


@pytest.mark.parametrize(
    ("message", "level"),
    [
        ("client connect", logging.DEBUG),
        ("server disconnect api.anthropic.com:443", logging.DEBUG),
        ("Client TLS handshake failed.", logging.INFO),
    ],
)
def test_lines_about_connections(message: str, level: int) -> None:
    record = logging.makeLogRecord({"msg": message, "levelno": logging.INFO})
    assert log.is_of_interest(record)
    assert record.levelno == level


def test_woke(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    log.Log().woke(routed(tflow.tflow(), "opus"), TOKEN_2)
    assert caplog.messages == [
        "token 2 …wxyz is available again, before its limit was due to reset"
    ]


def test_calls_that_nobody_checks_are_a_warning_once(caplog: pytest.LogCaptureFixture) -> None:
    addon = log.Log()
    request = routed(tflow.tflow())
    for by in ("client", "client", None, None):
        addon.unchecked(request, attempt(), by)
    first, second = caplog.messages
    assert "tool calls of zai/glm-5" in first
    assert "asks a Claude model itself" in first
    assert "blocks those that need a check" in second
    assert "`safeguards: {classifier: MODEL}`" in second
