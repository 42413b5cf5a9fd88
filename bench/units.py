"""What the proxy does with an event, a request of a megabyte and a whole answer, without any connections.

Run as follows: `uv run --dev python -m bench.units --against FOLDER`, where FOLDER is a worktree of another
commit. It measures both by turns, and prints the best times in microseconds of processor time, and their ratio.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from claude_route import targets
from claude_route.dialects import dialect as dialects
from claude_route.dialects import registry
from claude_route.dialects.messages import requests
from claude_route.wire import sse
from tests.unit import examples

ROOT = Path(__file__).parent.parent
ROUNDS = 7
REPEATS = 10
EVENTS = 2000

TARGETS = {
    "anthropic": examples.target("anthropic", "claude-x", auth="pool"),
    "messages": examples.target("zai", "glm"),
    "chat": examples.target("openrouter", "x", api="openai"),
}


def body(megabytes: float) -> bytes:
    """A conversation of calls, results and text."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Hello"}]
    line = "def function(argument): return argument + 1\n"
    for n in range(int(megabytes * 2**20) // 4300):
        call = {
            "type": "tool_use",
            "id": f"toolu_{n:08}",
            "name": "Read",
            "input": {"path": f"{n}.py"},
        }
        result = {"type": "tool_result", "tool_use_id": f"toolu_{n:08}", "content": line * 80}
        text = {"type": "text", "text": "I look at the next file."}
        messages += [
            {"role": "assistant", "content": [text, call]},
            {"role": "user", "content": [result]},
        ]
    return json.dumps(
        {"model": "m", "max_tokens": 9, "messages": messages, "stream": True}
    ).encode()


def events(dialect: str) -> list[bytes]:
    if dialect == "chat":
        delta = {"choices": [{"index": 0, "delta": {"content": " word"}}]}
        return [b"data: " + json.dumps(delta).encode() + b"\n\n"] * EVENTS
    usage = {"input_tokens": 1, "output_tokens": 1}
    message = {"id": "m", "type": "message", "role": "assistant", "content": [], "usage": usage}
    start: dict[str, Any] = {"type": "message_start", "message": message}
    block: dict[str, Any] = {
        "type": "content_block_start",
        "index": 0,
        "content_block": {"type": "text", "text": ""},
    }
    piece: dict[str, Any] = {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": " word"},
    }
    wire = [
        sse.encode(str(event["type"]), json.dumps(event, separators=(",", ":")).encode())
        for event in (start, block, piece)
    ]
    return [*wire[:2], *wire[2:] * EVENTS]


def answer(dialect: str) -> bytes:
    text = "word " * 2000
    if dialect == "chat":
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": text},
            "finish_reason": "stop",
        }
        return json.dumps({"id": "c", "choices": [choice]}).encode()
    usage = {"input_tokens": 1, "output_tokens": 1}
    content = [{"type": "text", "text": text}]
    fields = {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": content}
    return json.dumps(
        fields | {"stop_reason": "end_turn", "stop_sequence": None, "usage": usage}
    ).encode()


def best(work: Callable[[], object]) -> float:
    """Microseconds."""
    times = []
    for _ in range(REPEATS):
        began = time.thread_time()
        work()
        times.append(time.thread_time() - began)
    return min(times) * 1e6


def measure() -> dict[str, float]:
    times = {}
    asked = requests.read(body(0.001))
    large = body(1)
    times["1 MB request, read"] = best(lambda: requests.read(large))
    for dialect, target in TARGETS.items():
        write = registry.of(target.provider).request

        def written(target: targets.Target = target) -> object:
            return registry.of(target.provider).request(requests.read(large), target)

        times[f"1 MB request, {dialect}"] = best(written)
        pieces, call = events(dialect), write(asked, target)

        def streamed(pieces: list[bytes] = pieces, call: dialects.Call = call) -> None:
            decoder, rewriter = sse.Decoder(), call.stream()
            for piece in pieces:
                for event in decoder.feed(piece):
                    rewriter.feed(event)

        times[f"an event, {dialect}"] = best(streamed) / len(pieces)
        whole = answer(dialect)
        times[f"a whole answer, {dialect}"] = best(functools.partial(call.answer, whole))
    return times


def of(folder: Path) -> dict[str, float]:
    """The times of a worktree, in a process of its own."""
    environ = os.environ | {"PYTHONPATH": f"{folder / 'addons'}:{folder}:{ROOT}"}
    command = [sys.executable, str(Path(__file__)), "--here"]
    out = subprocess.run(
        command, env=environ, cwd=folder, capture_output=True, check=True, text=True
    )
    times: dict[str, float] = json.loads(out.stdout)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--here", action="store_true", help="print the times of this process")
    given = parser.parse_args()
    if given.here or given.against is None:
        print(json.dumps(measure()))
        return
    before: list[dict[str, float]] = []
    now: list[dict[str, float]] = []
    for _ in range(ROUNDS):
        before.append(of(given.against.resolve()))
        now.append(of(ROOT))
    for name in now[0]:
        least, then = (min(times[name] for times in runs) for runs in (now, before))
        print(f"{name:28} {then:10.2f} {least:10.2f}  × {least / then:.3f}")


if __name__ == "__main__":
    main()
