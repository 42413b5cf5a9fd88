"""What looking costs: a page of a large request, and answers that grow in mitmweb while they stream.

Run as follows, after `uv sync --dev`: uv run python -m bench.views

The pages are made in this process. For the streams, mitmweb runs with and without live capture, both
at once so that both suffer the same from whatever else the machine does, a browser looking on at each;
what counts is the ratio of the processor time that the two take.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from typing import NamedTuple

import tornado.httpclient
import tornado.websocket

from bench import measure
from simulator import ports

sys.path.insert(0, str(measure.ROOT / "addons"))

from claude_route.dialects import registry
from claude_route.dialects.messages import streams as messages_streams
from claude_route.watch.views import answers
from claude_route.watch.views import conversation
from claude_route.wire import sse

MESSAGES = registry.MESSAGES
STREAMS = 100
ROUNDS = 5
REQUEST = 50_000
"""Bytes, about a short session of Claude Code."""
EVENT_DELAY = 0.05
"""Seconds: 20 events a second, as models write."""
DELTAS = 150
DELTA = "twelve chars"

WITHOUT_CAPTURE = """
import capture
capture.Capture.responseheaders = lambda self, flow: None
"""


def main() -> None:
    pages()
    streams()


def pages() -> None:
    request = measure.conversation(1_000_000)
    wire = answer_wire(1_000_000)
    print(f"ms for a page of {len(request):,} bytes, or of {len(wire):,} for an answer")
    print(f"  request         {timed(lambda: conversation.render(request, MESSAGES)):7.1f}")
    print(
        f"  request, full   {timed(lambda: conversation.render(request, MESSAGES, full=True)):7.1f}"
    )
    print(
        f"  answer          {timed(lambda: answers.render(MESSAGES.fold(wire, is_stream=True), ABOUT)):7.1f}"
    )
    events = sse.Decoder().feed(wire)
    print(
        f"  the answer's {len(events):,} events as they pass {timed(lambda: passing(events)):.1f}"
    )


ABOUT = answers.About()


def passing(events: list[sse.Event]) -> None:
    stream = messages_streams.Stream()
    for event in events:
        stream.feed(event)


def timed(call: Callable[[], object], rounds: int = 15) -> float:
    """The median of the processor time, in milliseconds."""
    times = []
    for _ in range(rounds):
        began = time.process_time()
        call()
        times.append(time.process_time() - began)
    return measure.median_ms(times)


def answer_wire(size: int) -> bytes:
    delta = {"type": "text_delta", "text": DELTA}
    event = {"type": "content_block_delta", "index": 0, "delta": delta}
    wire = sse.encode("content_block_delta", json.dumps(event, separators=(",", ":")).encode())
    block: dict[str, Any] = {
        "type": "content_block_start",
        "index": 0,
        "content_block": {"type": "text"},
    }
    message: dict[str, Any] = {
        "type": "message_start",
        "message": {"id": "msg_1", "usage": {"input_tokens": 9}},
    }
    head = [sse.encode(one["type"], json.dumps(one).encode()) for one in (message, block)]
    return b"".join(head) + wire * (size // len(wire))


def streams() -> None:
    print(
        f"\n{STREAMS} streams of {1 / EVENT_DELAY:.0f} events a second, seconds of processor time"
    )
    print("without   with   ratio")
    ratios = []
    with measure.simulator() as behind:
        answer = {
            "content": [{"type": "text", "text": DELTA * DELTAS}],
            "event_delay": EVENT_DELAY,
        }
        measure.tell(behind, {"default": answer})
        with mitmweb(behind, WITHOUT_CAPTURE) as without, mitmweb(behind, "") as through:
            for _ in range(ROUNDS):
                took = asyncio.run(costs(without, through))
                ratios.append(took[1] / took[0])
                print(f"{took[0]:7.2f} {took[1]:6.2f} {ratios[-1]:7.2f}")
    print(f"median          {statistics.median(ratios):7.2f}")


class Started(NamedTuple):
    """A mitmweb."""

    port: int
    """The port of its reverse listener."""
    web: int
    pid: int


@contextlib.contextmanager
def mitmweb(behind: int, script: str) -> Iterator[Started]:
    port, web = ports.free(), ports.free()
    url = f"http://127.0.0.1:{behind}"
    profile = {
        "providers": {"anthropic": {"base_url": url}},
        "models": {"claude-*": "anthropic/claude-*"},
    }
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "bench.yaml").write_text(json.dumps(profile))
        (Path(folder) / "more.py").write_text(script)
        command = [
            str(Path(sys.executable).parent / "mitmweb"),
            *("-s", str(measure.ROUTE), "-s", f"{folder}/more.py"),
            *("--set", f"profile={folder}/bench.yaml", "--set", f"web_port={web}"),
            *("--set", "web_password=bench", "--set", "termlog_verbosity=error"),
            *("--no-web-open-browser", "--mode", f"reverse:{url}@127.0.0.1:{port}"),
        ]
        with measure.running(command, web) as process:
            yield Started(port, web, process.pid)


async def costs(*started: Started) -> list[float]:
    """Seconds of processor time that each takes for all its streams, on a connection each."""
    browsers = [await look_on(one.web) for one in started]
    before = [measure.processor_seconds(one.pid) for one in started]
    await asyncio.gather(*(stream(one.port) for _ in range(STREAMS) for one in started))
    after = [measure.processor_seconds(one.pid) for one in started]
    for browser in browsers:
        browser.close()
    return [end - start for start, end in zip(before, after, strict=True)]


async def look_on(web: int) -> Any:
    """What a browser has open; it reads along."""
    request = tornado.httpclient.HTTPRequest(
        f"ws://127.0.0.1:{web}/updates", headers={"Authorization": "Bearer bench"}
    )
    return await tornado.websocket.websocket_connect(request, on_message_callback=lambda _: None)


async def stream(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = (
        f"POST /v1/messages HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nx-api-key: bench\r\n"
        "anthropic-version: 2023-06-01\r\ncontent-type: application/json\r\n"
        f"connection: close\r\ncontent-length: {len(BODY)}\r\n\r\n"
    )
    writer.write(head.encode() + BODY)
    answer = await reader.read()
    writer.close()
    if b"message_stop" not in answer:
        raise RuntimeError(f"expected a whole answer, got {answer[-200:]!r}")


BODY = measure.conversation(REQUEST)


if __name__ == "__main__":
    main()
