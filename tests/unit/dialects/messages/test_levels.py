from __future__ import annotations

import json
from typing import Any

import pytest

from claude_route import targets
from claude_route.dialects import registry
from claude_route.dialects.messages import contents
from claude_route.dialects.messages import levels
from claude_route.dialects.messages import requests
from tests.unit import examples

SCOPED = {"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "scope": "x"}}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "x"}}


def result(inner: Any) -> Any:
    return {"type": "tool_result", "tool_use_id": "t", "content": [inner]}


def found(inner: Any) -> Any:
    return {"type": "search_result", "title": "t", "source": "s", "content": [inner]}


def document(inner: Any) -> Any:
    return {"type": "document", "source": {"type": "content", "content": [inner]}}


def request(wrap: Any, times: int, inner: Any = SCOPED) -> requests.Request:
    for _ in range(times):
        inner = wrap(inner)
    body = {"model": "m", "messages": [{"role": "user", "content": [inner]}]}
    return requests.read(json.dumps(body).encode())


MESSAGES = examples.target("zai", "glm")
UNMARKED = examples.target("zai", "glm", drop=["cache_control"])
CHAT = examples.target("openrouter", "x", api="openai", base_url="https://openrouter.ai/api/v1")

WAYS = [
    pytest.param(result, MESSAGES, id="results"),
    pytest.param(result, UNMARKED, id="results, without cache points"),
    pytest.param(found, CHAT, id="search results"),
    pytest.param(document, CHAT, id="documents"),
]


@pytest.mark.parametrize(("wrap", "target"), WAYS)
def test_blocks_within_blocks(wrap: Any, target: targets.Target) -> None:
    write = registry.of(target.provider).request
    assert b'"scope"' not in write(request(wrap, levels.MOST - 1), target).body
    with pytest.raises(ValueError, match="expected at most 4 levels of blocks, got more"):
        write(request(wrap, levels.MOST), target)


def test_what_is_deeper_is_not_looked_for() -> None:
    assert contents.has(request(result, levels.MOST - 1, IMAGE), "images")
    assert not contents.has(request(result, levels.MOST, IMAGE), "images")


@pytest.mark.parametrize(("level", "is_refused"), [(1, False), (4, False), (5, True)])
def test_check(level: int, is_refused: bool) -> None:
    if not is_refused:
        levels.check(level)
        return
    with pytest.raises(ValueError, match="levels"):
        levels.check(level)
