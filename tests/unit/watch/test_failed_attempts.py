from __future__ import annotations

from pathlib import Path

import pytest
from mitmproxy import flow
from mitmproxy import http
from mitmproxy import io
from mitmproxy.addons import dumper
from mitmproxy.addons import save
from mitmproxy.addons import view
from mitmproxy.test import taddons
from mitmproxy.test import tflow
from mitmproxy.test import tutils

from claude_route.proxy import contract
from claude_route.routing import failures
from claude_route.routing import quota
from claude_route.watch import failed_attempts
from tests.unit.flows import attempt
from tests.unit.flows import failed_attempt
from tests.unit.flows import routed

REQUEST = tutils.treq(host="127.0.0.1", port=9, path=b"/v1/messages", content=b'{"model":"m"}')
LIMITED = contract.Failure(
    failures.Kind.STATUS,
    "HTTP 429",
    tutils.tresp(status_code=429, content=b"{}", timestamp_end=None),
)
REFUSED = contract.Failure(failures.Kind.CONNECT, "Connect call failed")
SILENT = contract.Failure(failures.Kind.TIMEOUT, "silent for 120 s")


def failed(failure: contract.Failure, answered: http.HTTPFlow | None = None) -> http.HTTPFlow:
    """The flow that the view gets."""
    shown = view.View()
    with taddons.context(shown):
        failed_attempts.failed_attempt(
            answered or tflow.tflow(),
            REQUEST,
            failure,
            started=1000.0,
            comment="✗ zai/glm-5 429",
            metadata={"route_target": "zai/glm-5"},
        )
        (only,) = shown
    assert isinstance(only, http.HTTPFlow)
    return only


@pytest.mark.parametrize("failure", [LIMITED, REFUSED, SILENT], ids=lambda f: f.kind)
def test_it_is_marked_and_says_why(failure: contract.Failure) -> None:
    shown = failed(failure)
    assert shown.comment == "✗ zai/glm-5 429"
    assert shown.marked == ":x:"
    assert shown.metadata == {"route_target": "zai/glm-5"}
    assert not shown.live
    assert shown.request.content == b'{"model":"m"}'
    assert shown.request.timestamp_start == 1000.0


def test_it_says_which_request_it_was_for() -> None:
    answered = tflow.tflow()
    answered.metadata["route_prompt"] = "Fix it"
    assert failed(LIMITED, answered).comment == "✗ zai/glm-5 429 · Fix it"


def test_cookies_are_hidden() -> None:
    headers = http.Headers(((b"set-cookie", b"session=0123456789"), (b"retry-after", b"7")))
    limited = contract.Failure(failures.Kind.STATUS, "HTTP 429", tutils.tresp(headers=headers))
    shown = failed(limited)
    assert shown.response
    assert shown.response.headers.fields[0] == (b"set-cookie", "{{server …6789}}".encode())
    assert headers["set-cookie"] == "session=0123456789"


def test_it_has_the_rejected_answer() -> None:
    shown = failed(LIMITED)
    assert shown.response and shown.response.status_code == 429
    assert shown.response.content == b"{}"
    assert shown.response.timestamp_end and shown.error is None


@pytest.mark.parametrize("failure", [REFUSED, SILENT], ids=lambda f: f.kind)
def test_or_the_reason_there_was_no_answer(failure: contract.Failure) -> None:
    shown = failed(failure)
    assert shown.response is None
    assert shown.error and shown.error.msg == failure.detail


def test_it_is_apart_from_the_answered_flow() -> None:
    answered = tflow.tflow()
    shown = failed(LIMITED, answered)
    assert shown.id != answered.id
    assert shown.client_conn is answered.client_conn
    assert shown.request is not REQUEST
    assert LIMITED.response and LIMITED.response.timestamp_end is None
    assert answered.response is None and answered.comment == ""


@pytest.mark.parametrize(
    ("failure", "address"), [(REFUSED, ("127.0.0.1", 9)), (LIMITED, ("address", 22))]
)
def test_the_address_it_was_sent_to(failure: contract.Failure, address: tuple[str, int]) -> None:
    assert failed(failure).server_conn.address == address


def test_the_console_and_the_file_have_it_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = save.Save()
    with taddons.context(dumper.Dumper(), saved) as tctx:
        tctx.configure(saved, save_stream_file=str(tmp_path / "flows"))
        for failure in (LIMITED, REFUSED):
            failed_attempts.failed_attempt(
                tflow.tflow(), REQUEST, failure, started=1.0, comment="✗", metadata={}
            )
        saved.done()
    with (tmp_path / "flows").open("rb") as file:
        flows: list[flow.Flow] = list(io.FlowReader(file).stream())
    assert [each.marked for each in flows] == [":x:", ":x:"]
    printed = capsys.readouterr().out
    assert "127.0.0.1:9/v1/messages" in printed
    assert "429" in printed and "Connect call failed" in printed


def test_without_a_view() -> None:
    with taddons.context():
        failed_attempts.failed_attempt(
            tflow.tflow(), REQUEST, LIMITED, started=1.0, comment="✗", metadata={}
        )


@pytest.mark.parametrize(
    ("failed", "comment"),
    [
        (
            failed_attempt(number=1, then=attempt("kimi/k", number=2)),
            "✗ opus-5-5 · zai/glm-5 429 → kimi/k",
        ),
        (
            failed_attempt(
                target="anthropic/opus",
                token="token 1 …abcd",
                number=1,
                effects=[quota.Rest(4600.0, None, "")],
                then=attempt("anthropic/opus", token="token 2 …wxyz"),
            ),
            "✗ opus-5-5 · token 1 …abcd 429, rests 3600 s → token 2 …wxyz",
        ),
        (
            failed_attempt(then=http.Response.make(404)),
            "✗ opus-5-5 · zai/glm-5 429 → answered by the proxy",
        ),
        (failed_attempt(number=3), "✗ opus-5-5 · zai/glm-5 429"),
    ],
)
def test_each_attempt_but_an_only_one_is_shown(
    failed: contract.FailedAttempt, comment: str
) -> None:
    shown = view.View()
    with taddons.context(shown):
        addon = failed_attempts.FailedAttempts()
        addon.failed(routed(tflow.tflow()), failed)
        addon.failed(routed(tflow.tflow()), failed_attempt(number=1))
        (only,) = shown
    assert only.comment == comment
    assert only.metadata["route_attempts"] == failed.attempt.number
    assert only.request.timestamp_start == failed.attempt.started
