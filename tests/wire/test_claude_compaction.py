"""What `/sessions` says where the real Claude Code client compacts a conversation by itself: before its window is full, and
once a provider says that the prompt is too long."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

import simulator
from simulator import answers
from tests.wire import claude_code
from tests.wire import proxies
from tests.wire import stories
from tests.wire.test_claude import Start
from tests.wire.test_sessions import is_summary
from tests.wire.test_sessions import session

pytestmark = [pytest.mark.client, claude_code.needs_claude]

LONG = "fill the window " * 5000
"""Of some 20,000 tokens: with the 16,000 of the tools and the system prompt it is too much for SMALL, which they alone are
not."""

SMALL = {"CLAUDE_CODE_AUTO_COMPACT_WINDOW": "100000", "CLAUDE_AUTOCOMPACT_PCT_OVERRIDE": "30"}
"""Has the client compact beyond 24,000 tokens, which are 30 % of that window less 20,000 for the answer."""

Ask = Callable[[str], str]


def asks(proxy: proxies.Proxy, folder: Path, **environ: str) -> Ask:
    """Asks in one conversation."""
    through = claude_code.through_the_reverse_listener(proxy)
    client = claude_code.Claude(folder / "home", {**through, **environ})

    def ask(prompt: str) -> str:
        return client.ask(prompt, "--continue", "--model", stories.MODEL)

    return ask


def caches(sim: simulator.Simulator) -> None:
    """Have it count tokens as a provider with a prompt cache does."""
    cache = stories.PromptCache()
    sim.when(cache.sees, answers.Answer(usage=cache))
    summary = answers.Answer(content=(answers.Text(stories.SUMMARY),), usage=cache)
    sim.when(lambda r: is_summary(r) and cache.sees(r), summary)


def shown(proxy: proxies.Proxy, id: str) -> str:
    """The words of a session's page."""
    page = httpx.get(
        f"{proxy.url}/sessions/{id}", headers={"accept": "text/html"}, trust_env=False
    ).text
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def conversation(whole: dict[str, Any]) -> list[dict[str, Any]]:
    """The turns of the main agent, without titles and the like."""
    return [turn for turn in whole["turns"] if turn["kind"] in ("main", "compaction")]


def is_told(proxy: proxies.Proxy, whole: dict[str, Any], before: int) -> None:
    """What is told of a compaction after so many turns, and of the turn after it."""
    turns = conversation(whole)
    compaction, after = turns[before], turns[before + 1]
    assert [turn["kind"] for turn in turns].count("compaction") == 1
    assert (compaction["kind"], after["kind"]) == ("compaction", "main")
    assert compaction["text"].startswith("<summary>")
    # What was said before is in it, and came from the cache. Most is gone after it, but for the tools and the system
    # prompt, which are still cached.
    assert compaction["unchanged_blocks"] > after["unchanged_blocks"]
    assert after["removed_blocks"] > 0
    assert 0 < after["tokens"]["cache_read"] < compaction["tokens"]["cache_read"]
    assert after["window"]["summary"] > 0
    tokens = sum(after["tokens"][name] for name in ("input", "cache_read", "cache_write"))
    assert sum(after["window"].values()) == tokens
    assert [turn["cache_miss"] for turn in turns] == [None] * len(turns)
    assert whole["lost"] == 0
    assert whole["cost"] == pytest.approx(sum(turn["cost"] or 0 for turn in whole["turns"]))
    words = shown(proxy, whole["id"])
    assert words.count("the conversation, summed up:") == 1
    kept = f"{after['removed_blocks']} blocks gone, {after['unchanged_blocks']} kept"
    assert words.count("compacted: ") == words.count(kept) == 1


def test_before_the_window_is_full(start: Start, sim: simulator.Simulator, tmp_path: Path) -> None:
    caches(sim)
    proxy = start(proxies.profile(sim.url))
    ask = asks(proxy, tmp_path, **SMALL)
    for prompt in ("first", LONG, "third", "fourth"):
        assert ask(prompt).startswith(f"You said: {prompt[:16]}")
    whole = session(proxy)
    turns = conversation(whole)
    assert [turn["kind"] for turn in turns] == ["main", "main", "compaction", "main", "main"]
    is_told(proxy, whole, before=2)
    long, compaction, third, fourth = turns[1:]
    assert compaction["unchanged_blocks"] == long["new_blocks"] + long["unchanged_blocks"]
    assert compaction["tokens"]["cache_read"] == sum(
        long["tokens"][name] for name in ("cache_read", "cache_write")
    )
    assert long["window"]["prompts"] > 10_000 > third["window"]["prompts"]
    assert (third["prompt"], fourth["prompt"]) == ("third", "fourth")
    assert fourth["removed_blocks"] == 0
    assert (whole["title"], whole["failed_attempts"]) == ("first", 0)


def test_once_a_provider_says_that_the_prompt_is_too_long(
    start: Start, sim: simulator.Simulator, tmp_path: Path
) -> None:
    caches(sim)

    def is_too_long(request: simulator.Recorded) -> bool:
        messages = str(request.json["messages"])
        is_turn = bool(request.json.get("tools")) and not is_summary(request)
        return is_turn and "third" in messages and "You said: first" in messages

    too_long = "prompt is too long: 210000 tokens > 200000 maximum"
    sim.when(is_too_long, answers.failure(400, too_long))
    proxy = start(proxies.profile(sim.url))
    ask = asks(proxy, tmp_path)
    for prompt in ("first", "second", "third", "fourth"):
        assert ask(prompt) == f"You said: {prompt}"
    whole = session(proxy)
    turns = conversation(whole)
    kinds = ["main", "main", "main", "compaction", "main", "main"]
    assert [turn["kind"] for turn in turns] == kinds
    is_told(proxy, whole, before=3)
    refused, again = turns[2], turns[4]
    assert (refused["prompt"], refused["tokens"]["input"]) == ("third", 0)
    assert "prompt is too long" in refused["error"]
    assert whole["failed_attempts"] == 1
    assert (again["prompt"], again["error"]) == ("third", "")
