"""A session of the real Claude Code client in which everything happens that the sessions' pages show."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import simulator
from simulator import answers
from simulator import messages
from simulator import recorded
from tests.wire import proxies
from tests.wire import terminal

MODEL = "claude-opus-5-5"
CHECKER = "claude-haiku-5-5"

SHOP = '''"""A shop."""

PRICES = {"tea": 4.0, "coffee": 5.5, "cake": 6.25}


def total(items, discount=0.0):
    """What the items cost together, less a discount from 0 to 1."""
    return sum(PRICES[item] for item in items) * (1 - discount)
'''

ANSWER = """The shop keeps its prices in one table and adds them up:

- `total` takes the names of items and a **discount** from 0 to 1;
- an unknown item raises `KeyError`.

| item | price |
| --- | --- |
| tea | 4.00 |
| cake | 6.25 |

Shall I add a test?
"""

SUMMARY = "<summary>\nThe shop adds up prices, less a discount. A test was asked for.\n</summary>"


class PromptCache(Mapping[str, int]):
    """The usage that a provider with a prompt cache reports for each request. `sees` has to be asked
    first, in the same thread."""

    def __init__(self) -> None:
        self._here = threading.local()
        self._stored: set[bytes] = set()

    def sees(self, request: recorded.Recorded) -> bool:
        body = request.json
        parts = [*(body.get("tools") or []), *_blocks(body.get("system"))]
        for message in body.get("messages") or []:
            parts += _blocks(message["content"])
        digest, read, size = hashlib.sha256(str(body.get("model")).encode()), 0, 0
        prefixes = []
        for part in parts:
            plain = {name: value for name, value in part.items() if name != "cache_control"}
            encoded = json.dumps(plain, sort_keys=True).encode()
            if b"x-anthropic-billing-header" in encoded:
                continue
            digest.update(encoded)
            size += len(encoded)
            prefixes.append((digest.digest(), messages.estimate(size)))
            if prefixes[-1][0] in self._stored:
                read = prefixes[-1][1]
        whole = messages.estimate(size)
        self._stored |= {prefix for prefix, _ in prefixes}
        self._here.usage = {
            "input_tokens": 3,
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": whole - read,
        }
        return True

    def __getitem__(self, name: str) -> int:
        number: int = self._here.usage[name]
        return number

    def __iter__(self) -> Iterator[str]:
        return iter(self._here.usage)

    def __len__(self) -> int:
        return len(self._here.usage)


def _blocks(content: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content or []


def agent(name: str, agent_type: str, command: str) -> str:
    given = {"description": name, "prompt": f"run: {command}", "subagent_type": agent_type}
    return f"call: Agent {json.dumps(given)}"


def profile(sim: simulator.Simulator) -> dict[str, Any]:
    return proxies.profile(
        sim.url, pool={"tokens": proxies.POOL[0]}, fallbacks={"claude-opus-*": ["glm"]}
    )


def play(
    sim: simulator.Simulator,
    url: str,
    home: Path,
    turns: Callable[[], list[dict[str, Any]]],
) -> None:
    """`turns` returns the session's so far. Two tools, two agents at once, a failover, a check, a compaction."""
    cache = PromptCache()
    outages: list[bool] = []

    def fails(request: recorded.Recorded) -> bool:
        is_main = "10 percent" in last(request) and bool(request.json.get("tools"))
        return is_main and bool(outages and outages.pop())

    def last(request: recorded.Recorded) -> str:
        return str((request.json.get("messages") or [""])[-1])

    sim.when(cache.sees, answers.Answer(usage=cache))
    sim.when(
        lambda r: "explain" in last(r) and cache.sees(r) and bool(r.json.get("tools")),
        answers.Answer(
            content=(answers.Thinking("They want it explained."), answers.Text(ANSWER)), usage=cache
        ),
    )
    sim.when(
        lambda r: "create a detailed summary" in last(r) and cache.sees(r),
        answers.Answer(content=(answers.Text(SUMMARY),), usage=cache),
    )
    report = answers.ToolUse("SubagentHandback", {"message": "It is as it should be."})
    sim.when(
        lambda r: "handback-send-enforce" in last(r) and cache.sees(r),
        answers.Answer(content=(report,), usage=cache),
    )
    sim.when(lambda r: bool(r.model == CHECKER), answers.text("<block>no"))
    sim.when(fails, answers.failure(529))
    environ = {"ANTHROPIC_BASE_URL": url, "CLAUDE_CODE_OAUTH_TOKEN": proxies.POOL[1]}

    def main_turns() -> list[dict[str, Any]]:
        return [turn for turn in turns() if turn["kind"] == "main"]

    with terminal.Terminal(home, environ, "--model", MODEL) as claude:
        (home / "work" / "shop.py").write_text(SHOP)
        (home / "work" / "CLAUDE.md").write_text(
            "Prices are in euros. Write tests with pytest.\n" * 12
        )
        claude.say("read: shop.py")
        proxies.wait_until(lambda: len(main_turns()) >= 2)
        claude.say("explain what the shop does")
        proxies.wait_until(lambda: len(main_turns()) >= 3)
        both = ", ".join(
            (
                agent("find the tests", "Explore", "echo no tests yet"),
                agent("check the prices", "general-purpose", "echo prices are fine"),
            )
        )
        claude.say(f"both: {both}")
        proxies.wait_until(lambda: sum(t["kind"] == "subagent" for t in turns()) >= 4)
        proxies.wait_until(lambda: main_turns()[-1]["stop"] == "end_turn")
        outages.append(True)
        claude.say("run: echo the discount is 10 percent")
        proxies.wait_until(lambda: any(turn["failed"] for turn in turns()))
        proxies.wait_until(
            lambda: main_turns()[-1]["stop"] == "end_turn" and main_turns()[-1]["results"]
        )
        claude.wait("❯")
        claude.say("/compact")
        proxies.wait_until(lambda: any(t["kind"] == "compaction" for t in turns()))
        claude.wait("Compacted")
        claude.say("write a test for the discount")
        proxies.wait_until(lambda: main_turns()[-1]["prompt"].startswith("write a test"))
