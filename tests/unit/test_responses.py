from __future__ import annotations

import json

import pytest

from claude_route import responses


def test_a_value() -> None:
    response = responses.json({"input_tokens": 3})
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert json.loads(response.content or b"") == {"input_tokens": 3}


def test_an_error() -> None:
    response = responses.error(404, "no such model")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/json"
    assert json.loads(response.content or b"") == {
        "type": "error",
        "error": {"type": "not_found_error", "message": "no such model"},
    }


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 500])
def test_nobody_waits_for_another_answer(status: int) -> None:
    assert responses.error(status, "no").headers["x-should-retry"] == "false"
    assert "x-should-retry" not in responses.error(status, "no", code="thread_not_found").headers


def test_an_error_with_its_code() -> None:
    error = json.loads(responses.error(404, "gone", code="thread_not_found").content or b"")[
        "error"
    ]
    assert error["details"] == {"error_code": "thread_not_found"}


def test_too_large() -> None:
    response = responses.too_large()
    assert response.status_code == 413
    assert b"32 MB" in (response.content or b"")
