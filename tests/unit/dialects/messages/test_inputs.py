from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from claude_route.dialects.messages import answers
from claude_route.dialects.messages import inputs
from claude_route.dialects.messages import repairs
from claude_route.wire import sse
from tests import strict_client

LS = {"command": "ls"}

INPUTS = [
    ('{"command": "ls"}', LS),
    ('{"command": "ls"', LS),
    ('{"command": "ls', LS),
    ('"command": "ls"}', LS),
    ('{{"command": "ls"}}', LS),
    ('{ "command": "ls"}}', LS),
    ('{"command": "ls"}\n</tool_call> and more', LS),
    ('{"command": "}"}} {', {"command": "}"}),
    ('```json\n{"command": "ls"}\n```', LS),
    ("{'command': 'ls'}", LS),
    ("{}", {}),
    ("{", {}),
    ("", {}),
    ("no object", {}),
]


def event(name: str, **fields: Any) -> sse.Event:
    data = json.dumps({"type": name} | fields).encode()
    return sse.Event(name, data, sse.encode(name, data))


def message(*parts: str, stop: str | None = "tool_use", after: bool = True) -> dict[str, Any]:
    """What a client makes of a call whose input comes in these parts, and of a call after it."""
    ids = map(str, itertools.count())
    stream = repairs.Stream(answers.Context("m", b"{}", ids.__next__))
    start = {"id": "x", "role": "assistant", "content": [], "model": "m", "usage": {}}
    events = [event("message_start", message=start)]
    calls = [parts, ('{"n": ', "1}")] if after else [parts]
    for index, pieces in enumerate(calls):
        block = {"type": "tool_use", "id": f"t{index}", "name": "Bash", "input": {}}
        events.append(event("content_block_start", index=index, content_block=block))
        for piece in pieces:
            delta = {"type": "input_json_delta", "partial_json": piece}
            events.append(event("content_block_delta", index=index, delta=delta))
        events.append(event("content_block_stop", index=index))
    events.append(event("message_delta", delta={"stop_reason": stop}, usage={"output_tokens": 1}))
    events.append(event("message_stop"))
    return strict_client.fold([stream.feed(each) for each in events] + [stream.end()])


@pytest.mark.parametrize(("text", "value"), INPUTS)
def test_a_broken_input_is_repaired(text: str, value: object) -> None:
    """At every cut, and with another call after it."""
    for cut in range(len(text) + 1):
        for parts in ((text[:cut], text[cut:]), (text[:cut], "", *text[cut:])):
            content = message(*parts)["content"]
            assert [block["input"] for block in content] == [value, {"n": 1}], parts


@pytest.mark.parametrize(("text", "value"), INPUTS)
def test_in_a_whole_answer_too(text: str, value: object) -> None:
    block = {"type": "tool_use", "id": "t", "name": "Bash", "input": text}
    body = {"content": [block], "stop_reason": "tool_use", "usage": {}}
    made = answers.repaired(json.dumps(body).encode(), answers.Context("m", b"{}", lambda: "1"))
    assert json.loads(made)["content"][0]["input"] == value


def test_what_is_cut_off_stays_so() -> None:
    with pytest.raises(json.JSONDecodeError):
        message('{"command": "rm -rf /tmp', stop="max_tokens", after=False)
    assert message('"command": "rm', stop="max_tokens", after=False)["content"][0]["input"] == {}


def test_good_deltas_pass_unchanged() -> None:
    call = inputs.Input({})
    for piece in ("", ' {"a": ', '"}', '"}'):
        data = event(
            "content_block_delta", delta={"type": "input_json_delta", "partial_json": piece}
        ).data
        assert call.add(data) is None
    assert call.is_complete
    assert not call.is_broken
    assert call.rest(is_whole=True) == ""
