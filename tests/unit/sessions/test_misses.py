from __future__ import annotations

from typing import Any

import pytest

from claude_route.dialects import usage
from claude_route.sessions import misses
from tests.unit.sessions.examples import blocks_of
from tests.unit.sessions.examples import turn

BLOCKS = "t:Read t:mcp__jira__search s:prompt u:hello a:hi"
WROTE = usage.Usage(input=10, cache_write=20_000)
READ = usage.Usage(input=500, cache_read=20_000)
MISSED = usage.Usage(input=500, cache_write=20_000)


def dollars(target: str, model: str, used: usage.Usage) -> float:
    return (4 * used.input + 5 * used.cache_write + 0.2 * used.cache_read) / 1_000_000


def find(
    before: str = BLOCKS,
    after: str = f"{BLOCKS} u:more",
    used: usage.Usage = MISSED,
    at: float = 1010.0,
    first: Any = None,
    **changes: Any,
) -> misses.Miss | None:
    earlier = turn(**({"used": WROTE} | (first or {})))
    later = turn("f2", at, used=used, **changes)
    return misses.find(earlier, later, blocks_of(before), blocks_of(after), dollars)


def test_no_miss() -> None:
    assert find(used=READ) is None
    assert find(used=usage.Usage(input=1500, cache_read=19_000)) is None


def test_nothing_to_miss() -> None:
    assert find(first={"used": usage.Usage(input=20_000)}) is None
    assert find(first={"used": None}) is None
    assert find(kind="count") is None
    assert find(used=usage.Usage(input=900)) is None


@pytest.mark.parametrize(
    ("changes", "cause", "at"),
    [
        (
            {"target": "zai/glm-5"},
            "another provider: zai/glm-5 after anthropic/claude-opus-5-5",
            "",
        ),
        (
            {"target": "anthropic/claude-haiku-5-5"},
            "another model: anthropic/claude-haiku-5-5 after anthropic/claude-opus-5-5",
            "",
        ),
        ({"token": "token 2 …wxyz"}, "another token: token 2 …wxyz after none", ""),
        ({"at": 1500.0}, "idle for 8 min, and the cache lasts 5 min", ""),
        ({"ttl": 0}, "the request asks for no cache", ""),
        ({"cache_miss_reason": "unavailable"}, "unavailable", ""),
        ({}, "unknown: the prompt begins as before", ""),
        (
            {"after": "t:Read t:other s:prompt u:hello a:hi"},
            "a tool was added: other",
            "tool 2 (other)",
        ),
        (
            {"after": "t:Read s:prompt u:hello a:hi"},
            "a tool was removed: mcp__jira__search",
            "tool 2 (mcp__jira__search)",
        ),
        (
            {"after": "t:mcp__jira__search t:Read s:prompt u:hello a:hi"},
            "the tools are in another order",
            "tool 1 (mcp__jira__search)",
        ),
        (
            {"after": "t:Read t:mcp__jira__search s:new u:hello a:hi"},
            "the system prompt changed",
            "system block 1 (new)",
        ),
        (
            {"after": "t:Read t:mcp__jira__search s:prompt u:other a:hi"},
            "a message changed",
            "message block 1 (user text)",
        ),
        (
            {"after": "t:Read t:mcp__jira__search s:prompt u:hello"},
            "an answer was removed",
            "message block 2 (assistant text)",
        ),
        (
            {"after": "t:Read t:mcp__jira__search s:new u:hello a:hi", "at": 1500.0},
            "the system prompt changed; also idle for 8 min",
            "system block 1 (new)",
        ),
        (
            {
                "after": "t:Read t:mcp__jira__search s:prompt u:summary a:hi",
                "first": {"kind": "compaction"},
            },
            "the conversation was compacted",
            "",
        ),
        pytest.param(
            {"first": {"kind": "compaction"}, "at": 1500.0},
            "idle for 8 min, and the cache lasts 5 min",
            "",
            id="a summary that the client threw away",
        ),
    ],
)
def test_causes(changes: dict[str, Any], cause: str, at: str) -> None:
    miss = find(**changes)
    assert miss is not None
    assert (miss.cause, miss.at) == (cause, at)
    # One of five blocks is no longer there, where it doesn't only stand elsewhere.
    is_gone = "after" in changes and "order" not in cause
    assert miss.lost == (16_000 if is_gone else 20_000)


def test_what_is_no_longer_asked_is_not_lost() -> None:
    """After a compaction the cache has had the tools and the system prompt, but never the summary."""
    after = "t:Read t:mcp__jira__search s:prompt u:summary"

    def compacted(used: usage.Usage) -> misses.Miss | None:
        return find(after=after, used=used, first={"kind": "compaction"})

    assert compacted(usage.Usage(input=10, cache_read=11_500, cache_write=8_000)) is None
    miss = compacted(usage.Usage(input=10, cache_write=19_500))
    assert miss is not None
    assert (miss.cause, miss.lost) == ("the conversation was compacted", 12_000)


def test_what_it_cost() -> None:
    written = find()
    assert written is not None
    assert written.cost == pytest.approx(20_000 * (5 - 0.2) / 1_000_000)
    read = find(used=usage.Usage(input=20_500))
    assert read is not None
    assert read.cost == pytest.approx(20_000 * (4 - 0.2) / 1_000_000)


def test_the_servers_own_reason_is_kept() -> None:
    miss = find(after="t:Read s:prompt u:hello a:hi", cache_miss_reason="tools_changed")
    assert miss is not None
    assert miss.reason == "tools_changed"


@pytest.mark.parametrize(
    ("used", "saved"),
    [
        pytest.param(usage.Usage(0, 1_000_000, 1_000_000), 5 - 0.5, id="read"),
        pytest.param(usage.Usage(0, 0, 0, 1_000_000), 5 - 6.25, id="written"),
        pytest.param(usage.Usage(0, 0, 2_000_000, 1_000_000), 3 * 5 - 1 - 6.25, id="both"),
        pytest.param(usage.Usage(1_000_000, 10), None, id="no cache"),
        pytest.param(None, None, id="nothing known"),
    ],
)
def test_what_the_cache_saves(used: usage.Usage | None, saved: float | None) -> None:
    def dollars(target: str, model: str, used: usage.Usage) -> float:
        prices = (used.input * 5, used.cache_read * 0.5, used.cache_write * 6.25, used.output * 25)
        return sum(prices) / 1_000_000

    asked = turn(used=used)
    assert misses.saved(asked, dollars) == (saved if saved is None else pytest.approx(saved))
    assert misses.saved(asked, lambda *_: None) is None
    assert misses.saved(asked, None) is None
    assert misses.saved(turn(used=used, kind="count"), dollars) is None
