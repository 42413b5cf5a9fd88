"""What the layer that works through attempts costs where nothing fails, and how soon it is done with
a provider that does.

Run as follows, after `uv sync --dev`: uv run python -m bench.failover

"bare" is mitmdump with a streaming addon, "layer" the same with our HTTP layer and nothing else of
ours, "ours" the whole proxy. Requests go to them in turn over a kept connection each, so that a
machine whose speed drifts does so for all.
"""

from __future__ import annotations

import contextlib
import functools
import tempfile
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import measure
from simulator import ports

REQUESTS = 400
STREAMS = 40
SWITCHES = 40

LAYER = """
import sys

sys.path.insert(0, {addons!r})

from claude_route import responses
from claude_route.dialects import usage
from claude_route.patches import client_tasks
from claude_route.patches import http_stream
from claude_route.proxy import layer
from claude_route.proxy import contract
from claude_route.proxy import reply
from claude_route.proxy import upstreams
from claude_route.wire import http_message


class Untouched:
    begun = True
    complete = False
    error = ""

    def __init__(self):
        self.meter = usage.Meter()

    def stream(self):
        return Untouched()

    def feed(self, event):
        self.complete = event.name == "message_stop"
        return event.raw

    def is_whole(self, event):
        return True

    def end(self):
        return b""

    def broken(self, why):
        return b""


class Attempt:
    tls = False
    account = ()
    limits = contract.Limits(10, 120, 300)

    def __init__(self, flow):
        self.flow = flow
        self.address = (flow.request.host, flow.request.port)

    def request(self, address):
        return http_message.like(self.flow.request)


class Exchange:
    def __init__(self, flow):
        self.flow = flow

    def begin(self):
        return Attempt(self.flow)

    def failed(self, failure):
        return responses.error(502, failure.detail)

    def reply(self, response):
        return reply.judge(response, Untouched())

    def committed(self, response):
        pass

    def interrupted(self, why):
        pass

    def closed(self, why):
        pass


class Policy:
    def arrives(self, request):
        pass

    def exchange(self, flow):
        return Exchange(flow) if flow.request.method == "POST" else None

    def passthrough(self, flow):
        return flow.request


reach = upstreams.Upstreams()
client_tasks.install()
http_stream.install(layer.made_for(Policy(), reach))
addons = [reach]
"""

FAULTS: dict[str, dict[str, Any]] = {
    **{str(status): {"status": status} for status in (429, 500, 503, 529)},
    "reset": {"before_head": "reset"},
    "first event": {"error_at": 0},
}
"""Model name -> the scenario of the simulator that it requests."""


@contextlib.contextmanager
def layer(behind: int) -> Iterator[tuple[int, int]]:
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "layer.py"
        script.write_text(LAYER.format(addons=str(measure.ROOT / "addons")))
        with measure.mitmdump(script, behind) as started:
            yield started


@contextlib.contextmanager
def switching(behind: int) -> Iterator[tuple[int, int]]:
    """The proxy with a fallback for every model; `refused` is served by nobody."""
    url = f"http://127.0.0.1:{behind}"
    keyed = {"auth": "bearer", "api_key": "bench-key-012345"}
    with measure.ours(
        behind,
        providers={
            "anthropic": {"base_url": url},
            "zai": {"base_url": f"{url}/provider", **keyed},
            "refused": {"base_url": f"http://127.0.0.1:{ports.free()}", **keyed},
            "silent": {"base_url": f"{url}/provider", **keyed, "first_byte_timeout": 0.2},
        },
        models={
            "glm": "zai/glm-5",
            "refused-*": "refused/m-*",
            "silent-*": "silent/silent-*",
            "claude-*": "anthropic/claude-*",
        },
        fallbacks={"refused-*": ["glm"], "silent-*": ["glm"], "claude-*": ["glm"]},
    ) as started:
        yield started


def timed(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def overhead(behind: int) -> None:
    with (
        measure.bare(behind) as bare,
        layer(behind) as alone,
        measure.ours(behind) as ours,
    ):
        ports, pids = zip(bare, alone, ours, strict=True)
        clients = [measure.Client(port) for port in ports]
        print("p50, ms                              bare   layer    ours   added by the layer")

        def compare(name: str, times: int, ask: Callable[[measure.Client], float]) -> None:
            before = [measure.processor_seconds(pid) for pid in pids]
            row(
                name, measure.in_turn([functools.partial(ask, client) for client in clients], times)
            )
            used = [
                measure.processor_seconds(pid) - start
                for pid, start in zip(pids, before, strict=True)
            ]
            row("… processor time, mean", [[each / (times + measure.WARM)] for each in used])

        body = measure.conversation(50_000)
        compare("time to first byte, 50 KB request", REQUESTS, lambda c: c.first_byte(body))
        stream = measure.conversation(2_000, model="claude-sim-long")
        compare("stream of 900 events", STREAMS, lambda c: timed(lambda: c.first_byte(stream)))


def row(name: str, columns: Sequence[Sequence[float]]) -> None:
    bare, alone, ours = (measure.median_ms(column) for column in columns)
    added = f"{alone - bare:+.2f} ms, × {alone / bare:.2f}"
    print(f"{name:34}{bare:7.2f} {alone:7.2f} {ours:7.2f}   {added}")


def switches(behind: int) -> None:
    """The first event of the fallback's answer, against asking the fallback at once."""
    with switching(behind) as (port, _):
        client = measure.Client(port)
        direct = measure.conversation(50_000, model="glm")
        print("\nfirst event after a failure, ms later than from the fallback itself   p50    max")
        names = [*FAULTS, "refused", "silent (after 0.2 s)"]
        for name in names:
            later = []
            for number in range(SWITCHES):
                # Each a model of its own: one that failed three times running would be skipped.
                prefix = name.split()[0] if name[0] in "rs" and name != "reset" else "claude"
                model = f"{prefix}-{name.replace(' ', '-')}-{number}"
                answer = FAULTS.get(name, {"before_head": "silence"})
                upstream = model.replace("refused-", "m-", 1)
                measure.tell(
                    behind, {"clear": True, "when": [{"model": upstream, "answer": answer}]}
                )
                itself = client.first_byte(direct)
                failed = client.first_byte(measure.conversation(50_000, model=model))
                later.append(failed - itself - (0.2 if prefix == "silent" else 0))
            print(f"{name:66}{measure.median_ms(later):7.2f} {max(later) * 1000:6.2f}")


def main() -> None:
    with measure.simulator() as behind:
        overhead(behind)
        switches(behind)


if __name__ == "__main__":
    main()
