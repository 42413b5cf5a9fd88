from __future__ import annotations

import json

import pytest

from claude_route.dialects import error_body
from claude_route.dialects import errors
from claude_route.dialects.messages import requests
from claude_route.proxy import outcomes
from tests.unit.flows import MESSAGE

REQUEST = requests.read(json.dumps(MESSAGE).encode())
TOO_LONG = "prompt is too long: this model's context is full"


@pytest.mark.parametrize(
    ("error", "status", "most", "expected"),
    [
        # An answer with an error in it keeps its status, and so stays an answer.
        (errors.Error(529, "overloaded_error", "busy"), 503, None, (529, "busy")),
        (errors.Error(529, "overloaded_error", "busy"), 200, None, (200, "busy")),
        (errors.Error(400, "invalid_request_error", TOO_LONG), 422, None, (400, TOO_LONG)),
        (
            errors.Error(400, "invalid_request_error", TOO_LONG),
            422,
            9,
            (400, "prompt is too long: 10 tokens > 9 maximum"),
        ),
    ],
)
def test_an_error_has_anthropics_form(
    error: errors.Error, status: int, most: int | None, expected: tuple[int, str]
) -> None:
    got, body = outcomes.client_error(error, status, b"theirs", REQUEST, lambda tokens: most)
    assert (got, error_body.read(body).message) == expected


def test_a_refused_key_is_told_by_the_status_alone() -> None:
    error = errors.Error(500, "api_error", "no", refuses_key=True)
    for status, expected in ((403, 401), (400, 401)):
        assert outcomes.client_error(error, status, b"theirs", REQUEST, lambda tokens: 1) == (
            expected,
            b"theirs",
        )


def test_nobody_asks_for_a_limit_without_need() -> None:
    def most(tokens: int) -> int:
        raise AssertionError

    error = errors.Error(429, "rate_limit_error", "slow down")
    assert outcomes.client_error(error, 429, b"", REQUEST, most)[0] == 429
