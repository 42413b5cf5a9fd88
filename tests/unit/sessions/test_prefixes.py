from __future__ import annotations

import json
from typing import Any

import pytest

from claude_route.sessions import blocks
from claude_route.sessions import prefixes
from claude_route.sessions import turns
from tests.unit.sessions import examples
from tests.unit.sessions.examples import CACHE
from tests.unit.sessions.examples import assistant
from tests.unit.sessions.examples import body
from tests.unit.sessions.examples import call
from tests.unit.sessions.examples import result
from tests.unit.sessions.examples import text
from tests.unit.sessions.examples import user


def history(steps: int) -> list[Any]:
    messages: list[Any] = [{"role": "user", "content": "go"}]
    for n in range(steps):
        called = assistant(text(f"step {n}"), call(f"toolu_{n}", "Read", file_path=f"{n}.py"))
        answered = user(result(f"toolu_{n}", f"content {n}"), text("on", cache_control=CACHE))
        messages += [called, answered, assistant(*[text(f"many {n}")] * 9), user(text("same"))]
    return messages


def moved(messages: list[Any]) -> list[Any]:
    """With a cache point in the last message only, as clients write it."""
    plain = json.dumps(messages).replace(', "cache_control": {"type": "ephemeral"}', "")
    *before, last = json.loads(plain)
    content = last["content"]
    content = [text(content)] if isinstance(content, str) else content
    return [*before, {**last, "content": [*content[:-1], {**content[-1], "cache_control": CACHE}]}]


TOOL = {"name": "Read", "description": "Reads a file.", "input_schema": {"messages": []}}
SYSTEM = [text("Be brief."), text("And kind.", cache_control={**CACHE, "ttl": "1h"})]


@pytest.mark.parametrize(
    "order", [("messages", "tools", "system"), ("tools", "messages", "system")]
)
@pytest.mark.parametrize("spaces", [True, False])
def test_a_beginning_that_is_found_makes_no_difference(
    order: tuple[str, ...], spaces: bool
) -> None:
    messages = history(6)
    known: dict[bytes, turns.Block] = {}
    past, resumed = prefixes.Prefixes(), 0
    for size in [*range(1, len(messages) + 1), len(messages), 3, len(messages)]:
        fields = {
            "messages": moved(messages[:size]),
            "tools": [TOOL],
            "system": [text(f"x-anthropic-billing-header: cch={size}"), *SYSTEM],
        }
        separators = (" , ", " : ") if spaces else (",", ":")
        made = {"model": "m", **{name: fields[name] for name in order}, "max_tokens": size}
        wire = json.dumps(made, separators=separators).encode()
        resumed += past.find(wire) is not None
        alone, found = blocks.read(wire, known), blocks.read(wire, known, past=past)
        assert alone == found
        known |= {b.digest: b for b in found.blocks if b.digest not in known}
    assert resumed == len(messages) - 1


def test_only_what_follows_the_beginning_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    past, messages = prefixes.Prefixes(), history(50)
    known: dict[bytes, turns.Block] = {}
    read_blocks = []
    for size in (199, 201):
        seen: list[int] = []
        wire = body(*moved(messages[:size]))
        reading = blocks.read(wire, known, past=past, between=seen.append)
        known = {b.digest: b for b in reading.blocks}
        read_blocks.append(len(seen) - 1)
    assert read_blocks == [691, 12]


def test_another_field_with_the_same_messages_is_no_beginning() -> None:
    same = b'{"role":"user","content":"hi"},{"role":"assistant","content":"yes"}'
    past, known = prefixes.Prefixes(), dict[bytes, turns.Block]()
    for wire, prompt in (
        (b'{"messages":[%b,{"role":"user","content":"a"}]}' % same, "a"),
        (b'{"x":{"messages":[%b]},"messages":[{"role":"user","content":"b"}]}' % same, "b"),
        (b'{"messages":[%b],"messages":[{"role":"user","content":"c"}]}' % same, "c"),
        (b'{"messages":[%b,{"role":"user","content":"d"}]}' % same, "d"),
    ):
        assert past.find(wire) or prompt == "a"
        reading = blocks.read(wire, known, past=past)
        assert reading == blocks.read(wire, known)
        assert reading.prompt == prompt
        known |= {b.digest: b for b in reading.blocks}


SAME = [b'{"role":"user"}', b'{"role":"assistant"}']
START = b'{"messages":['


def kept(past: prefixes.Prefixes, *more: bytes) -> bytes:
    """Keep a beginning, and return the request that it is of."""
    wire = START + b",".join([*SAME, *more]) + b"]}"
    past.keep(wire, [*SAME, *more], (), b"", {})
    return wire


def test_nothing_is_found_where_one_byte_differs() -> None:
    past = prefixes.Prefixes()
    wire = kept(past, b'{"role":"assistant","content":"%b"}' % (b"x" * 200))
    assert past.find(wire)
    for place in range(len(START), len(wire) - 2):
        assert not past.find(wire[:place] + b"~" + wire[place + 1 :])
        assert not past.find(wire[:place])


def test_of_several_beginnings_the_longest_is_found() -> None:
    past = prefixes.Prefixes()
    long, short = kept(past, b"1", b"2"), kept(past)
    for wire, rest in ((short, b""), (long, b"")):
        found = past.find(wire)
        assert found
        assert found.rest == START + prefixes.MARK + rest + b"]}"


def test_a_beginning_grows_and_is_hashed_anew_now_and_then() -> None:
    past = prefixes.Prefixes()
    wire, messages = kept(past), list(SAME)
    for number in range(60):
        messages.append(b"%d" % number)
        wire = START + b",".join(messages) + b"]}"
        found = past.find(wire)
        assert found
        assert len(found.prefix.spans) <= prefixes._MOST_SPANS
        assert found.rest == START + prefixes.MARK + b",%d]}" % number
        past.keep(wire, messages[-1:], (), b"", {}, found)


def test_a_session_keeps_so_much_and_no_more() -> None:
    past = prefixes.Prefixes()
    block = examples.block("x")
    for number in range(100):
        kept(past, b"%d" % number)
        past.keep_section(b"%d" % number, prefixes.Section((block,), 0, ""))
    assert 0 < past.weight < 30_000
    assert past.section(b"99") is not None
    assert past.section(b"1") is None


def test_messages_that_are_not_there_are_not_kept() -> None:
    past = prefixes.Prefixes()
    for wire in (b"{}", START + b"]}", START + SAME[0] + b" " + SAME[1], START + SAME[0]):
        past.keep(wire, SAME, (), b"", {})
        assert past.find(START + b",".join(SAME) + b"]}") is None
