"""What the ledger and the metrics add to the time to first byte, and to the processor time of a request.

Run as follows, after `uv sync --dev`: uv run python -m bench.accounts

The same proxy runs twice: as it comes, with the ledger in a file; and with neither ledger nor metrics.
Requests go to the two in turn over a kept connection each, so that a machine whose speed drifts does so for
both.
"""

from __future__ import annotations

import contextlib
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import measure
from bench import others

SIZE = 50_000
"""Bytes of a request, about a short session of Claude Code."""

COUNT = 1500
"""Requests that are timed."""

BURST = 300
"""Requests whose processor time is measured, at a stretch."""

TARGET = 0.3
"""Milliseconds that may be added, at p50."""

WITHOUT = """
import runpy
route = runpy.run_path({route!r})
from claude_route import admission
from claude_route.metrics import lag, meters
from claude_route.proxy import accounting

addons = [each for each in route["addons"] if not isinstance(each, lag.Lag)]
for each in addons:
    if isinstance(each, admission.Route):
        each.observer.observers = [
            observer
            for observer in each.observer.observers
            if not isinstance(observer, accounting.Accounting | meters.Meters)
        ]
"""


@contextlib.contextmanager
def without(behind: int) -> Iterator[tuple[int, int]]:
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "without.py"
        script.write_text(WITHOUT.format(route=str(measure.ROUTE)))
        with measure.ours(behind, route=script, ledger="off") as started:
            yield started


def main() -> None:
    with (
        measure.simulator() as behind,
        without(behind) as (off_port, off_pid),
        measure.ours(behind) as (on_port, on_pid),
    ):
        off, on = measure.Client(off_port), measure.Client(on_port)
        body = measure.conversation(SIZE)
        times = measure.in_turn(
            [lambda: off.first_byte(body), lambda: on.first_byte(body)], COUNT, warm=50
        )
        print("time to first byte, ms        off      on   added")
        for name, place in (("p50", 49), ("p95", 94), ("p99", 98)):
            low, high = (statistics.quantiles(each, n=100)[place] * 1000 for each in times)
            print(f"{name:26} {low:7.2f} {high:7.2f} {high - low:7.2f}")
        added = measure.median_ms(times[1]) - measure.median_ms(times[0])
        print(f"{'expected at p50':42} {'≤' if added <= TARGET else '> !'} {TARGET}")
        costs: list[list[float]] = [[], []]
        for _ in range(5):
            for which, (client, pid) in enumerate(((off, off_pid), (on, on_pid))):
                costs[which].append(processor(client, pid, body))
        low, high = (statistics.median(each) for each in costs)
        print(f"{'processor time a request':26} {low:7.2f} {high:7.2f} {high - low:7.2f}")
        low, high = measure.rss_megabytes(off_pid), measure.rss_megabytes(on_pid)
        print(f"{'memory, MB':26} {low:7.0f} {high:7.0f} {high - low:7.0f}")


def processor(client: measure.Client, pid: int, body: Any) -> float:
    """Milliseconds a request, of all of the process's threads."""
    before = others.processor_seconds(pid)
    for _ in range(BURST):
        client.first_byte(body)
    return (others.processor_seconds(pid) - before) * 1000 / BURST


if __name__ == "__main__":
    main()
