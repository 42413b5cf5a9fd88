from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from claude_route.dialects.messages import requests
from claude_route.dialects.messages import thinking_request
from tests.unit import examples

OWN = base64.b64encode(bytes(range(96))).decode()

ANTHROPICS = {"type": "thinking", "thinking": "", "signature": OWN}
REDACTED = {"type": "redacted_thinking", "data": "EnYx"}
ZAIS = {"type": "thinking", "thinking": "hm", "signature": "route:zai:abc", "x": 1.0}
ZAIS_BARE = {"type": "thinking", "thinking": "hm", "signature": "abc", "x": 1.0}
ZAIS_UNSIGNED = {"type": "thinking", "thinking": "hm", "signature": "route:zai:"}
UNSIGNED = {"type": "thinking", "thinking": "hm", "signature": ""}
ORS_REDACTED = {"type": "redacted_thinking", "data": "route:openrouter:EnYx"}
NOBODYS = {"type": "thinking", "thinking": "hm", "signature": "glm-sig-8c1f"}
MISSING = {"type": "thinking", "thinking": "hm"}
ODD = {"type": "thinking", "thinking": "hm", "signature": [7]}
ALL = [ANTHROPICS, REDACTED, ZAIS, ZAIS_UNSIGNED, ORS_REDACTED, NOBODYS, MISSING, ODD]

TEXT = {"type": "text", "text": "route:zai: thinking"}
CALL = {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"type": "thinking"}}
EMPTY = {"type": "text", "text": "[No message content]"}


def request(*history: tuple[str, Any], **fields: Any) -> requests.Request:
    listed = [{"role": role, "content": content, "x": 1} for role, content in history]
    return requests.read(json.dumps({"model": "m", "messages": listed, **fields}).encode())


def contents(history: list[requests.Message]) -> list[Any]:
    return [json.loads(bytes(message.content)) for message in history]


@pytest.mark.parametrize(
    "provider, policy, kept",
    [
        ("anthropic", "own", [ANTHROPICS, REDACTED]),
        ("anthropic", "all", []),
        ("anthropic", "none", ALL),
        ("zai", "own", [ZAIS_BARE, UNSIGNED]),
        ("zai", "all", []),
        ("zai", "none", ALL),
        ("openrouter", "own", [REDACTED]),
        ("kimi", "own", []),
        ("za", "own", []),
    ],
)
def test_keep(provider: str, policy: str, kept: list[dict[str, Any]]) -> None:
    history = request(
        ("user", "thinking"),
        ("assistant", [*ALL, TEXT, CALL]),
        ("user", [{"type": "tool_result", "tool_use_id": "t1", "content": [TEXT]}]),
        ("assistant", "thinking"),
        ("assistant", [*ALL]),
        ("assistant", []),
        ("system", [TEXT]),
    ).messages
    after = thinking_request.keep(
        history, examples.target(provider, thinking={"requests": policy}).provider
    )
    assert contents(after) == [
        *contents(history[:1]),
        [*kept, TEXT, CALL],
        *contents(history[2:4]),
        kept or [EMPTY],
        *contents(history[5:]),
    ]
    unchanged = [n for n, (old, new) in enumerate(zip(history, after, strict=True)) if old is new]
    assert unchanged == ([*range(7)] if policy == "none" else [0, 2, 3, 5, 6])


@pytest.mark.parametrize("provider, blocks", [("anthropic", [ANTHROPICS, REDACTED]), ("zai", [])])
def test_the_providers_own_blocks_keep_their_identity(
    provider: str, blocks: list[dict[str, Any]]
) -> None:
    history = request(("user", "hi"), ("assistant", [*blocks, TEXT, CALL])).messages
    after = thinking_request.keep(history, examples.target(provider).provider)
    assert all(old is new for old, new in zip(history, after, strict=True))


def test_invalid_blocks() -> None:
    history = request(("user", [3]), ("assistant", [TEXT, 3])).messages
    with pytest.raises(ValueError) as e:
        thinking_request.keep(history, examples.target("zai").provider)
    assert str(e.value) == "messages[1].content[1]: expected an object, got an integer"


def test_merge_leaves_all_else_verbatim() -> None:
    body = (
        b'{"model":"m","messages":[ {"role":"user","x":1.0,"content":"\xc3\xa9 \\u00e9 \\/"},'
        b'{"x":1.0, "content":[{"type":"thinking","thinking":"","signature":"s"},'
        b'{"type":"text","text":"\\u00e9\\/" , "n":1e2}],"role":"assistant"}]}'
    )
    before = requests.read(body)
    after = thinking_request.keep(before.messages, examples.target("anthropic").provider)
    merged = thinking_request.merge(before, after)["messages"]
    assert merged is not None
    assert bytes(merged) == (
        b'[{"role":"user","x":1.0,"content":"\xc3\xa9 \\u00e9 \\/"},'
        b'{"x":1.0,"content":[{"type":"text","text":"\\u00e9\\/" , "n":1e2}],"role":"assistant"}]'
    )
    assert thinking_request.merge(before, before.messages) == {}


FILLED = {"type": "thinking", "thinking": "", "signature": ""}


@pytest.mark.parametrize(
    "content, filled",
    [
        ([TEXT, CALL], [FILLED, TEXT, CALL]),
        ([CALL, CALL], [FILLED, CALL, CALL]),
        ([ZAIS_BARE, CALL], [ZAIS_BARE, CALL]),
        ([REDACTED, CALL], [REDACTED, CALL]),
        ([TEXT], [TEXT]),
        ("text", "text"),
        ([], []),
    ],
)
def test_fill(content: Any, filled: Any) -> None:
    history = request(("user", [CALL]), ("assistant", content), ("user", "hi")).messages
    after = thinking_request.fill(history)
    assert contents(after) == [[CALL], filled, "hi"]
    assert [old is new for old, new in zip(history, after, strict=True)] == [
        True,
        content == filled,
        True,
    ]
