"""A thousand streams with faults at random places: each answer is complete or ends in a well-formed
error, nothing is mixed up, nothing is left behind."""

from __future__ import annotations

import functools
import json
import random
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any

import httpx
import pytest

from claude_route.proxy.upstream import pool
from claude_route.wire import sse
from simulator import answers
from simulator.recorded import Recorded
from tests.wire import pairs
from tests.wire import proxies

pytestmark = pytest.mark.soak

SEED = 5
STREAMS = 1000
CLIENTS = 20
FAULTS = 80
LEAVING = 0.08

PROBE = """
import asyncio
import gc
import json
from pathlib import Path
from mitmproxy import http


def request(flow):
    if "x-probe" in flow.request.headers:
        gc.unfreeze()
        gc.collect()
        gc.unfreeze()  # `collector` has frozen what it looked at
        kinds = [type(each).__name__ for each in gc.get_objects()]
        counted = {kind: kinds.count(kind) for kind in ("FailoverStream", "Exchange", "HttpLayer")}
        counted["tasks"] = len(asyncio.all_tasks())
        counted["files"] = len(list(Path("/proc/self/fd").iterdir()))
        flow.response = http.Response.make(200, json.dumps(counted))
"""


def fault(chance: random.Random) -> answers.Answer:
    """A fault that a provider is known for, or whole answers of every form."""
    form: dict[str, Any] = {
        "delta_size": chance.choice([1, 5, 40]),
        "encoding": chance.choice([None, None, "gzip", "deflate", "br", "zstd"]),
        "chunk_size": chance.choice([0, 0, 1, 7, 300]),
        "framing": chance.choice(["auto", "auto", "length", "close"]),
        "crlf": chance.random() < 0.2,
        "noise": chance.choice([(), (), ("comment", "ping", "unknown")]),
        "drop": chance.choice([(), (), (), ("message_stop",), ("ping",)]),
        "event_delay": chance.choice([0, 0, 0.002]) if chance.random() < 0.2 else 0,
    }
    match chance.randrange(8):
        case 0:
            return answers.failure(chance.choice([400, 408, 413, 429, 500, 502, 503, 529]))
        case 1:
            return answers.Answer(before_head=chance.choice(["reset", "close"]))
        case 2:
            place = chance.randrange(9) if chance.random() < 0.5 else 0
            return answers.first_event_error(at=place)
        case 3 | 4:
            form |= {"end": chance.choice(["clean", "close", "reset", "reset"])}
            form |= {"cut_events": chance.randrange(12), "cut_bytes": chance.choice([0, 1, 25, 60])}
            return answers.Answer(**form)
        case 5 if chance.random() < 0.4:
            form |= {"cut_events": chance.randrange(12), "end": "hang"}
            return answers.Answer(**form)
        case 5 if chance.random() < 0.3:
            return answers.Answer(before_head="silence")
    return answers.Answer(**form)


def meets(rule: bytes, model: bytes, recorded: Recorded) -> bool:
    return rule in recorded.body and model in recorded.body


@dataclass
class Tally:
    """How the streams ended."""

    ends: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Soak:
    def __init__(self, pair: pairs.Pair, seed: int) -> None:
        self.pair = pair
        self.seed = seed
        chance = random.Random(seed)
        self.rules = [fault(chance) for _ in range(FAULTS)]
        for number, answer in enumerate(self.rules):
            pair.sim.when(functools.partial(meets, b"first=%d " % number, b'"hasty-'), answer)
            pair.sim.when(functools.partial(meets, b"second=%d " % number, b'"lonely-'), answer)

    def run(self, numbers: range) -> Tally:
        tally, queue = Tally(), iter(numbers)
        pairs.at_once(
            *[
                lambda listener=listener: self._client(listener, queue, tally)
                for listener in self._listeners()
            ]
        )
        return tally

    def _listeners(self) -> Iterator[httpx.Client]:
        for number in range(CLIENTS):
            yield self.pair.reverse() if number % 4 else self.pair.http2()

    def _client(self, client: httpx.Client, numbers: Iterator[int], tally: Tally) -> None:
        with client:
            while True:
                with tally.lock:
                    number = next(numbers, None)
                if number is None:
                    return
                try:
                    end = self._ask(client, number)
                except Exception as e:
                    tally.wrong.append(f"{number}: {e!r}")
                else:
                    tally.ends[end] += 1

    def _ask(self, client: httpx.Client, number: int) -> str:
        chance = random.Random(f"{self.seed}/{number}")
        first, second = chance.randrange(FAULTS), chance.randrange(FAULTS)
        words = " ".join(chance.choice(["考", "naïve", "brave", "new", "world"]) for _ in range(20))
        prompt = f"first={first} second={second} I am {number}: {words}"
        leaves = chance.randrange(1, 6) if chance.random() < LEAVING else 0
        request = proxies.message(f"hasty-{number}", prompt, stream=True)
        url, body = "https://api.anthropic.com/v1/messages", b""
        with client.stream("POST", url, json=request) as response:
            for piece in response.iter_raw():
                body += piece
                if leaves and body.count(b"\n\n") >= leaves:
                    return "left"
        if response.status_code != 200:
            error = json.loads(body)
            assert error["type"] == "error" and error["error"]["message"], body
            return str(response.status_code)
        provider, _, model = response.headers["x-route-target"].partition("/")
        assert provider == "hasty" and model in (f"hasty-{number}", "lonely-1")
        return judge(body, model, f"You said: {prompt}")


def judge(body: bytes, model: str, text: str) -> str:
    """How a stream ended, once nothing is wrong with it."""
    decoder = sse.Decoder()
    events = [event for event in decoder.feed(body) if event.data and event.name != "ping"]
    assert decoder.rest() == b"", "half an event"
    messages = [json.loads(event.data) for event in events if event.name != "weather"]
    kinds: list[str] = [each["type"] for each in messages]
    assert kinds[0] == "message_start"
    assert kinds.count("message_start") == 1
    assert messages[0]["message"]["model"] == model
    deltas = [each["delta"] for each in messages if each["type"] == "content_block_delta"]
    so_far = "".join(delta.get("text", "") for delta in deltas)
    assert text.startswith(so_far), f"expected a part of {text!r}, got {so_far!r}"
    assert kinds[-1] in ("message_stop", "error")
    assert len({"message_stop", "error"} & set(kinds)) == 1
    if kinds[-1] == "message_stop":
        assert so_far == text
        assert kinds.count("content_block_start") == kinds.count("content_block_stop")
    return kinds[-1]


@pytest.fixture
def soaked(tmp_path: Path) -> Iterator[pairs.Pair]:
    probe = tmp_path / "probe.py"
    probe.write_text(PROBE)
    fallbacks = {"hasty-*": ["lonely-1"]}
    with pairs.running(
        tmp_path, "-s", str(probe), "--set", "warm_connections=false", fallbacks=fallbacks
    ) as pair:
        yield pair


def in_hand(pair: pairs.Pair) -> dict[str, int]:
    """What the proxy holds while no request is in progress."""
    # Kept connections have their time.
    proxies.wait_until(
        lambda: pair.sim.open_connections == 0, seconds=pool.Bounds().idle + proxies.PATIENCE
    )
    counted: list[dict[str, int]] = []
    with pair.proxy.client(headers={"x-probe": "1"}) as client:

        def is_settled() -> bool:
            counted.append(client.get("/api/probe").json())
            return counted[-5:] == counted[-1:] * 5

        proxies.wait_until(is_settled)
    return counted[-1]


def memory(pair: pairs.Pair) -> int:
    """Resident, in bytes."""
    status = Path(f"/proc/{pair.proxy.process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


def test_a_thousand_streams(soaked: pairs.Pair) -> None:
    soak = Soak(soaked, SEED)
    soak.run(range(STREAMS, STREAMS + CLIENTS))
    before = in_hand(soaked)
    first = soak.run(range(STREAMS // 2))
    halfway = memory(soaked)
    second = soak.run(range(STREAMS // 2, STREAMS))
    grown = memory(soaked) - halfway
    ends = first.ends + second.ends
    assert not first.wrong + second.wrong
    assert ends.total() == STREAMS
    assert min(ends[end] for end in ("message_stop", "error", "left", "529")) > 10, ends
    # A connection may have been open still before.
    left = in_hand(soaked)
    assert {kind: max(0, left[kind] - before.get(kind, 0)) for kind in left} == dict.fromkeys(
        left, 0
    )
    assert grown < 10 * 1024 * 1024, f"{grown / 1024:.0f} KB more"
    assert "crashed" not in soaked.proxy.log and "Traceback" not in soaked.proxy.log
