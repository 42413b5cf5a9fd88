from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from claude_route.dialects import fold
from claude_route.sessions import blocks
from claude_route.sessions import prefixes
from claude_route.sessions import search
from tests import growth
from tests.unit.sessions import examples
from tests.unit.sessions.examples import CACHE
from tests.unit.sessions.examples import assistant
from tests.unit.sessions.examples import body
from tests.unit.sessions.examples import call
from tests.unit.sessions.examples import read
from tests.unit.sessions.examples import result
from tests.unit.sessions.examples import text
from tests.unit.sessions.examples import user

REMINDER = "<system-reminder>Use tabs.</system-reminder>"


def test_the_order_is_the_caches() -> None:
    tool = {"name": "Read", "description": "Reads a file.", "input_schema": {}}
    reading = read("hi", system="Be brief.", tools=[tool])
    assert [(b.role, b.kind, b.name, b.label) for b in reading.blocks] == [
        ("tools", "tool", "Read", "Reads a file."),
        ("system", "text", "", "Be brief."),
        ("user", "text", "", "hi"),
    ]
    assert all(b.tokens > 0 for b in reading.blocks)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (user(text("hi", cache_control=CACHE)), user(text("hi"))),
        (
            user({"cache_control": {"type": "ephemeral", "ttl": "1h"}, **text("hi")}),
            user(text("hi")),
        ),
        (user(text("hi", cache_control=None)), user(text("hi"))),
        ({"role": "user", "content": "hi"}, user(text("hi"))),
        ({"role": "user", "content": "hi"}, user(text("hi", cache_control=CACHE))),
    ],
)
def test_a_cache_point_makes_no_difference(one: Any, other: Any) -> None:
    assert [b.digest for b in read(one).blocks] == [b.digest for b in read(other).blocks]


def test_words_about_cache_points_are_content() -> None:
    quoted = 'say {"cache_control":{"type":"ephemeral"}}, please'
    assert read(quoted).blocks[0].label == quoted
    assert read(quoted).blocks[0].digest != read("say {}, please").blocks[0].digest
    assert read(quoted).ttl == 0


def test_the_role_is_part_of_a_block() -> None:
    digests = {
        read({"role": r, "content": "hi"}).blocks[0].digest for r in ("user", "system", "assistant")
    }
    assert len(digests) == 3


def test_the_billing_line_is_no_block() -> None:
    line = text("x-anthropic-billing-header: cc_version=1; cch=12345;")
    assert [b.label for b in read("hi", system=[line, text("Be brief.")]).blocks] == [
        "Be brief.",
        "hi",
    ]


@pytest.mark.parametrize(
    ("messages", "prompt"),
    [
        (["hi"], "hi"),
        ([user(text(REMINDER), text("fix it"))], "fix it"),
        ([user(text("fix it"), text(REMINDER))], "fix it"),
        ([user(text(f"{REMINDER}\nfix it"))], "fix it"),
        ([user(text("fix it")), {"role": "system", "content": "# Environment"}], "fix it"),
        (["first", assistant(text("done")), "second"], "second"),
        (["first", assistant(call()), user(result("toolu_1", "ok"))], ""),
        (
            ["first", assistant(call()), user(result("toolu_1", "ok"), text("and then?"))],
            "and then?",
        ),
        (["first", assistant(text("done"))], ""),
        ([user(text(REMINDER))], ""),
    ],
)
def test_the_prompt_is_the_users_last_words(messages: list[Any], prompt: str) -> None:
    assert read(*messages).prompt == prompt


def test_results_have_their_tools_names() -> None:
    called = assistant(
        call("toolu_1", "Read", file_path="a.py"), call("toolu_2", "Bash", command="ls")
    )
    answered = user(result("toolu_1", "1\tx"), result("toolu_2", [text("a"), text("b")]))
    reading = read("go", called, answered)
    assert reading.results == ["Read", "Bash"]
    assert [(b.kind, b.name, b.label) for b in reading.blocks[1:]] == [
        ("tool_use", "Read", "a.py"),
        ("tool_use", "Bash", "ls"),
        ("tool_result", "Read", "1 x"),
        ("tool_result", "Bash", "a b"),
    ]


def test_a_thread_has_the_names_of_earlier_calls() -> None:
    thread = {"type": "continue", "previous_message_id": "msg_1"}
    wire = body(user(result("toolu_1", "ok")), thread=thread)
    reading = blocks.read(wire, {}, {"toolu_1": "Bash"})
    assert (reading.results, reading.thread, reading.continues) == (["Bash"], "continue", "msg_1")


@pytest.mark.parametrize(
    ("points", "ttl"),
    [
        ([], 0),
        ([CACHE], 300),
        ([{**CACHE, "ttl": "1h"}], 3600),
        ([{**CACHE, "ttl": "1h"}, CACHE], 300),
    ],
)
def test_the_last_cache_point_says_how_long(points: list[Any], ttl: int) -> None:
    assert read(user(*(text(str(p), cache_control=p) for p in points), text("x"))).ttl == ttl


def test_blocks_of_the_session_are_the_same_objects() -> None:
    first = read("one", system="Be brief.")
    known = {b.digest: b for b in first.blocks}
    second = blocks.read(body("one", assistant(text("1")), "two", system="Be brief."), known)
    assert [b is k for b, k in zip(second.blocks, first.blocks, strict=False)] == [True, True]
    assert second.words == ["two"]


def test_a_repeated_message_names_the_calls_in_it() -> None:
    asked: list[Any] = ["go", assistant(call("toolu_1", "Read")), user(result("toolu_1", "a"))]
    known = {b.digest: b for b in read(*asked).blocks}
    past = prefixes.Prefixes()
    for number in range(2):
        wire = body(*asked, user(result("toolu_1", "new")))
        assert bool(past.find(wire)) == bool(number)
        reading = blocks.read(wire, known, past=past)
        assert reading.results == ["Read", "Read"]
        assert reading.blocks[-1].name == "Read"


def test_of_a_long_answer_the_beginning_is_searched_for_secrets() -> None:
    seen: list[int] = []

    def hide(content: bytes) -> bytes:
        seen.append(len(content))
        return content.replace(b"sk-secret", b"[hidden]")

    long = "sk-secret " + "word " * 20_000
    (block,), _, (words,) = blocks.of_answer(fold.Answer(blocks=[text(long)]), hide)
    assert seen[0] < 10_000
    assert block.label.startswith("[hidden] word")
    assert block.tokens == blocks.of_answer(fold.Answer(blocks=[text(long)]))[0][0].tokens > 20_000
    assert "sk-secret" not in words
    assert len(words) > search.MAX_PART


def test_an_agent_is_known_by_its_prompt_and_by_its_result() -> None:
    started = fold.Answer(
        blocks=[
            call("toolu_1", "Agent", description="look", prompt="find it", subagent_type="Explore")
        ]
    )
    _, (made,), _ = blocks.of_answer(started)
    assert (made.agent, made.agent_type, made.starts_agent) == ("look", "Explore", True)
    assert read(user(text(REMINDER), text("find it"))).begins == made.prompt
    launch = "Launched.\nagentId: a1b2c3 (internal)"
    reading = read(
        "go", assistant(call("toolu_1", "Agent")), user(result("toolu_1", [text(launch)]))
    )
    assert reading.launched == [("toolu_1", "a1b2c3")]


@pytest.mark.parametrize(
    "wire",
    [
        b"{}",
        b'{"messages": 1, "tools": "x", "system": {}, "thread": [], "max_tokens": "1"}',
        b'{"messages": [{"role": 7, "content": [1, null, "x", {}, {"type": []}, {"text": 4}]}]}',
        b'{"messages": [{"content": [{"type": "tool_result", "content": [1, {"text": {}}]}]}]}',
        b'{"messages": [{"role": "assistant", "content": [{"type": "tool_use", "input": [[[1]]]}]}]}',
        b'{"tools": [1, {"name": {}}], "messages": []}',
        b'{"messages": [{"role": "user", "content": "\\ud800"}]}',
    ],
)
def test_whatever_it_is_it_is_read(wire: bytes) -> None:
    blocks.read(wire)


@pytest.mark.parametrize("wire", [b"", b"[]", b"nothing", b'{"messages":'])
def test_what_is_no_object_is_refused(wire: bytes) -> None:
    with pytest.raises(ValueError, match="expected"):
        blocks.read(wire)


def test_a_request_has_so_many_blocks_and_no_more() -> None:
    many = user(*[text("x")] * (blocks.MAX_BLOCKS + 5))
    assert len(read(many).blocks) == blocks.MAX_BLOCKS


@pytest.mark.parametrize(
    "content",
    [
        lambda size: examples.text('"cache_control":{' * (size // 16)),
        lambda size: examples.text("x", cache_control={"a": "x" * size}),
        lambda size: examples.call(command="x" * size),
        lambda size: examples.result("toolu_1", "x" * size),
    ],
)
def test_hostile_bodies_take_linear_time(content: Callable[[int], Any]) -> None:
    wires = {size: body(user(content(size))) for size in (500_000, 2_000_000)}
    assert growth.of(lambda size: blocks.read(wires[size]), 500_000) < growth.LINEAR


@pytest.mark.parametrize(
    ("content", "without"),
    [
        (b'{"a":1,"cache_control":null}', b'{"a":1}'),
        (b'{"a":1 , \n "cache_control" : {"type":"x"} }', b'{"a":1  }'),
        (b'{"cache_control":{"ttl":"1h"},"a":1}', b'{"a":1}'),
        (b'{"cache_control":null}', b"{}"),
        (
            b'{"a":[{"b":1,"cache_control":null},{"cache_control":null,"b":2}]}',
            b'{"a":[{"b":1},{"b":2}]}',
        ),
        (b'{"cache_control":1,"cache_control":null}', b'{"cache_control":1}'),
        (b'{"cache_control"', b'{"cache_control"'),
    ],
)
def test_without_cache_points(content: bytes, without: bytes) -> None:
    assert blocks.without_cache_points(content)[0] == without
