from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from claude_route import targets
from claude_route.dialects.messages import requests
from claude_route.routing import fitness
from tests.unit import chat_streams


def target(context: int | None = None, *lacks: targets.Capability) -> targets.Target:
    provider = chat_streams.target().provider
    own = targets.Abilities(context, lacks)
    return targets.Target(dataclasses.replace(provider, abilities=own), "m")


def request(content: Any, **fields: Any) -> requests.Request:
    body = {"model": "m", "messages": [{"role": "user", "content": content}]} | fields
    return requests.read(json.dumps(body, ensure_ascii=False).encode())


IMAGE = {"type": "image", "source": {"type": "base64", "data": "A" * 1_000_000}}


@pytest.mark.parametrize(
    ("asked", "to", "refusal"),
    [
        (request("Hi"), target(), ""),
        (request("Hi"), target(1000, "images", "documents", "effort"), ""),
        (request([IMAGE]), target(None, "documents"), ""),
        (
            request([IMAGE]),
            target(None, "images"),
            "capability_rejected: image_block (p/m has no images, says the proxy's profile)",
        ),
        (
            request("Hi", output_config={"format": {}}),
            target(None, "structured_outputs"),
            "capability_rejected: structured_outputs_unsupported "
            "(p/m has no structured outputs, says the proxy's profile)",
        ),
        (request("word " * 20_000), target(10_000), "prompt is too long: 28581 tokens > 10000 maximum"),
        # What may fit is sent: only the provider knows.
        (request("word " * 19_000), target(20_000), ""),
        (request("слово " * 10_000), target(15_000), ""),
        (request([IMAGE]), target(1000), ""),
        # A request for a long answer isn't a long request.
        (request("Hi", max_tokens=128_000), target(100_000), ""),
    ],
)  # fmt: skip
def test_refusal(asked: requests.Request, to: targets.Target, refusal: str) -> None:
    assert fitness.refusal(asked, to).replace(str(to), "p/m") == refusal
    assert fitness.has_limits(to) or not refusal


def test_a_target_without_limits() -> None:
    assert not fitness.has_limits(target())
    assert fitness.has_limits(target(1000))
    assert fitness.has_limits(target(None, "images"))


@pytest.mark.parametrize(
    ("context", "than", "size", "takes"),
    [
        (20_000, 10_000, 12_000, True),
        (20_000, None, 12_000, True),
        (20_000, 10_000, 0, True),
        (20_000, 10_000, 20_000, False),
        (20_000, 20_000, 0, False),
        (3, None, 0, False),  # fewer than the estimate
        (None, 10_000, 12_000, False),
    ],
)
def test_takes_more(context: int | None, than: int | None, size: int, takes: bool) -> None:
    asked = request("word " * 2000)
    assert fitness.takes_more(target(context), asked, target(than), size) is takes
