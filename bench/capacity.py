"""How many streams one process can take: processor time, memory and delays by the number of streams.

Run as follows, after `uv sync --dev`: uv run python -m bench.capacity

The share of a core is the process's own time, so what else the machine does matters little to it; delays
are another matter. docs/operating.md has the figures.
"""

from __future__ import annotations

import asyncio
import functools
import random
import statistics
import sys
from typing import NamedTuple

from bench import measure
from bench import paced

COUNTS = (50, 100, 200, 400, 800)
"""Streams at a time."""

RATE = 20
"""Events a second in each, about as fast as a large model writes."""

SIZE = 200_000
"""Bytes of each request, as in the middle of a session of Claude Code."""

WINDOW = 5.0
"""Seconds for which all of them stream and are measured."""

SPREAD = 10.0
"""Seconds over which they begin: requests of that size are work as well."""

MODEL = "claude-capacity"


class Load(NamedTuple):
    streams: int
    core: float
    """The share of one core."""
    megabytes: float
    """Of memory for each stream, beyond what the process had before."""
    delays: list[float]
    """Seconds."""


async def load(port: int, pid: int, count: int) -> Load:
    body = measure.conversation(SIZE, MODEL)
    head = (
        f"POST /v1/messages HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nx-api-key: bench\r\n"
        "anthropic-version: 2023-06-01\r\ncontent-type: application/json\r\n"
        f"connection: close\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    delays: list[float] = []
    make = functools.partial(paced.Stream, head.encode() + body, delays)
    before, chance = measure.rss_megabytes(pid), random.Random(count)
    streams = []
    for _ in range(count):
        _, stream = await asyncio.get_running_loop().create_connection(make, "127.0.0.1", port)
        streams.append(stream)
        await asyncio.sleep(chance.uniform(0, 2 * SPREAD / count))
    for stream in streams:
        await stream.begun.wait()
    delays.clear()
    began = measure.processor_seconds(pid)
    await asyncio.sleep(WINDOW)
    used = measure.processor_seconds(pid) - began
    if any(stream.ended.is_set() for stream in streams):
        raise RuntimeError("a stream ended while it was measured")
    memory = (measure.rss_megabytes(pid) - before) / count
    during = delays.copy()
    for stream in streams:
        stream.transport.abort()
    await asyncio.sleep(1)
    return Load(count, used / WINDOW, memory, during)


def main() -> int:
    deltas = round((3 * SPREAD + 2 * WINDOW) * RATE)
    text = paced.DELTA * deltas
    answer = {
        "content": [{"type": "text", "text": text}],
        "delta_size": len(paced.DELTA),
        "event_delay": 1 / RATE,
    }
    print("| streams | events a second | share of a core | MB a stream | delay p50, ms | p99, ms |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for count in COUNTS:
        # A process of its own for each: memory that is freed is not always given back.
        with (
            measure.simulator(("-c", paced.PROVIDER)) as behind,
            measure.ours(behind) as (port, pid),
        ):
            measure.tell(behind, {"default": answer})
            asyncio.run(load(port, pid, 5))
            found = asyncio.run(load(port, pid, count))
        quantiles = statistics.quantiles(found.delays, n=100)
        print(
            f"| {count} | {len(found.delays) / WINDOW:.0f} | {found.core:.0%} | {found.megabytes:.1f} "
            f"| {quantiles[49] * 1e3:.1f} | {quantiles[98] * 1e3:.1f} |",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
