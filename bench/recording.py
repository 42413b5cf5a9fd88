"""What it costs to keep a summary of each request for `/sessions`: processor time with to without.

Run as follows, after `uv sync --dev`: uv run python -m bench.recording
Against another checkout as well: uv run python -m bench.recording --before ../other

Each proxy is a process of its own, and they take many short turns, beginning with another each time. Each turn
ends with a pause, in which the summaries are made that wait. Of each proxy's times the 20th percentile is compared:
on a machine with other work, it is the steadiest. In brackets are the quartiles of the ratios of turns that follow
each other.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import time
from collections.abc import Callable
from collections.abc import Iterator
from http import client
from pathlib import Path
from typing import Any
from typing import NamedTuple

from bench import __main__ as bench
from bench import others
from bench import provider

ROUNDS = 60
QUICK_ROUNDS = 20
PAUSE = 0.2
"""Seconds after each turn."""
LARGE = 1_000_000
"""Bytes of the conversation that grows."""


class Kind(NamedTuple):
    title: str
    requests: int
    """Requests of a turn."""
    body: Callable[[int], bytes]
    """The request with this number."""


class Subject(NamedTuple):
    name: str
    port: int
    pid: int


def short(number: int) -> bytes:
    return _body([_asked(f"Begin: short. {number}")])


def long(number: int) -> bytes:
    return _body([_asked(f"Begin: long. {number}")])


def stream(number: int) -> bytes:
    return _body([_asked(f"Begin: stream. {number}")], stream=True)


def growing(number: int) -> bytes:
    """As Claude Code writes it: each request has what the one before had, and what is cached ends with it."""
    newest = _asked(f"And now {number}")
    newest["content"][0]["cache_control"] = {"type": "ephemeral"}
    grown = b"".join(b",%b" % _encoded(message) for message in _grown(number))
    return _HEAD[:-2] + grown + b"," + _encoded(newest) + b"]}"


def _grown(number: int) -> Iterator[dict[str, Any]]:
    for before in range(number):
        answer = {"type": "text", "text": f"{before} The parser is where it was. " * 20}
        yield _asked(f"And now {before}")
        yield {"role": "assistant", "content": [answer]}


def _asked(words: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": words}]}


def _encoded(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _body(messages: list[dict[str, Any]], **fields: object) -> bytes:
    head = {"model": "claude-opus-5-5", "max_tokens": 100, **fields}
    return _encoded({**head, "messages": messages})


_HEAD = bench.body(LARGE, "claude-opus-5-5", "short").replace(b'"stream": true', b'"stream": false')

KINDS = (
    Kind("small request", 20, short),
    Kind("whole answer of 30 KB", 15, long),
    Kind("stream of 631 events", 8, stream),
    Kind("1 MB conversation that grows", 4, growing),
)


def ask(connection: client.HTTPConnection, session: str, body: bytes) -> None:
    headers = bench.headers() | {"x-claude-code-session-id": session}
    connection.request("POST", "/v1/messages", body, headers)
    response = connection.getresponse()
    answer = response.read()
    if response.status != 200 or b"end_turn" not in answer:
        raise RuntimeError(f"expected a whole answer, got {response.status} {answer[-200:]!r}")


def turn(subject: Subject, kind: Kind, first: int) -> float:
    """Seconds of processor time for a request."""
    bodies = [kind.body(first + number) for number in range(kind.requests)]
    connection = client.HTTPConnection("127.0.0.1", subject.port, timeout=bench.TIMEOUT)
    with contextlib.closing(connection):
        before = others.processor_seconds(subject.pid)
        for body in bodies:
            ask(connection, kind.title.replace(" ", "-"), body)
        time.sleep(PAUSE)
        return (others.processor_seconds(subject.pid) - before) / kind.requests


@contextlib.contextmanager
def proxies(behind: int, before: Path | None) -> Iterator[list[Subject]]:
    url = f"http://127.0.0.1:{behind}"
    here = bench.Checkout("with")
    with contextlib.ExitStack() as stack:
        off = stack.enter_context(bench.ours(here, url, "--set", "keep_turns=0"))
        subjects = [
            Subject("without", *off),
            Subject("with", *stack.enter_context(bench.ours(here, url))),
        ]
        if before:
            other = bench.checkout(before)
            subjects.append(Subject("before", *stack.enter_context(bench.ours(other, url))))
        yield subjects


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="", help="a part of the title of what is measured")
    given = parser.parse_args()
    rounds = QUICK_ROUNDS if given.quick else ROUNDS
    with provider.running() as behind, proxies(behind.plain, given.before) as subjects:
        columns = " | ".join(f"{subject.name}, µs" for subject in subjects)
        compared = " | with to before" if given.before else ""
        print(f"| | {columns} | with to without{compared} |")
        print("| --- |" + " ---: |" * (len(subjects) + 1 + bool(compared)))
        for kind in KINDS:
            if given.only in kind.title:
                show(kind, measured(kind, subjects, rounds))


def measured(kind: Kind, subjects: list[Subject], rounds: int) -> list[list[float]]:
    """For each subject the processor time of a request, round by round."""
    times: list[list[float]] = [[] for _ in subjects]
    for number in range(-1, rounds):
        for place in range(len(subjects)):
            which = (number + place) % len(subjects)
            seconds = turn(subjects[which], kind, (number + 1) * kind.requests)
            if number >= 0:
                times[which].append(seconds)
    return times


def show(kind: Kind, times: list[list[float]]) -> None:
    least = [statistics.quantiles(column, n=5)[0] for column in times]
    cells = [f"{seconds * 1e6:,.0f}" for seconds in least]
    for other in [0, *range(2, len(times))]:
        ratios = [one / two for one, two in zip(times[1], times[other], strict=True)]
        low, _, high = statistics.quantiles(ratios, n=4)
        cells.append(f"{least[1] / least[other]:.2f} ({low:.2f}–{high:.2f})")
    print(f"| {kind.title} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
