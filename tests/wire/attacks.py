"""What hostile clients do to a listener, each for some seconds: a process of its own, so that the attackers'
work isn't the measuring client's.

To add an attack, write a function and put it into `ATTACKS`.

    python tests/wire/attacks.py REVERSE_PORT FORWARD_PORT KEY SECONDS [NAME ...]
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass

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
}
"""Attack -> how many threads make it at once."""


def main() -> None:
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
