from __future__ import annotations

import pytest

from claude_route.dialects import usage
from claude_route.sessions import turns
from tests.unit.sessions import examples
from tests.unit.sessions.examples import turn


def test_a_compaction_continues_its_conversation() -> None:
    assert turn(kind="compaction").chain == turn(kind="main").chain
    assert turn(kind="compaction", agent="a").chain == turn(kind="subagent", agent="a").chain
    assert turn(kind="title").chain != turn(kind="main").chain
    assert turn(kind="subagent", agent="a").chain != turn(kind="subagent", agent="b").chain


def test_the_cache_share() -> None:
    assert turn(used=usage.Usage(input=25, cache_read=75)).cache_share == pytest.approx(0.75)
    assert turn(used=None).cache_share == 0


def test_a_call_that_starts_an_agent_has_its_prompt() -> None:
    assert not turns.Call("toolu_1", "Bash").starts_agent
    assert turns.Call("toolu_1", "Agent", prompt=b"12345678").starts_agent


def test_a_blocks_tokens_are_those_of_its_sources() -> None:
    assert examples.block("x", sources=(("prompts", 3), ("reminders", 4))).tokens == 7
