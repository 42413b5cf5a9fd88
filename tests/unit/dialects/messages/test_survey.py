from __future__ import annotations

import dataclasses
import json
import random
from typing import Any

import pytest

from claude_route import targets
from claude_route.dialects.messages import requests
from claude_route.dialects.messages import scrub
from claude_route.dialects.messages import survey
from claude_route.dialects.messages import thinking_request
from tests.unit import examples

TEXT = {"type": "text", "text": "Hello"}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "ls"}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "file"}
PICTURE = {"type": "image", "source": {"type": "base64", "data": "AAAA"}}
ANTHROPICS = "A" * 88
THOUGHT = {"type": "thinking", "thinking": "Hm", "signature": ANTHROPICS}
SEALED = {"type": "redacted_thinking", "data": ANTHROPICS}
SCOPED = {"cache_control": {"type": "ephemeral", "scope": "global"}}
CACHED = {"cache_control": {"type": "ephemeral"}}


def read(*turns: dict[str, Any], **fields: Any) -> requests.Request:
    return requests.read(json.dumps({"model": "m", **fields, "messages": turns}).encode())


def user(*blocks: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"role": "user", "content": blocks, **fields}


def assistant(*blocks: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": blocks, **fields}


def of(*turns: dict[str, Any]) -> survey.Survey:
    seen = read(*turns).survey
    assert seen is not None
    return seen


def target(name: str, policy: Any = "own", model: str = "m") -> targets.Target:
    found = examples.target(name).provider
    policies = dataclasses.replace(found.thinking, requests=policy)
    return targets.Target(dataclasses.replace(found, thinking=policies), model)


@pytest.mark.parametrize(
    "turns",
    [
        [],
        [{"role": "user", "content": "Hello"}],
        [user(TEXT, PICTURE), assistant(TEXT, CALL), user(RESULT)],
        [user({**RESULT, "content": [TEXT, PICTURE]})],
        [user({**RESULT, "content": None}), user({"type": "tool_result"})],
        [user({**TEXT, **CACHED}), assistant({**CALL, **CACHED}, {**TEXT, "cache_control": None})],
    ],
)
def test_plain_for_everyone(turns: list[dict[str, Any]]) -> None:
    seen = of(*turns)
    assert not seen.is_for_anthropic
    assert seen.fits(target("anthropic"))
    assert seen.fits(target("zai"))


@pytest.mark.parametrize(
    "turn",
    [
        {"role": "system", "content": "Be brief."},
        {"role": "system", "content": [TEXT, {"type": "tool_addition", "tool": {"name": "Bash"}}]},
        user({**TEXT, **SCOPED}),
        user(TEXT, output_config={"effort": "low"}),
        user(TEXT, clear_at=None),
    ],
)
def test_plain_for_anthropic(turn: dict[str, Any]) -> None:
    seen = of(user(TEXT), turn)
    assert seen.is_for_anthropic
    assert seen.fits(target("anthropic"))
    assert not seen.fits(target("zai"))


@pytest.mark.parametrize(
    "turn",
    [
        {"role": "tool", "content": "Hello"},
        {"role": "user", "content": ""},
        {"role": "user", "content": " \n"},
        {"role": "user"},
        user(),
        user({"type": "text", "text": ""}),
        user({"type": "text", "text": "\t"}),
        user({"type": "text", "text": "a", "citations": []}),
        user(CALL),
        user(THOUGHT),
        assistant(RESULT),
        assistant(PICTURE),
        assistant({"type": "tool_addition"}),
        assistant({"type": "server_tool_use", "id": "srvtoolu_1"}),
        assistant({"type": "compaction", "content": "a"}),
        user({"type": "search_result"}),
        user({**RESULT, "content": [{**TEXT, **SCOPED}]}),
        user({**RESULT, "content": [{"type": "text", "text": " "}]}),
        user({**RESULT, "content": [{"type": "tool_reference", "tool_name": "Bash"}]}),
        user({**RESULT, "content": {"type": "error"}}),
        user({"type": "text", "text": None}),
        assistant({"type": "thinking", "signature": 1}),
        assistant({"text": "Hello", "type": 1}),
    ],
)
def test_not_plain(turn: dict[str, Any]) -> None:
    assert read(user(TEXT), turn).survey is None


@pytest.mark.parametrize(
    "block",
    [
        '{"type":"text","text":"a","type":"thinking"}',
        '{"type":"thinking","text":"a","type":"text"}',
        '{"text":"a","type":"text","\\u0074ype":"redacted_thinking"}',
    ],
)
def test_a_block_of_two_types_is_not_plain(block: str) -> None:
    body = f'{{"model":"m","messages":[{{"role":"assistant","content":[{block}]}}]}}'
    assert requests.read(body.encode()).survey is None


def test_text_that_has_to_be_mended_is_not_plain() -> None:
    assert (
        requests.read(b'{"model":"m","messages":[{"role":"user","content":"\\ud83d"}]}').survey
        is None
    )


@pytest.mark.parametrize(
    ("ids", "is_fit"),
    [
        (["toolu_1", "toolu_x-Y_2"], True),
        (["toolu_1", "toolu_1"], False),
        (["toolu_"], False),
        (["toolu_1\n"], False),
        (["functions.Bash:0"], False),
        (["call_1"], False),
    ],
)
def test_only_anthropics_ids_are_for_anthropic(ids: list[str], is_fit: bool) -> None:
    seen = of(assistant(*({**CALL, "id": id} for id in ids)))
    assert seen.calls == ids
    assert seen.fits(target("anthropic")) == is_fit
    assert seen.fits(target("zai"))


@pytest.mark.parametrize("policy", ["own", "all", "none"])
@pytest.mark.parametrize("name", ["anthropic", "zai"])
@pytest.mark.parametrize(
    "block",
    [
        THOUGHT,
        SEALED,
        {**THOUGHT, "signature": "other"},
        {**THOUGHT, "signature": "route:zai:x"},
        {**THOUGHT, "signature": "route:kimi:x"},
        {**THOUGHT, "signature": f"route:anthropic:{ANTHROPICS}"},
        {**SEALED, "data": "route:zai:x"},
        {"type": "thinking"},
    ],
)
def test_thinking(block: dict[str, Any], name: str, policy: Any) -> None:
    request = read(user(TEXT), assistant(block, TEXT))
    asked = target(name, policy)
    assert request.survey
    changes = thinking_request.keep(request.messages, asked.provider) != request.messages
    assert request.survey.fits(asked) == (not changes)


TARGETS = (
    target("anthropic"),
    target("zai"),
    target("zai", model="deepseek-v4"),
    target("zai", model="anthropic/claude-opus-5-5"),
    target("zai", "none"),
)


def test_what_fits_needs_no_change() -> None:
    choose = random.Random(9).choice
    ids = ["toolu_1", "toolu_2", "toolu_3", "call_4", "functions.Bash:0", "route_YTpi"]
    odd = [{**TEXT, **SCOPED}, {"type": "server_tool_use"}, {**TEXT, "text": " "}]
    fit = 0
    for _ in range(1000):
        blocks = {
            "user": [TEXT, PICTURE, {**RESULT, "tool_use_id": choose(ids)}, {**TEXT, **CACHED}],
            "assistant": [TEXT, {**CALL, "id": choose(ids)}, THOUGHT, {**SEALED, "data": "x"}],
        }
        role = choose(["user", "assistant"])
        parts = [choose(blocks[role]) for _ in range(3)] + [choose(odd)] * choose([0, 0, 1])
        turns = [user(TEXT), {"role": choose([role] * 9 + ["system"]), "content": parts}]
        fields = choose([{}, {"thinking": {"type": "enabled", "budget_tokens": 1024}}])
        request = read(*turns, **fields)
        closer = dataclasses.replace(request, survey=None)
        for asked in TARGETS:
            fit += request.survey is not None and request.survey.fits(asked)
            assert scrub.request(request, asked) == scrub.request(closer, asked)
    assert fit > 500
