"""What clients with budgets, the ledger, the metrics and a store add to a request: to its time to the first byte,
and to its processor time.

Run as follows, after `uv sync --dev`: uv run python -m bench.accounts
Which part it is: uv run python -m bench.accounts --each

The same proxy runs twice: once with all of them, for a client with a budget, and a Redis of the machine's; and
once with none. Requests go to the two in turn over a kept connection each, so that a machine whose speed drifts
does so for both; each is compared with the one beside it.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import random
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from typing import NamedTuple

from bench import measure
from bench import others
from simulator import ports

SIZE = 50_000
"""Bytes of a request, about a short session of Claude Code."""

COUNT = 1500
"""Requests to each that are timed."""

BURST = 300
"""Requests whose processor time is measured, at a stretch."""

ROUNDS = 5

TARGET = 0.3
"""Milliseconds that may be added, at p50."""

SAMPLES = 2000
"""Of the bootstrap."""

KEY = "cr-bench-0123456789"

LIMITS = {
    "budget": {"day": 1e6, "week": 1e7, "month": 1e8},
    "tokens_per_day": 10**15,
    "requests_per_minute": 10**6,
}
"""None of which is reached: what is measured is that they are counted."""

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


class Subject(NamedTuple):
    name: str
    has_metrics: bool = True
    has_ledger: bool = True
    has_clients: bool = True
    has_limits: bool = True
    has_store: bool = True


OFF = Subject("off", *[False] * 5)
ON = Subject("on")
EACH = (
    Subject("metrics", True, False, False, False, False),
    Subject("and ledger", True, True, False, False, False),
    Subject("and a key", True, True, True, False, False),
    Subject("and limits", True, True, True, True, False),
)
"""Each with those before it."""


class Running(NamedTuple):
    client: measure.Client
    pid: int


@contextlib.contextmanager
def redis() -> Iterator[str]:
    """The URL of an empty Redis or Valkey."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        sys.exit("Redis is not installed: apt-get install redis-server")
    port = ports.free()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with measure.running(command, port):
        yield f"redis://127.0.0.1:{port}/0"


@contextlib.contextmanager
def proxy(subject: Subject, behind: int, store: str) -> Iterator[Running]:
    changes: dict[str, Any] = {}
    headers = {}
    if subject.has_clients:
        digest = hashlib.sha256(KEY.encode()).hexdigest()
        limits = LIMITS if subject.has_limits else {}
        changes["clients"] = {"alice": {"key": f"sha256:{digest}", **limits}}
        headers["x-litellm-api-key"] = KEY
    if subject.has_store:
        changes["store"] = store
    if not subject.has_ledger:
        changes["ledger"] = "off"
    with tempfile.TemporaryDirectory() as folder:
        route = measure.ROUTE
        if not subject.has_metrics:
            route = Path(folder) / "without.py"
            route.write_text(WITHOUT.format(route=str(measure.ROUTE)))
        with measure.ours(behind, route=route, **changes) as (port, pid):
            yield Running(measure.Client(port, headers), pid)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", action="store_true", help="with one part after the other")
    subjects = (OFF, *(EACH if parser.parse_args().each else ()), ON)
    with contextlib.ExitStack() as stack:
        behind = stack.enter_context(measure.simulator())
        store = stack.enter_context(redis())
        every = [stack.enter_context(proxy(subject, behind, store)) for subject in subjects]
        body = measure.conversation(SIZE)
        calls = [lambda client=each.client: client.first_byte(body) for each in every]
        times = measure.in_turn(calls, COUNT, warm=50)
        print(
            "| | p50, ms | p95, ms | added at p50, ms (95 % interval) | processor time, ms | memory, MB |"
        )
        print("| --- | ---: | ---: | ---: | ---: | ---: |")
        costs = processor_times(every, body)
        for subject, each, took, cost in zip(subjects, every, times, costs, strict=True):
            *_, most = statistics.quantiles(took, n=20)
            added = "" if subject is OFF else in_words(differences(took, times[0]))
            print(
                f"| {subject.name} | {measure.median_ms(took):.2f} | {most * 1000:.2f} | {added} | "
                f"{cost:.2f} | {measure.rss_megabytes(each.pid):.0f} |"
            )
        added_ms = measure.median_ms(differences(times[-1], times[0]))
        print(f"\nAdded at p50: {added_ms:.2f} ms; expected: at most {TARGET}")


def differences(times: Sequence[float], beside: Sequence[float]) -> list[float]:
    return [one - other for one, other in zip(times, beside, strict=True)]


def in_words(seconds: Sequence[float]) -> str:
    """The median of some differences, with its bootstrap interval."""
    chance = random.Random(14)
    medians = sorted(
        measure.median_ms(chance.choices(seconds, k=len(seconds))) for _ in range(SAMPLES)
    )
    low, high = medians[SAMPLES * 25 // 1000], medians[SAMPLES * 975 // 1000]
    return f"{measure.median_ms(seconds):.2f} ({low:.2f} to {high:.2f})"


def processor_times(every: Sequence[Running], body: bytes) -> list[float]:
    """Milliseconds a request, of all of each process's threads: the medians of some rounds."""
    costs: list[list[float]] = [[] for _ in every]
    for _ in range(ROUNDS):
        for which, each in enumerate(every):
            before = others.processor_seconds(each.pid)
            for _ in range(BURST):
                each.client.first_byte(body)
            spent = others.processor_seconds(each.pid) - before
            costs[which].append(spent * 1000 / BURST)
    return [statistics.median(cost) for cost in costs]


if __name__ == "__main__":
    main()
