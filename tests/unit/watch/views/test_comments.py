from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_route.access import live_secrets
from claude_route.dialects import usage
from claude_route.watch.views import comments
from tests.unit import flows

USED = usage.Usage(input=300, output=156, cache_read=21_000)
OPUS = "claude-opus-5-5"


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("claude-opus-5-5", "opus-5-5"),
        ("claude-opus-4-5-20251101", "opus-4-5"),
        ("anthropic/claude-opus-5-5", "opus-5-5"),
        ("claude-opus-5-5[1m]", "opus-5-5[1m]"),
        ("claude-sonnet-4-5-20250929[1m]", "sonnet-4-5[1m]"),
        ("claude-3-5-haiku-latest", "3-5-haiku"),
        ("glm", "glm"),
        ("qwen/qwen3.6-plus:free", "qwen/qwen3.6-plus:free"),
        ("", "?"),
    ],
)
def test_model(name: str, short: str) -> None:
    assert comments.model(name) == short


@pytest.mark.parametrize(
    ("given", "comment"),
    [
        ((OPUS, "zai/glm-5", 2, USED, 4.1), "opus-5-5 → zai/glm-5 · try 2 · 21.3k in / 156 out · 4.1 s"),
        ((OPUS, "anthropic/claude-opus-5-5", 1, USED, 64.2), "opus-5-5 → anthropic · 21.3k in / 156 out · 64 s"),
        (("anthropic/" + OPUS, f"anthropic/{OPUS}", 1, None, 0.5), "opus-5-5 → anthropic · 500 ms"),
        ((OPUS, "anthropic/claude-opus-5", 1, None, 1), "opus-5-5 → anthropic/opus-5 · 1.0 s"),
        (
            (OPUS, "openrouter/qwen/qwen3.6-plus:free", 2, USED, 4.1),
            "opus-5-5 → openrouter/qwen3.6-pl… · try 2 · 21.3k in / 156 out · 4.1 s",
        ),
        ((OPUS, "openrouter/qwen/qwen3.6", 1, None, 1), "opus-5-5 → openrouter/qwen3.6 · 1.0 s"),
        ((OPUS, "", 1, None, 1), "opus-5-5 · 1.0 s"),
    ],
)  # fmt: skip
def test_answered(given: tuple[Any, ...], comment: str) -> None:
    assert comments.answered(*given) == comment


def test_what_it_cost() -> None:
    comment = comments.answered(OPUS, f"anthropic/{OPUS}", 1, USED, 1.2, cost=0.0214)
    assert comment == "opus-5-5 → anthropic · 21.3k in / 156 out · 1.2 s · $0.0214"


def test_in_the_log_no_name_is_shortened() -> None:
    target = "openrouter/qwen/qwen3.6-plus:free"
    line = comments.answered(OPUS, target, 2, USED, 4.1, width=comments.WHOLE)
    assert line == "opus-5-5 → openrouter/qwen3.6-plus:free · try 2 · 21.3k in / 156 out · 4.1 s"
    why = "404 model: 'nope' is not in this proxy's profile, which has: glm, kimi, claude-*"
    assert comments.failed("nope", "", 1, why, width=comments.WHOLE) == f"✗ nope · {why}"
    path = "/v1/" + "a" * 100
    assert comments.passed("GET", path, width=comments.WHOLE) == f"GET {path}"


def test_why_others_were_passed_over() -> None:
    comment = comments.with_reason("opus-5-5 → zai/glm-5 · 1.2 s", "token 1 rests 29 s")
    assert comment == "opus-5-5 → zai/glm-5 · 1.2 s · passed over: token 1 rests 29 s"
    assert comments.with_reason("opus-5-5 → zai", "") == "opus-5-5 → zai"


def test_what_it_asks() -> None:
    comment = "opus-5-5 → zai"
    assert comments.asked("Fix it", comment, is_agent=False) == "Fix it · opus-5-5 → zai"
    assert comments.asked("Fix it", comment, is_agent=True) == "↳ Fix it · opus-5-5 → zai"
    assert comments.asked("", comment, is_agent=True) == "↳ opus-5-5 → zai"
    assert comments.asked("", comment, is_agent=False) == comment
    assert comments.asked("Fix it", "✗ opus · 404", is_agent=True) == "✗ ↳ Fix it · opus · 404"
    assert comments.asked("Fix it", "✗ · gone", is_agent=False) == "✗ Fix it · gone"
    assert comments.compared("Fix it · glm → zai") == "compare · Fix it · glm → zai"
    assert comments.compared("✗ Fix it · glm") == "✗ compare · Fix it · glm"
    assert comments.about("✗ opus-5-5 · zai 429", "Fix it") == "✗ opus-5-5 · zai 429 · Fix it"
    assert comments.about("✗ opus-5-5 · zai 429", "") == "✗ opus-5-5 · zai 429"


def test_while_it_runs() -> None:
    running = comments.answered(OPUS, "zai/glm-5", 1, USED, 4.1, output=1200)
    assert running == "opus-5-5 → zai/glm-5 · 21.3k in / ~1.2k out · 4.1 s…"


@pytest.mark.parametrize(
    ("given", "comment"),
    [
        ((OPUS, "zai/glm-5", 3, "529 overloaded_error"), "✗ opus-5-5 → zai/glm-5 · try 3 · 529 overloaded_error"),
        (("nope", "", 1, "404 model: 'nope'"), "✗ nope · 404 model: 'nope'"),
        (("", "", 1, "gone"), "✗ · gone"),
        ((OPUS, "", 1, "a\nb " * 30), f"✗ opus-5-5 · {'a b ' * 14}…"),
    ],
)  # fmt: skip
def test_failed(given: tuple[Any, ...], comment: str) -> None:
    assert comments.failed(*given) == comment


def test_no_comment_orders_a_terminal_about() -> None:
    """A model's name comes from anyone, and a flow from a file has any labels."""
    odd = "m\n12:00 forged\x1b[2J"
    lines = [
        comments.waiting(odd),
        comments.answered(odd, f"zai/{odd}", 1, None, 1),
        comments.failed(odd, odd, 2, odd),
        comments.passed("GET", f"/{odd}", odd),
        comments.with_reason("ok", odd),
        comments.asked(odd, "ok", is_agent=True),
        comments.about("ok", odd),
    ]
    assert [line for line in lines if not line.isprintable()] == []


def test_others() -> None:
    assert comments.waiting("") == "…"
    assert comments.waiting(OPUS) == "opus-5-5 → …"
    assert comments.passed("GET", "/v1/models?limit=1000") == "GET /v1/models"
    assert comments.passed("GET", "/v1/models", "gone") == "✗ GET /v1/models · gone"
    counted = comments.counted(OPUS, "zai/glm-5", 21_300, 0.2)
    assert counted == "opus-5-5 → zai/glm-5 · counted 21.3k · 200 ms"


names = st.text(max_size=90)
counts = st.integers(0, 10**8)


@given(names, names, st.integers(1, 9), counts, st.floats(0, 1e5), names)
def test_comments_are_never_too_long(
    client_model: str, upstream: str, attempts: int, tokens: int, seconds: float, why: str
) -> None:
    used = usage.Usage(input=tokens, output=tokens)
    for comment in (
        comments.answered(client_model, upstream, attempts, used, seconds),
        comments.answered(client_model, upstream, attempts, used, seconds, output=tokens),
        comments.counted(client_model, upstream, tokens, seconds),
        comments.failed(client_model, upstream, attempts, why),
        comments.waiting(client_model),
        comments.passed(client_model, upstream),
        comments.passed("GET", upstream, why),
    ):
        assert len(comment) <= comments.LIMIT


@pytest.mark.parametrize(
    ("parts", "comment"),
    [
        (
            (OPUS, "token 2 …wxyz", "429, rests 3600 s", "zai/glm-5"),
            "✗ opus-5-5 · token 2 …wxyz 429, rests 3600 s → zai/glm-5",
        ),
        ((OPUS, "zai/glm-5", "silent for 120 s", ""), "✗ opus-5-5 · zai/glm-5 silent for 120 s"),
    ],
)
def test_attempt_failed(parts: tuple[str, str, str, str], comment: str) -> None:
    assert comments.attempt_failed(*parts) == comment


def test_attempt_failed_says_who_is_next_whatever_came_before() -> None:
    comment = comments.attempt_failed(
        OPUS, "openrouter/" + "a" * 40, "529", "anthropic (token 3 …wxyz)"
    )
    assert len(comment) == comments.LIMIT
    assert comment.endswith("… → anthropic (token 3 …wxyz)")


@pytest.mark.parametrize("before", [0, comments.LONGEST - 20], ids=["whole", "cut"])
def test_a_secret_in_a_providers_words(before: int) -> None:
    secret = "zai/MARKED+0123456789=comments"
    live_secrets.keep([secret])
    escaped = secret.replace("/", "\\/")
    for echo in (secret, escaped):
        failed = flows.failed_attempt(status=500)
        text = f"{'a' * before} your key is {echo}"
        body = json.dumps({"type": "error", "error": {"type": "api_error", "message": text}})
        outcome = replace(failed.outcome, body=body.encode())
        shown = comments.words(replace(failed, outcome=outcome))
        assert "MARKED" not in shown
        assert shown.startswith("a" * before + " your" if before else "your key is")
