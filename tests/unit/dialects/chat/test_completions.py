from __future__ import annotations

from typing import Any

import msgspec
import pytest

from claude_route.dialects.chat import completions


def completion(**fields: Any) -> completions.Completion:
    return completions.read(msgspec.json.encode(fields))


@pytest.mark.parametrize(
    "data", [b"", b"[1]", b"<html>", b'{"choices":3}', b"[" * 100_000, b'"\xff"', b"\xff"]
)
def test_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"[Ee]xpected "):
        completions.read(data)


@pytest.mark.parametrize(
    "body, failed",
    [
        ({"choices": [{"delta": {"content": "a"}, "finish_reason": "stop"}], "error": None}, False),
        ({}, False),
        ({"error": {"message": "a"}}, True),
        ({"object": "error", "message": "a"}, True),
        ({"code": 1, "message": "a"}, True),
        ({"detail": [{"msg": "a"}]}, True),
        ({"type": "ping"}, False),
        ({"choices": [], "message": "a"}, False),
        ({"choices": [{"finish_reason": "error"}]}, True),
        ({"choices": [{"error": {"code": 502}}]}, True),
    ],
)
def test_failed(body: dict[str, Any], failed: bool) -> None:
    assert completion(**body).failed() is failed


@pytest.mark.parametrize(
    "delta, pieces",
    [
        ({"content": "a"}, [("text", "a")]),
        ({"content": ""}, []),
        ({"content": None, "reasoning": None}, []),
        ({"content": ["a", {"type": "text", "text": "b"}, 3, {"type": "image_url"}]}, [("text", "ab")]),
        ({"content": [{"type": "refusal", "refusal": "no"}]}, [("text", "no")]),
        ({"content": [{"type": "thinking", "thinking": "h"}]}, [("thinking", "h")]),
        ({"content": {"text": "?"}, "reasoning": {"text": "?"}}, []),
        ({"content": "a", "refusal": "b", "reasoning": "h"}, [("thinking", "h"), ("text", "ab")]),
        ({"reasoning_details": "?"}, []),
        ({"reasoning_details": [{"summary": "h"}, {"text": "m"}, {"text": 3}, None]}, [("thinking", "hm")]),
    ],
)  # fmt: skip
def test_pieces(delta: dict[str, Any], pieces: list[Any]) -> None:
    choices = completion(choices=[{"delta": delta}]).choices
    assert choices
    assert choices[0].delta
    assert list(completions.pieces(choices[0].delta)) == pieces


@pytest.mark.parametrize(
    "usage, counts",
    [
        ({"prompt_tokens": 9, "completion_tokens": 2}, (9, 0, 0, 2)),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 4}}, (5, 0, 4, 0)),
        ({"prompt_tokens": 9, "prompt_tokens_details": None}, (9, 0, 0, 0)),
        ({"prompt_tokens": 9, "prompt_cache_hit_tokens": 4}, (5, 0, 4, 0)),
        ({"prompt_tokens": 9, "cached_tokens": 4}, (5, 0, 4, 0)),
        (
            {
                "prompt_tokens": 9,
                "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3},
            },
            (2, 3, 4, 0),
        ),
        ({"prompt_tokens": 3, "cached_tokens": 4}, (0, 0, 4, 0)),
        ({"prompt_tokens": None, "completion_tokens": "2"}, (0, 0, 0, 0)),
        ({"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}, (9, 0, 0, 2)),
        # xAI and Gemini: thinking is only in the total
        ({"prompt_tokens": 32, "completion_tokens": 1, "total_tokens": 143}, (32, 0, 0, 111)),
        ({"total_tokens": 7}, (0, 0, 0, 0)),
        # no numbers of tokens
        ({"prompt_tokens": -9, "completion_tokens": 1e30}, (0, 0, 0, 0)),
        ({"prompt_tokens": True, "completion_tokens": 10**30}, (0, 0, 0, 0)),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": -4}}, (9, 0, 0, 0)),
        ({"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 1e30}, (9, 0, 0, 2)),
    ],
)
def test_usage(usage: dict[str, Any], counts: tuple[int, ...]) -> None:
    found = completions.usage(completion(usage=usage))
    assert found is not None
    assert tuple(found.values()) == counts
    assert found.keys() == completions.NO_USAGE.keys()


@pytest.mark.parametrize("usage", [None, {}, 0, []])
def test_no_usage(usage: Any) -> None:
    assert completions.usage(completion(usage=usage)) is None


def test_the_reasoning_of_copilot() -> None:
    delta = completions.Delta(reasoning_text="A plan")
    assert list(completions.pieces(delta)) == [completions.Piece("thinking", "A plan")]
    assert completions.form(delta) == "reasoning_text"
