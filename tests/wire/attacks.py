"""What hostile clients do to a listener, each for some seconds: a process of its own, so that the attackers'
work isn't the measuring client's.

To add an attack, write a function and put it into `ATTACKS`.

    python -m tests.wire.attacks REVERSE_PORT FORWARD_PORT KEY SECONDS [NAME ...]
"""

from __future__ import annotations

import base64
import contextlib
import functools
import gzip
import itertools
import json
import os
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass

import brotli  # type: ignore[import-untyped]
import zstandard

from tests.wire import http2_wire as h2

MEGABYTE = 1024 * 1024
TIMEOUT = 5.0
"""Seconds."""


@dataclass(frozen=True)
class Prey:
    reverse: int
    forward: int
    key: str
    until: float
    """By time.monotonic()."""

    @property
    def is_on(self) -> bool:
        return time.monotonic() < self.until

    @contextlib.contextmanager
    def connected(self, port: int | None = None) -> Iterator[socket.socket]:
        with socket.create_connection(("127.0.0.1", port or self.reverse), TIMEOUT) as raw:
            yield raw

    def head(self, *fields: str, length: int = 0) -> bytes:
        lines = ("POST /v1/messages HTTP/1.1", "host: x", *fields, f"content-length: {length}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    @property
    def login(self) -> str:
        return f"x-litellm-api-key: {self.key}"


type Attack = Callable[[Prey], None]


def many(prey: Prey, count: int, wire: bytes, drip: bytes, *, port: int | None = None) -> None:
    """Connections that begin with something, and go on a little each second."""
    made: list[socket.socket] = []
    while prey.is_on:
        while len(made) < count:
            try:
                made.append(socket.create_connection(("127.0.0.1", port or prey.reverse), TIMEOUT))
                made[-1].setblocking(False)
                made[-1].send(wire)
            except OSError:
                break
        if drip:
            for each in list(made):
                try:
                    each.send(drip)
                except OSError:
                    each.close()
                    made.remove(each)
        time.sleep(1)


def flood(prey: Prey, wire: bytes) -> None:
    """Requests, each as soon as the last was answered."""
    while prey.is_on:
        with contextlib.suppress(OSError), prey.connected() as raw:
            while prey.is_on:
                raw.sendall(wire)
                if not raw.recv(65536):
                    break


def pour(prey: Prey, head: bytes, piece: bytes) -> None:
    """All that the network takes."""
    while prey.is_on:
        with contextlib.suppress(OSError), prey.connected() as raw:
            raw.sendall(head)
            while prey.is_on:
                raw.sendall(piece)


def silent(prey: Prey) -> None:
    many(prey, 1000, b"", b"")


def silent_forward(prey: Prey) -> None:
    many(prey, 1000, b"", b"", port=prey.forward)


def slow_heads(prey: Prey) -> None:
    many(prey, 200, b"GET / HTTP/1.1\r\nx: ", b"x")


def slow_handshakes(prey: Prey) -> None:
    many(prey, 100, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"x", port=prey.forward)


def slow_bodies(prey: Prey) -> None:
    many(prey, 100, prey.head(prey.login, length=10_000_000), b" ")


def without_a_key(prey: Prey) -> None:
    flood(prey, prey.head(length=2) + b"{}")


def with_a_key(prey: Prey) -> None:
    flood(prey, prey.head(prey.login, length=2) + b"{}")


def health(prey: Prey) -> None:
    flood(prey, b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")


def connections(prey: Prey) -> None:
    while prey.is_on:
        with contextlib.suppress(OSError), prey.connected():
            pass


def handshakes(prey: Prey) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    while prey.is_on:
        with contextlib.suppress(OSError), prey.connected() as raw:
            context.wrap_socket(raw, server_hostname="localhost").close()


def endless_head(prey: Prey) -> None:
    pour(prey, b"GET / HTTP/1.1\r\n", b"x-a: " + b"a" * MEGABYTE + b"\r\n")


def many_fields(prey: Prey) -> None:
    pour(prey, b"GET / HTTP/1.1\r\n", b"a:\r\n" * 10_000)


def endless_line(prey: Prey) -> None:
    pour(prey, b"", b"A" * MEGABYTE)


def endless_chunk(prey: Prey) -> None:
    pour(
        prey,
        f"POST /v1/messages HTTP/1.1\r\n{prey.login}\r\ntransfer-encoding: chunked\r\n\r\n".encode(),
        b"0" * MEGABYTE,
    )


def behind_a_request(prey: Prey) -> None:
    body = json.dumps({"model": "glm", "max_tokens": 1, "messages": [], "stream": True}).encode()
    pour(prey, prey.head(prey.login, length=len(body)) + body, b"a" * MEGABYTE)


def garbage(prey: Prey) -> None:
    pour(prey, b"", b"\x00\xff\r\n\r\n" * 1000)


PAUSE = 0.5
"""Seconds between two bodies of megabytes. They are to weigh on the proxy, not on the network."""

ZSTD_TWICE = base64.b64decode("KLUv/WBKdjUBAPAotS/9gGgAypo7TAAACAABAPz/ORACAgAQAANQBgABAKbc9jsG")
"""zstd(zstd(1 GB of zeros)), 48 bytes."""


@functools.cache
def packed() -> tuple[tuple[str, bytes], ...]:
    """Codings and bodies that are much larger than they look."""
    zeros = bytes(300 * MEGABYTE)
    return (
        ("zstd, zstd", ZSTD_TWICE),
        ("zstd", zstandard.compress(zeros)),
        ("gzip", gzip.compress(zeros, 1)),
        ("br", brotli.compress(zeros, quality=3)),
        ("gzip, zstd", zstandard.compress(gzip.compress(zeros, 1))),
        ("gzip", gzip.compress(b"") * 400_000),
        ("zstd", b"\x28\xb5\x2f\xfd\x00\xa8" + b"\x01\x00\x00" * 9),
    )


def bombs(prey: Prey) -> None:
    wires = [
        prey.head(prey.login, f"content-encoding: {coding}", length=len(body)) + body
        for coding, body in packed()
    ]
    again_and_again(prey, wires)


@functools.cache
def slow_to_read() -> tuple[bytes, ...]:
    spoken = b'{"model":"%s","max_tokens":9,"messages":[{"role":"user","content":'
    called = [b'{"type":"tool_use","id":"!","name":"t","input":{}}'] * 12_000
    results = [b'{"type":"tool_result","tool_use_id":"!","content":"a"}'] * 12_000
    return (
        b'{"model":"glm","x":' + b"[" * 4 * MEGABYTE,
        b'{"model":"glm","x":' + b'{"a":' * 90_000 + b"1" + b"}" * 90_000 + b"}",
        spoken % b"glm" + b'"' + b"\\ud83d\\ude00" * 400_000 + b'"}]}',
        spoken % b"claude-x" + b"[" + b",".join([b'{"type":"text","text":" "}'] * 70_000) + b"]}]}",
        b'{"model":"glm",%s,"messages":[]}' % b",".join(b'"%x":1' % n for n in range(200_000)),
        b'{"model":"glm","max_tokens":9,"messages":[{"role":"assistant","content":[%s]},'
        b'{"role":"user","content":[%s]}]}' % (b",".join(called), b",".join(results)),
    )


def shapes(prey: Prey) -> None:
    wires = [prey.head(prey.login, length=len(each)) + each for each in slow_to_read()]
    again_and_again(prey, wires)


def again_and_again(prey: Prey, wires: Sequence[bytes]) -> None:
    """Each on a connection of its own, in turn."""
    for wire in itertools.cycle(wires):
        if not prey.is_on:
            return
        with contextlib.suppress(OSError), prey.connected() as raw:
            with contextlib.suppress(OSError):  # it may be refused before all of it was sent
                raw.sendall(wire)
            raw.recv(65536)
        time.sleep(PAUSE)


def http2(prey: Prey, wires: Sequence[bytes], *, pause: float = 0.0) -> None:
    """Connections that begin as HTTP/2 does, and go on like this until they are closed."""
    for wire in itertools.cycle(wires):
        if not prey.is_on:
            return
        with contextlib.suppress(OSError), prey.connected() as raw, h2.opened(raw) as stream:
            stream.settimeout(TIMEOUT)
            with contextlib.suppress(OSError):
                stream.sendall(h2.PREFACE + h2.settings() + wire)
            while stream.recv(65536):
                pass
        time.sleep(pause)


ASK = h2.request("/v1/messages")
OPEN, WHOLE = h2.END_HEADERS, h2.END_HEADERS | h2.END_STREAM


def http2_frames(prey: Prey) -> None:
    frames = (
        h2.frame(0xBB, payload=b"x" * 10),
        h2.frame(h2.WINDOW_UPDATE, payload=b"\0\0\0\1"),
        h2.frame(h2.PING, payload=b"12345678"),
        h2.settings((4, 1)),
        h2.settings(*[(0x99, 1)] * 10_000),
        h2.frame(h2.PRIORITY, 0, 1, b"\0\0\0\3\1"),
        h2.frame(h2.RST_STREAM, 0, 1, b"\0\0\0\x08"),
    )
    http2(prey, [frame * (MEGABYTE // len(frame)) for frame in frames], pause=0.1)


def http2_streams(prey: Prey) -> None:
    begun = h2.frame(h2.HEADERS, OPEN, 1, ASK)
    cut = h2.frame(h2.HEADERS, 0, 1, ASK)
    bomb = ASK + b"\x40" + h2.literal("x") + h2.literal("y" * 100) + b"\xbe" * 50_000
    wires = (
        begun + h2.frame(h2.DATA, 0, 1) * 5000,
        begun + h2.frame(h2.DATA, 0, 1, b"x") * 5000,
        begun + h2.frame(h2.DATA, 8, 1, b"\xff" + bytes(255)) * 5000,
        cut + h2.frame(h2.CONTINUATION, 0, 1) * 5000,
        cut + h2.frame(h2.CONTINUATION, 0, 1, b"\0\1x\x7f\x80\xff\x07" + bytes(100_000)) * 9,
        b"".join(
            h2.frame(h2.HEADERS, WHOLE, stream, ASK)
            + h2.frame(h2.RST_STREAM, 0, stream, b"\0\0\0\x08")
            for stream in range(1, 4000, 2)
        ),
        h2.frame(h2.HEADERS, WHOLE, 1, bomb),
    )
    http2(prey, wires, pause=0.1)


def http2_without_a_window(prey: Prey) -> None:
    """Requests whose answers nobody takes."""
    wire = h2.settings((4, 0)) + b"".join(
        h2.frame(h2.HEADERS, WHOLE, stream, h2.request("/health", method="GET"))
        for stream in range(1, 100, 2)
    )
    http2(prey, [wire])


ATTACKS: dict[Attack, int] = {
    silent: 1,
    silent_forward: 1,
    slow_heads: 1,
    slow_handshakes: 1,
    slow_bodies: 1,
    without_a_key: 8,
    with_a_key: 2,
    health: 4,
    connections: 2,
    handshakes: 1,
    endless_head: 1,
    many_fields: 1,
    endless_line: 1,
    endless_chunk: 1,
    behind_a_request: 1,
    garbage: 1,
    bombs: 1,
    shapes: 1,
    http2_frames: 1,
    http2_streams: 1,
    http2_without_a_window: 1,
}
"""Attack -> how many threads make it at once."""


def main() -> None:
    # Those who are attacked, and those who measure it, come first where the machine is shared.
    os.setpriority(os.PRIO_PROCESS, 0, 19)
    packed()
    slow_to_read()
    print("ready", flush=True)
    reverse, forward, key, seconds, *names = sys.argv[1:]
    prey = Prey(int(reverse), int(forward), key, time.monotonic() + float(seconds))
    threads = [
        threading.Thread(target=attack, args=(prey,), daemon=True)
        for attack, count in ATTACKS.items()
        if not names or attack.__name__ in names
        for _ in range(count)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join(float(seconds) + 2 * TIMEOUT)


if __name__ == "__main__":
    main()
