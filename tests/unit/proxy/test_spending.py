from __future__ import annotations

import json
from typing import Any

import pytest

from claude_route import targets
from claude_route.dialects import usage
from claude_route.dialects.messages import requests
from claude_route.pricing import price
from claude_route.pricing import prices
from claude_route.profile import patterns
from claude_route.profile import profiles
from claude_route.proxy import spending
from tests.unit import flows

PROFILE = """
providers:
  zai: {base_url: "http://127.0.0.1:1", set: {max_tokens: 32000}}
  chat: {base_url: "http://127.0.0.1:2", api: openai, set: {max_completion_tokens: 500}}
  plain: {base_url: "http://127.0.0.1:3"}
models: {glm: zai/glm-5, chat: chat/gpt, plain: plain/x}
"""
MILLION = 1_000_000
LISTED = prices.Prices(
    patterns.Table({"zai/glm-5": price.Price(1, 10, 0.1, 2, 4)}),
    price.Price(100, 100, 100, 100, 100),
)


def target(model: str) -> targets.Target:
    found = profiles.parse(PROFILE, {}, "p.yaml").target(model)
    assert found
    return found


def request(**fields: Any) -> requests.Request:
    body = {"model": "glm", "messages": [{"role": "user", "content": "x" * 3500}], **fields}
    return requests.read(json.dumps(body).encode())


@pytest.mark.parametrize(
    ("model", "fields", "expected"),
    [
        ("plain", {"max_tokens": 100}, 100),
        ("plain", {"max_tokens": 10**9}, spending.MOST_OUTPUT),
        ("plain", {}, spending.USUAL_OUTPUT),
        ("plain", {"max_tokens": None}, spending.USUAL_OUTPUT),
        ("plain", {"max_tokens": "many"}, spending.USUAL_OUTPUT),
        ("plain", {"max_tokens": -5}, 0),
        ("glm", {"max_tokens": 64_000}, 32_000),
        ("glm", {"max_tokens": 64}, 64),
        ("chat", {"max_tokens": 64_000}, 500),
    ],
)
def test_the_longest_answer(model: str, fields: dict[str, Any], expected: int) -> None:
    assert spending.most_output(request(**fields), target(model)) == expected


def test_the_most_that_a_request_may_use() -> None:
    made = request(max_tokens=1000)
    prompt = spending.prompt_tokens(made)
    most = spending.most(made, prompt, [target("glm")], LISTED)
    assert most.tokens == prompt + 1000
    assert most.dollars == pytest.approx((2 * prompt + 10 * 1000) / MILLION)
    # Nobody knows the price.
    assert spending.most(
        made, prompt, [target("glm"), target("plain")], LISTED
    ).dollars == pytest.approx(100 * (prompt + 1000) / MILLION)


DATA = {"type": "base64", "media_type": "image/png", "data": "A" * 40_000}
IMAGE = {"type": "image", "source": DATA}
TEXT = {"type": "text", "text": "data:image/png;base64," + "A" * 40_000}


@pytest.mark.parametrize(
    ("block", "is_picture"),
    [
        (IMAGE, True),
        ({"type": "document", "source": DATA}, True),
        ({"type": "tool_result", "tool_use_id": "toolu_1", "content": [IMAGE]}, True),
        ({"type": "unheard_of", "source": DATA}, True),
        ({"type": "tool_result", "tool_use_id": "toolu_1", "content": [TEXT]}, False),
        (TEXT, False),
    ],
)
@pytest.mark.parametrize("role", ["user", "system"])
def test_a_picture_has_fewer_tokens_than_its_bytes(
    role: str, block: dict[str, Any], is_picture: bool
) -> None:
    made = request(messages=[{"role": role, "content": [block]}])
    assert (spending.prompt_tokens(made) < 5000) is (
        is_picture or (role, block["type"]) == ("system", "tool_result")
    )


def test_amount() -> None:
    used = usage.Usage(10, 20, 30, 40, 5)
    amount = spending.amount(used, "glm", target("glm"), LISTED)
    assert amount.dollars == pytest.approx((10 + 200 + 3 + 70 + 20) / MILLION)
    assert amount.tokens == 100


@pytest.mark.parametrize(
    ("reported", "written", "expected"),
    [
        (usage.Usage(5, 7, 3), 7, usage.Usage(5, 7, 3)),
        (usage.Usage(5, 1), 40, usage.Usage(5, 40)),
        (usage.Usage(0, 1, 9), 40, usage.Usage(0, 40, 9)),
        (usage.Usage(0, 3), 3, usage.Usage(1000, 3)),
        (None, 40, usage.Usage(1000, 40)),
    ],
)
def test_what_is_not_reported_is_estimated(
    reported: usage.Usage | None, written: int, expected: usage.Usage
) -> None:
    progress = flows.Progress(reported, written)
    used = spending.used(lambda: 1000, reported, progress)
    assert used._replace(input=round(used.input, -2) if used.input > 10 else used.input) == expected


def test_no_answer_yet() -> None:
    used = spending.used(lambda: 1000, None, None)
    assert (round(used.input, -2), used.output) == (1000, 0)
