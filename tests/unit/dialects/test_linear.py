"""Work grows as the conversation or the answer does, and no faster."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest

from claude_route.dialects import registry
from claude_route.dialects.chat import calls
from claude_route.dialects.chat import completions
from claude_route.dialects.chat import reasoning
from claude_route.dialects.messages import inputs
from claude_route.dialects.messages import requests
from claude_route.dialects.messages import schemas
from tests.unit import examples


def steps(work: Callable[[], object]) -> int:
    """The lines of Python that some work executes, which don't depend on the machine."""
    count = 0

    def line(frame: types.FrameType, event: str, value: Any) -> Any:
        nonlocal count
        count += 1
        return line

    before = sys.gettrace()
    sys.settrace(line)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def conversation(called: list[str], answered: list[str], **more: Any) -> requests.Request:
    uses = [{"type": "tool_use", "id": id, "name": "t", "input": {}} for id in called]
    results = [{"type": "tool_result", "tool_use_id": id, "content": "a"} for id in answered]
    messages = [{"role": "assistant", "content": uses}, {"role": "user", "content": results}]
    return requests.read(json.dumps({"model": "m", "messages": messages, **more}).encode())


def ids(count: int) -> list[str]:
    return [f"toolu_{n:x}" for n in range(count)]


TARGETS = {
    "anthropic": examples.target("anthropic"),
    "zai": examples.target("zai"),
    "openai": examples.target("other", api="openai"),
}

REQUESTS: dict[str, Callable[[int], requests.Request]] = {
    "calls": lambda n: conversation(ids(n), ids(n)),
    "calls, answered backwards": lambda n: conversation(ids(n), ids(n)[::-1]),
    "calls with one id": lambda n: conversation(["!"] * n, ["!"] * n),
    "calls with odd ids": lambda n: conversation([f"!{k}" for k in range(n)], []),
    "results of no call": lambda n: conversation([], ids(n)),
}


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("shape", REQUESTS)
def test_requests(shape: str, name: str) -> None:
    target = TARGETS[name]
    dialect = registry.of(target.provider)

    def translate(count: int) -> int:
        request = REQUESTS[shape](count)
        return steps(lambda: dialect.request(request, target))

    small, large = translate(100), translate(800)
    assert large < 12 * small + 2000


def many_calls(count: int) -> None:
    """Without an index, so that the id alone tells them apart."""
    assembled = calls.Calls()
    for n in range(count):
        function = completions.Function("t", "{}")
        assembled.add(completions.ToolCall(id=f"c{n}", function=function))
    assert len(assembled.all) == count


def one_long_call(count: int) -> None:
    """Each piece ends as an object does, but within a string."""
    call = calls.Call()
    call.name = "t"
    call.add('{"a":"')
    for _ in range(count):
        call.add("x}")
        assert not call.is_complete()


def white_space(count: int) -> None:
    call = calls.Call()
    call.open()
    for _ in range(count):
        assert not call.grown(call.add(" "))


def an_input(count: int) -> None:
    given = inputs.Input({})
    for text in ("{", *[" "] * count, '"a":1}'):
        given.add(json.dumps({"delta": {"partial_json": text}}).encode())
    assert json.loads(given.text()) == {"a": 1}


def details(count: int) -> None:
    merged = reasoning.Details()
    for n in range(count):
        merged.merge([{"type": "reasoning.text", "index": n, "text": "a"}])
        assert not merged.is_sealed
    assert len(merged.whole()) == count


def variants(count: int) -> None:
    properties = ({"properties": {"a": {"const": n}}} for n in range(count))
    flat = schemas.flatten({"anyOf": list(properties)})
    assert flat["type"] == "object"


@pytest.mark.parametrize(
    "work", [many_calls, one_long_call, white_space, an_input, details, variants]
)
def test_answers_and_schemas(work: Callable[[int], None]) -> None:
    small, large = steps(lambda: work(200)), steps(lambda: work(1600))
    assert large < 12 * small
