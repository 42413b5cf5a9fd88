"""The real Claude Code client and providers that think without a word: pings keep it waiting."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import pytest

import simulator
from simulator import answers
from tests.wire import claude_code
from tests.wire import proxies

pytestmark = [pytest.mark.client, claude_code.needs_claude]

Start = Callable[..., proxies.Proxy]

IMPATIENT = """
from claude_route.proxy import pings

pings.INTERVAL = 0.5
"""

ZAI = "/provider/zai/v1/messages"


def slow(**delays: float) -> answers.Answer:
    return dataclasses.replace(answers.text("In the end."), **delays)  # type: ignore[arg-type]


@pytest.fixture(params=[claude_code.through_the_reverse_listener, claude_code.through_the_tunnel])
def through(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def waiting(
    start: Start, sim: simulator.Simulator, tmp_path: Path, through: Any
) -> Iterator[Callable[[str], claude_code.Claude]]:
    """A client of a proxy that also runs this script."""
    with simulator.Simulator(tls=True) as anthropic:

        def make(script: str) -> claude_code.Claude:
            path = tmp_path / "script.py"
            path.write_text(script)
            here = proxies.anthropic_here(anthropic.port, tmp_path)
            profile = proxies.profile(sim.url, pool={"tokens": proxies.POOL[0]})
            proxy = start(profile, arguments=[*here, "-s", str(path)])
            return claude_code.Claude(tmp_path / "home", through(proxy))

        yield make


def asked(sim: simulator.Simulator) -> int:
    """How many times the provider was asked for an answer as a stream."""
    return sum(r.bare_path == ZAI and bool(r.json.get("stream")) for r in sim.requests)


@pytest.mark.parametrize(
    "slowly",
    [slow(head_delay=3), slow(event_delay=1.5)],
    ids=["before its headers", "before each event"],
)
def test_a_provider_that_is_silent_is_asked_once(
    waiting: Callable[[str], claude_code.Claude],
    sim: simulator.Simulator,
    slowly: answers.Answer,
) -> None:
    client = waiting(IMPATIENT)
    sim.when(lambda recorded: recorded.bare_path == ZAI, slowly)
    assert client.ask("hi", "--model", "glm") == "In the end."
    assert asked(sim) == 1


def test_a_failure_behind_pings_is_retried(
    waiting: Callable[[str], claude_code.Claude], sim: simulator.Simulator
) -> None:
    client = waiting(IMPATIENT)
    failures = [answers.Answer(status=529, head_delay=3)]

    def fails(recorded: Any) -> bool:
        return recorded.bare_path == ZAI and bool(failures and failures.pop())

    sim.when(lambda recorded: recorded.bare_path == ZAI, answers.text("The second time."))
    sim.when(fails, failures[0])
    assert client.ask("hi", "--model", "glm") == "The second time."
    assert asked(sim) == 2


@pytest.mark.soak
def test_a_long_silence(
    start: Start, sim: simulator.Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Longer than Claude Code waits without a byte at api.anthropic.com's name. All at once, since it takes
    minutes."""
    silences = (150, 200)
    monkeypatch.setattr(claude_code, "TIMEOUT", max(silences) + 60)
    for seconds in silences:
        sim.when(silent_for(seconds), slow(head_delay=seconds))
    with simulator.Simulator(tls=True) as anthropic:
        here = proxies.anthropic_here(anthropic.port, tmp_path)
        proxy = start(proxies.profile(sim.url, pool={"tokens": proxies.POOL[0]}), arguments=here)
        ways = (claude_code.through_the_reverse_listener, claude_code.through_the_tunnel)
        with futures.ThreadPoolExecutor() as threads:
            waiting = [
                threads.submit(
                    claude_code.Claude(tmp_path / f"{seconds}-{n}", through(proxy)).ask,
                    f"be silent for {seconds} s",
                    *("--model", "glm"),
                )
                for seconds in silences
                for n, through in enumerate(ways)
            ]
        assert [one.result() for one in waiting] == ["In the end."] * len(waiting)
    assert asked(sim) == len(waiting)


def silent_for(seconds: int) -> Callable[[simulator.Recorded], bool]:
    prompt = f"be silent for {seconds} s".encode()
    return lambda recorded: recorded.bare_path == ZAI and prompt in recorded.content
