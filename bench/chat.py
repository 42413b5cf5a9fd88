"""What Chat Completions costs: a long conversation's way there, and each word's way back.

Run as follows, after `uv sync --dev`: uv run python -m bench.chat
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from typing import Any

from bench import measure
from claude_route import targets

sys.path.insert(0, str(measure.ROOT / "addons"))

from claude_route.dialects.chat import dialect
from claude_route.dialects.messages import requests
from claude_route.profile import profiles
from claude_route.wire import sse

PROFILE = """
providers:
  local: {base_url: "http://127.0.0.1:1/v1", api: openai, auth: none}
models: {"*": "local/*"}
"""
REQUEST = 1_000_000
"""Bytes."""
DELTAS = 20_000
RUNS = 30


def conversation(size: int) -> bytes:
    """A session of Claude Code that reads and edits files, two at a time."""
    tool = {"type": "object", "properties": {"file_path": {"type": "string"}}}
    tools = [
        {"name": f"Tool{n}", "description": "Does it well. " * 60, "input_schema": tool}
        for n in range(24)
    ]
    turns: list[dict[str, Any]] = [{"role": "user", "content": "Fix it — “all” of it.\n"}]
    length = len(json.dumps(tools))
    while length < size:
        ids = [f"toolu_{len(turns):020}{letter}" for letter in "ab"]
        thought = {"type": "thinking", "thinking": "Hm. " * 60, "signature": "route:local:"}
        text = {"type": "text", "text": "Let me look at both. " * 6}
        calls = [
            {"type": "tool_use", "id": id, "name": "Tool1", "input": {"file_path": f"/src/{id}.py"}}
            for id in ids
        ]
        lines = '    12\t        return "a" if x else b\n' * 30
        results = [{"type": "tool_result", "tool_use_id": id, "content": lines} for id in ids]
        more: list[dict[str, Any]] = [
            {"role": "assistant", "content": [thought, text, *calls]},
            {"role": "user", "content": results},
        ]
        length += len(json.dumps(more))
        turns += more
    body = {"model": "some", "max_tokens": 32000, "stream": True, "messages": turns, "tools": tools}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def request_times(body: bytes, target: targets.Target) -> list[float]:
    """Seconds of processor time, which other processes change little."""
    times = []
    for _ in range(RUNS):
        request = requests.read(body)
        start = time.process_time()
        dialect.call(request, target)
        times.append(time.process_time() - start)
    return times


def delta_times(body: bytes, target: targets.Target) -> list[float]:
    """Seconds, of a stream's words one by one."""
    stream = dialect.call(requests.read(body), target).stream()
    chunk = (
        '{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1763800000,"model":"some",'
        '"system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"content":" word%d"},'
        '"logprobs":null,"finish_reason":null}]}'
    )
    events = [sse.Event("", (chunk % n).encode(), b"") for n in range(DELTAS)]
    times = []
    for event in events:
        start = time.perf_counter()
        stream.feed(event)
        times.append(time.perf_counter() - start)
    return times


def main() -> None:
    target = profiles.parse(PROFILE, {}, "bench.yaml").target("some")
    assert target
    body = conversation(REQUEST)
    requests = request_times(body, target)
    deltas = delta_times(conversation(10_000), target)
    print(
        f"a conversation of {len(body) / 1e6:.1f} MB: {statistics.median(requests) * 1e3:.1f} ms p50"
    )
    p50, *_, p99 = statistics.quantiles(deltas, n=100)[49:99]
    print(f"a streamed delta: {p50 * 1e6:.1f} µs p50, {p99 * 1e6:.1f} µs p99")


if __name__ == "__main__":
    main()
