"""All attacks of `attacks.ATTACKS` at once, while a client streams."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import simulator
from simulator import answers
from tests import paths
from tests.wire import attacks
from tests.wire import paced_stream
from tests.wire import proxies
from tests.wire import test_limits as limits

pytestmark = [pytest.mark.soak]

KEY = "static-key-0123456789"
SECONDS = float(os.environ.get("HOSTILE_SECONDS", "30"))
"""How long the attacks go on; at most two minutes."""

WARM_UP = 8.0
SETTLE = 3.0
"""Seconds."""

PACE = 0.05
"""Seconds between two events of the streams."""

DELAY = 0.25
"""Seconds that an event should be late at most because of the attacks."""

GROWTH = 1.2
"""How many times the memory before should be left after them."""

SLACK = float(os.environ.get("SLACK", "8"))
"""Times as much, on a machine that is slow and busy: who is locked out waits for minutes. `SLACK=1` asks for the
figures themselves."""

HURRY = -10
"""Their priority, by nice(2)."""

LAG = '''
"""Writes how much processor time goes by between two turns of a timer: how long the event loop keeps everybody
waiting, however busy the machine is with other processes."""
import asyncio, pathlib, time
async def tick():
    before = time.thread_time()
    with open(pathlib.Path(__file__).with_name("lag"), "a", buffering=1) as file:
        while True:
            await asyncio.sleep(0.01)
            now = time.thread_time()
            if now - before > 0.02:
                file.write(f"{time.time()} {now - before}\\n")
            before = now
def running():
    global task
    task = asyncio.get_running_loop().create_task(tick())
'''


def answered(client: httpx.Client, body: object) -> httpx.Response:
    """An answer that is to be read. A connection that is kept may be closed for want of room just when it is used
    again: then the client asks once more."""
    request = client.build_request("POST", "/v1/messages", json=body)
    try:
        return client.send(request, stream=True)
    except httpx.RemoteProtocolError:
        return client.send(request, stream=True)


def gaps(client: httpx.Client, seconds: float) -> list[float]:
    """Stream for this long. For each event, how many seconds later it came than its pace."""
    late: list[float] = []
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        request = proxies.message("glm", stream=True)
        with contextlib.closing(answered(client, request)) as answer:
            assert answer.status_code == 200, answer.read()
            before = None
            for _ in answer.iter_raw():
                now = time.monotonic()
                if before is not None:
                    late.append(max(0.0, now - before - PACE))
                before = now
    return late


def attacked(proxy: proxies.Proxy, seconds: float) -> subprocess.Popen[bytes]:
    what = proxy.reverse_port, proxy.proxy_port, KEY, seconds
    attackers = subprocess.Popen(
        [sys.executable, "-m", attacks.__name__, *map(str, what)],
        cwd=paths.ROOT,
        stdout=subprocess.PIPE,
    )
    assert attackers.stdout
    assert attackers.stdout.readline(), "their bodies are made"
    return attackers


@contextlib.contextmanager
def hurrying(*processes: int) -> Iterator[None]:
    """These processes come before all that others do on this machine, if we may say so. The attackers come
    last by themselves."""
    before = {each: os.getpriority(os.PRIO_PROCESS, each) for each in processes}
    with contextlib.suppress(PermissionError):
        for process in processes:
            prioritize(process, HURRY)
    yield
    with contextlib.suppress(PermissionError):
        for process, priority in before.items():
            prioritize(process, priority)


def prioritize(process: int, priority: int) -> None:
    for thread in Path(f"/proc/{process}/task").iterdir():
        with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
            os.setpriority(os.PRIO_PROCESS, int(thread.name), priority)


class Streams:
    """Two streams at once: one through the proxy and one past it, which shows how busy the machine is."""

    def __init__(self, through: httpx.Client, past: httpx.Client, seconds: float) -> None:
        self.late: dict[str, list[float]] = {}

        def run(name: str, client: httpx.Client) -> None:
            self.late[name] = gaps(client, seconds)

        self._threads = [
            threading.Thread(target=run, args=each)
            for each in (("through", through), ("past", past))
        ]
        for each in self._threads:
            each.start()

    def worst(self) -> dict[str, float]:
        for each in self._threads:
            each.join(SECONDS + 60)
        return {name: max(late) for name, late in self.late.items()}


def test_others_are_served_while_all_attack_at_once(
    start: Callable[..., proxies.Proxy], sim: simulator.Simulator, tmp_path: Path
) -> None:
    script = tmp_path / "lag.py"
    script.write_text(LAG)
    text = answers.Text(" ".join(["word"] * 250))
    sim.default(answers.Answer(content=(text,), event_delay=PACE))
    paced = paced_stream.Provider()
    profile = proxies.profile(sim.url)
    profile["providers"]["paced"] = {"base_url": paced.url, "auth": "none"}
    profile["models"][paced_stream.MODEL] = "paced/x"
    proxy = start(
        profile,
        behind=sim.url,
        arguments=("-s", str(script), "--set", "body_timeout=10", "--set", "head_timeout=10"),
        environ={"PROXY_STATIC_TOKEN": KEY},
    )
    headers = {"x-litellm-api-key": KEY}
    past = httpx.Client(
        base_url=f"{sim.url}/provider/zai",
        headers={"authorization": "Bearer zai-key-0123456789", "anthropic-version": "2023-06-01"},
        trust_env=False,
        timeout=proxies.PATIENCE,
    )
    paced.work = paced_stream.work(proxy.process.pid)
    login = f"x-litellm-api-key: {KEY}\r\n".encode()
    hurry = hurrying(proxy.process.pid, os.getpid())
    with proxy.client(headers=headers) as through, past, hurry:
        quiet = Streams(through, past, 5).worst()
        fresh = limits.memory(proxy)
        # Python keeps the memory of the first thousands of connections, for the next: what must not
        # happen is that more comes with each.
        attacked(proxy, WARM_UP).wait(WARM_UP + 60)
        time.sleep(SETTLE)
        before, began = limits.memory(proxy), time.time()
        # Its stream has begun before: who asks for one meanwhile may find no place.
        with paced_stream.Reader(proxy.reverse_port, paced.work, head=login) as reader:
            attackers = attacked(proxy, SECONDS)
            loaded = Streams(through, past, SECONDS).worst()
        paced.close()
        attackers.wait(SECONDS + 60)
        lags = [
            float(lag)
            for at, lag in map(str.split, (tmp_path / "lag").read_text().splitlines())
            if float(at) > began
        ]
        lag = max(lags, default=0.0)
        peak = limits.memory(proxy)
        with contextlib.suppress(AssertionError):
            proxies.wait_until(lambda: limits.memory(proxy) < before * GROWTH, seconds=20)
        after = limits.memory(proxy)
    print(
        json.dumps({"quiet": quiet, "loaded": loaded, "lag": lag, "work": reader.most_work}),
        f"{fresh:.0f}, {before:.0f}, {peak:.0f}, {after:.0f} MB",
    )
    assert after < before * (1 + (GROWTH - 1) * min(SLACK, 5))
    assert lag < DELAY * SLACK
    # What the proxy did for others between an event's coming and its going, in a processor's time.
    assert reader.most_work < DELAY * SLACK
    # Beyond what the machine itself keeps events waiting: the same client sees it past the proxy.
    assert loaded["through"] - loaded["past"] < DELAY * SLACK
    assert "Traceback" not in proxy.log
