"""A stream that goes on beside what a test does, an event every ten milliseconds, to see how long others
wait for theirs."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Callable

from tests import listening

PAUSE = 0.01
"""Seconds between two events."""

MODEL = "paced"

_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","type":"message",'
    b'"role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,'
    b'"usage":{"input_tokens":1,"output_tokens":1}}}\n\n'
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
    b'"content_block":{"type":"text","text":""}}\n\n'
)
_DELTA = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    b'"delta":{"type":"text_delta","text":"at %.6f, %.6f"}}\n\n'
)
_AT = re.compile(rb"at (\d+\.\d+), (\d+\.\d+)")


def work(process: int) -> Callable[[], float]:
    """Tells how many seconds of a processor's time a process has taken: unlike the time that goes by, they don't
    grow with what else the machine does."""
    clock = (~process << 3) | 2  # as clock_getcpuclockid(3) makes it on Linux
    return lambda: time.clock_gettime(clock)


class Provider(listening.Listener):
    """Answers each request with a stream that ends when its reader goes. Each event has the time at which
    it was sent, and how much time of a processor the proxy had taken by then."""

    def __init__(self) -> None:
        self.work: Callable[[], float] = lambda: 0.0
        super().__init__(self._stream)

    def _stream(self, client: socket.socket) -> None:
        client.recv(65536)
        client.sendall(_HEAD)
        while True:
            client.sendall(_DELTA % (time.perf_counter(), self.work()))
            time.sleep(PAUSE)


class Reader:
    """Reads such a stream as long as the context lasts. `worst` is the longest delay of an event in seconds,
    `most_work` the most that the proxy did between an event's coming and its going, in seconds of a processor's
    time, `events` how many came."""

    def __init__(
        self, port: int, work: Callable[[], float] = lambda: 0.0, *, head: bytes = b""
    ) -> None:
        """`work` as the provider's; `head`: more fields of the request."""
        self.worst = self.most_work = 0.0
        self._work = work
        self._head = head
        self.events = 0
        self._client = socket.create_connection(("127.0.0.1", port), 30)
        self._has_begun = threading.Event()
        self._thread = threading.Thread(target=self._read)

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._client.recv(65536):
                now, work = time.perf_counter(), self._work()
                for sent, worked in _AT.findall(data):
                    self.worst = max(self.worst, now - float(sent))
                    self.most_work = max(self.most_work, work - float(worked))
                    self.events += 1
                    self._has_begun.set()

    def __enter__(self) -> Reader:
        body = b'{"model":"%s","max_tokens":9,"messages":[],"stream":true}' % MODEL.encode()
        head = b"POST /v1/messages HTTP/1.1\r\nhost: x\r\n%bcontent-length: %d\r\n\r\n" % (
            self._head,
            len(body),
        )
        self._client.sendall(head + body)
        self._thread.start()
        assert self._has_begun.wait(30)
        self.worst = self.most_work = 0.0
        return self

    def __exit__(self, *exc: object) -> None:
        time.sleep(5 * PAUSE)
        self._client.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._client.close()
