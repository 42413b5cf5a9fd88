"""How long a client's small requests take while others are a burden, against how long they take alone.

Run as follows, after `uv sync --dev`: uv run python -m bench.crowd

Each burden stands between two quiet times, with which it is compared, so that a machine whose speed drifts does so
for both. The burden is a process of its own, which comes last where the machine is busy, and so is the provider.
Half of the requests go over one kept connection, each of the others over a new one. The table is Markdown, for
docs/benchmarks.md. The target for × is at most 2.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from bench import measure
from bench import provider
from tests.wire import attacks

SECONDS = 10.0
"""Of each burden; a quiet time is half as long."""

SETTLE = 2.0
"""Seconds until a burden weighs what it will, and until it is gone."""

PAUSE = 0.02
"""Seconds between two requests."""

SMALL, LARGE = 5_000, 31_500_000
"""Bytes of a body; none may have more than 32 MB."""

IDLE, SLOW_HEADS, SLOW_BODIES, FLOODING = 2000, 400, 200, 16
"""Connections."""

GOOD = "cr-good-0123456789"
"""The key of the client that is measured."""

BAD, LIMITED = "cr-bad-0123456789", "cr-limited-0123456789"
"""Those of a client that may do all it likes, and of one with a rate."""


class Burden(NamedTuple):
    title: str
    begin: Callable[[attacks.Prey], None]
    key: str = BAD
    threads: int = 1


def large(model: str) -> Callable[[attacks.Prey], None]:
    return lambda prey: attacks.flood(prey, wire(prey, LARGE, model))


BURDENS = {
    "large": Burden("32 MB bodies, to another provider", large("glm-5")),
    "large-untouched": Burden("32 MB bodies, untouched", large("claude-opus-5-5")),
    "idle": Burden("2,000 idle connections", lambda prey: attacks.many(prey, IDLE, b"", b"")),
    "heads": Burden(
        "400 slow heads",
        lambda prey: attacks.many(prey, SLOW_HEADS, b"POST /v1/messages HTTP/1.1\r\nx: ", b"x"),
    ),
    "bodies": Burden(
        "200 slow bodies",
        lambda prey: attacks.many(
            prey, SLOW_BODIES, prey.head(prey.login, length=10_000_000), b" "
        ),
    ),
    "flood": Burden(
        "a client that floods, on 16 connections",
        lambda prey: attacks.flood(prey, wire(prey, SMALL, "glm-5")),
        threads=FLOODING,
    ),
    "limited": Burden(
        "the same, with `requests_per_minute: 60`",
        lambda prey: attacks.flood(prey, wire(prey, SMALL, "glm-5")),
        LIMITED,
        FLOODING,
    ),
}


def wire(prey: attacks.Prey, size: int, model: str) -> bytes:
    body = measure.conversation(size, model).replace(b'"stream": true', b'"stream": false')
    return prey.head(prey.login, length=len(body)) + body


def weigh(name: str, port: int) -> None:
    """Be a burden, in this process."""
    os.setpriority(os.PRIO_PROCESS, 0, 19)
    burden = BURDENS[name]
    prey = attacks.Prey(port, port, burden.key, time.monotonic() + SETTLE + SECONDS)
    threads = [
        threading.Thread(target=burden.begin, args=(prey,), daemon=True)
        for _ in range(burden.threads)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join(SETTLE + SECONDS)


# The client that is measured


class Times(NamedTuple):
    """Seconds to the first byte of each answer."""

    kept: list[float]
    new: list[float]

    def and_also(self, other: Times) -> Times:
        return Times(self.kept + other.kept, self.new + other.new)


def measured(port: int, seconds: float) -> Times:
    times = Times([], [])
    body = measure.conversation(SMALL, "glm-5")
    headers = {"x-litellm-api-key": GOOD}
    kept = measure.Client(port, headers)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        times.kept.append(kept.first_byte(body))
        time.sleep(PAUSE)
        began = time.perf_counter()
        new = measure.Client(port, headers)
        new.first_byte(body)
        times.new.append(time.perf_counter() - began)
        new.connection.close()
        time.sleep(PAUSE)
    kept.connection.close()
    return times


@contextlib.contextmanager
def burdened(name: str, port: int) -> Iterator[None]:
    command = [sys.executable, "-m", "bench.crowd", name, str(port)]
    process = subprocess.Popen(command, cwd=measure.ROOT)
    try:
        time.sleep(SETTLE)
        yield
    finally:
        process.terminate()
        process.wait()
        time.sleep(SETTLE)


def row(title: str, alone: Times, times: Times) -> str:
    cells = []
    for quiet, busy in ((alone.kept, times.kept), (alone.new, times.new)):
        for percent in (50, 95):
            usual, now = percentile(quiet, percent), percentile(busy, percent)
            cells.append(f"{usual * 1000:.1f} → {now * 1000:.1f} | {now / usual:.1f}")
    return f"| {title} | {' | '.join(cells)} |"


def percentile(times: Sequence[float], percent: int) -> float:
    return statistics.quantiles(times, n=100)[percent - 1]


def profile(url: str) -> dict[str, Any]:
    keys = {"good": GOOD, "bad": BAD, "limited": LIMITED}
    clients: dict[str, dict[str, Any]] = {
        name: {"key": f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"}
        for name, key in keys.items()
    }
    clients["limited"]["requests_per_minute"] = 60
    return {
        "providers": {
            "anthropic": {"base_url": url},
            "zai": {"base_url": url, "auth": "x-api-key", "api_key": "zai-key-012345"},
        },
        "models": {"glm-5": "zai/glm-5", "claude-*": "anthropic/claude-*"},
        "clients": clients,
    }


def main(names: Sequence[str]) -> None:
    with provider.running() as behind:
        changes = profile(f"http://127.0.0.1:{behind.plain}")
        with measure.ours(behind.plain, **changes) as (port, _):
            measured(port, SETTLE)
            print("| ms | kept, p50 | × | kept, p95 | × | new, p50 | × | new, p95 | × |")
            print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
            before = measured(port, SECONDS / 2)
            for name in names or BURDENS:
                with burdened(name, port):
                    times = measured(port, SECONDS - SETTLE)
                after = measured(port, SECONDS / 2)
                print(row(BURDENS[name].title, before.and_also(after), times), flush=True)
                before = after


if __name__ == "__main__":
    match sys.argv[1:]:
        case [name, port] if port.isdigit():
            weigh(name, int(port))
        case names:
            main(names)
