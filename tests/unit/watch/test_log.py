from __future__ import annotations

import logging
from typing import Any

import pytest
from mitmproxy import http
from mitmproxy.test import tflow

from claude_route.proxy import contract
from claude_route.routing import lessons
from claude_route.routing import quota
from claude_route.routing.failures import Kind
from claude_route.watch import log
from tests.unit.flows import attempt
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
