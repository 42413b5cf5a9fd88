"""Bodies made to take memory or time, in both directions. Each is read or refused, and meanwhile others
are answered."""

from __future__ import annotations

import base64
import contextlib
import gzip
import os
import random
import re
import socket
import threading
import time
import zlib
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import brotli  # type: ignore[import-untyped]
import pytest
import zstandard
from mitmproxy import io

from tests.wire import paced_stream
from tests.wire import proxies

MB = 2**20

ZSTD_TWICE = base64.b64decode("KLUv/WBKdjUBAPAotS/9gGgAypo7TAAACAABAPz/ORACAgAQAANQBgABAKbc9jsG")
"""zstd(zstd(1 GB of zeros)), 48 bytes."""

WAIT = 0.25
"""Seconds that others may wait."""

SLACK = float(os.environ.get("SLACK", "8"))
"""Times as long, on a machine that is slow and busy: work that grows faster than a body takes minutes here.
`SLACK=1` shows how long it takes on one that is neither."""

START = b'{"model":"%s","max_tokens":9,"messages":['
RESULT = b'{"type":"tool_result","tool_use_id":"t","content":['
SPOKEN = START + b'{"role":"user","content":'
CALLED = (
    SPOKEN
    + b'"a"},{"role":"assistant","content":[{"type":"tool_use","id":"toolu_1","name":"t","input":'
)
ANSWERED = b'}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":"a"}]}]}'


class Upstream:
    """Reads requests without looking at their bodies, so that it takes no time, and answers all alike."""

    def __init__(self) -> None:
        self.answer = b""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.sizes: list[int] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            while True:
                head = b""
                while b"\r\n\r\n" not in head:
                    if not (data := client.recv(65536)):
                        return
                    head += data
                head, _, body = head.partition(b"\r\n\r\n")
                match = re.search(rb"(?i)content-length: *(\d+)", head)
                size, got = int(match[1]) if match else 0, len(body)
                while got < size:
                    got += len(client.recv(1 << 20)) or size
                self.sizes.append(size)
                client.sendall(self.answer)


def whole(body: bytes, *fields: bytes, kind: bytes = b"application/json") -> bytes:
    head = b"HTTP/1.1 200 OK", b"content-type: " + kind, *fields, b"content-length: %d" % len(body)
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def message(content: bytes) -> bytes:
    return (
        b'{"id":"m","type":"message","role":"assistant","model":"m","stop_reason":"end_turn",'
        b'"stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1},"content":%s}' % content
    )


GOOD = whole(message(b'[{"type":"text","text":"x"}]'))
COMPLETION = whole(
    b'{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"x"},'
    b'"finish_reason":"stop"}]}'
)


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    upstream = Upstream()
    yield upstream
    upstream.listener.close()


@pytest.fixture(scope="module")
def paced() -> Iterator[paced_stream.Provider]:
    paced = paced_stream.Provider()
    yield paced
    paced.close()


@pytest.fixture(scope="module")
def proxy(
    upstream: Upstream, paced: paced_stream.Provider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[proxies.Proxy]:
    proxy = proxies.Proxy(tmp_path_factory.mktemp("bodies"), profile(upstream, paced))
    paced.work = paced_stream.work(proxy.process.pid)
    yield proxy
    proxy.close()


def profile(upstream: Upstream, paced: paced_stream.Provider) -> dict[str, Any]:
    made = proxies.profile(upstream.url, pool={"tokens": list(proxies.POOL[:1])})
    made["providers"]["zai"]["base_url"] = upstream.url
    made["providers"]["kimi"] |= {"base_url": upstream.url, "api": "openai", "auth": "bearer"}
    made["providers"]["paced"] = {"base_url": paced.url, "auth": "none"}
    made["models"][paced_stream.MODEL] = "paced/x"
    return made


def send(port: int, wire: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), proxies.PATIENCE) as client:
        with contextlib.suppress(ConnectionError):  # it may be refused before all of it was sent
            client.sendall(wire)
        answer = b""
        with contextlib.suppress(ConnectionError):
            while data := client.recv(1 << 20):
                answer += data
        return answer


def post(body: bytes, *fields: bytes) -> bytes:
    head = b"POST /v1/messages HTTP/1.1", b"host: x", b"connection: close", *fields
    return b"\r\n".join((*head, b"content-length: %d" % len(body))) + b"\r\n\r\n" + body


class Meanwhile:
    """Asks for a small page again and again. `worst` is the longest wait in seconds."""

    def __init__(self, port: int) -> None:
        self.worst = 0.0
        self._port = port
        self._is_over = False
        self._thread = threading.Thread(target=self._ask)

    def _ask(self) -> None:
        while not self._is_over:
            began = time.perf_counter()
            send(
                self._port, b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
            )
            self.worst = max(self.worst, time.perf_counter() - began)
            time.sleep(0.01)

    def __enter__(self) -> Meanwhile:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._is_over = True
        self._thread.join()


def memory(proxy: proxies.Proxy, what: str = "VmHWM") -> int:
    """The proxy's memory in MB; at most so far, by default."""
    status = Path(f"/proc/{proxy.process.pid}/status").read_text()
    match = re.search(what + r":\s+(\d+)", status)
    assert match
    return int(match[1]) // 1024


def filled(
    start: bytes, unit: bytes, end: bytes, megabytes: float = 32, between: bytes = b","
) -> bytes:
    count = (int(megabytes * MB) - 100 - len(start) - len(end)) // (len(unit) + len(between))
    return start + between.join([unit] * count) + end


def calls(count: int, name: bytes = b"t") -> bytes:
    called = (
        b'{"type":"tool_use","id":"toolu_%x","name":"%s","input":{}}' % (n, name)
        for n in range(count)
    )
    results = (
        b'{"type":"tool_result","tool_use_id":"toolu_%x","content":"a"}' % n for n in range(count)
    )
    return b'%s{"role":"assistant","content":[%s]},{"role":"user","content":[%s]}]}' % (
        START, b",".join(called), b",".join(results),
    )  # fmt: skip


def same_calls(count: int) -> bytes:
    called = [b'{"type":"tool_use","id":"!","name":"t","input":{}}'] * count
    results = [b'{"type":"tool_result","tool_use_id":"!","content":"a"}'] * count
    return b'%s{"role":"assistant","content":[%s]},{"role":"user","content":[%s]}]}' % (
        START, b",".join(called), b",".join(results),
    )  # fmt: skip


SHAPES: dict[str, Callable[[], bytes]] = {
    "calls and results": lambda: calls(16_000),
    "calls and results, 25 MB": lambda: calls(200_000),
    "calls with one id": lambda: same_calls(12_000),
    "open brackets": lambda: filled(b'{"model":"%s","x":', b"[[[[", b"", between=b""),
    "open objects": lambda: filled(b'{"model":"%s","x":', b'{"a":', b"", between=b""),
    "closed brackets": lambda: b'{"model":"%%s","messages":[],"x":%s}' % (b"[" * 15 * MB + b"]" * 15 * MB),
    "deep, small": lambda: b'{"model":"%%s","x":%s%s,"messages":[]}' % (b'{"a":' * 90_000, b"1" + b"}" * 90_000),
    "escaped zeros": lambda: filled(SPOKEN + b'"', b"\\u0000", b'"}]}', between=b""),
    "halves of pairs": lambda: filled(SPOKEN + b'"', b"\\ud800 ", b'"}]}', between=b""),
    "backslashes": lambda: filled(SPOKEN + b'"\\ud800', b"\\\\", b'"}]}', between=b""),
    "pairs": lambda: filled(SPOKEN + b'"', b"\\ud83d\\ude00", b'"}]}', between=b""),
    "one text": lambda: filled(SPOKEN + b'"', b"hello, ", b'"}]}', between=b""),
    "quotes": lambda: filled(SPOKEN + b'"', b'\\"', b'"}]}', between=b""),
    "messages": lambda: filled(START, b'{"role":"user","content":"a"}', b"]}"),
    "blocks": lambda: filled(SPOKEN + b"[", b'{"type":"text","text":"a"}', b"]}]}"),
    "blocks, 2 MB": lambda: filled(SPOKEN + b"[", b'{"type":"text","text":" "}', b"]}]}", 1.9),
    "blocks of no type": lambda: filled(SPOKEN + b"[", b"{}", b"]}]}", 1.9),
    "results within results": lambda: SPOKEN + b"[" + RESULT * 400 + b'{"type":"text","text":"' + b"a" * 30 * MB + b'"}' + b"]}" * 400 + b"]}]}",
    "documents": lambda: filled(SPOKEN + b"[", b'{"type":"document","source":{"type":"text","media_type":"text/plain","data":"a"}}', b"]}]}", 1.9),
    "tools": lambda: filled(b'{"model":"%s","max_tokens":9,"messages":[],"tools":[', b'{"name":"a","input_schema":{"type":"object"}}', b"]}", 1.9),
    "fields": lambda: b'{"model":"%%s",%s,"messages":[]}' % b",".join(b'"%x":1' % n for n in range(2_000_000)),
    "a number": lambda: filled(b'{"model":"%s","messages":[],"max_tokens":', b"1", b"}", between=b""),
    "not UTF-8": lambda: filled(SPOKEN + b'"', b"\xff", b'"}]}', between=b""),
    "escapes, as many as may be": lambda: filled(SPOKEN + b'"', b"\\u0000", b'"}]}', 11.4, between=b""),
    "escapes in a key": lambda: filled(b'{"model":"%s","messages":[],"', b"\\n", b'":1}', 3.8, between=b""),
    "escapes in keys": lambda: filled(CALLED + b"{", b'"%b":1' % (b"\\u0041" * 60), b"}" + ANSWERED, 11),
    "escapes in a call": lambda: filled(CALLED + b'{"a":"', b"\\u0041", b'"}' + ANSWERED, 11.4, between=b""),
    "escaped slashes": lambda: filled(SPOKEN + b'[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"', b"abcdefghijklmnopqr\\/", b'"}}]}]}', between=b""),
    "distinct keys": lambda: CALLED + b"{%b}" % b",".join(b'"%x":1' % n for n in range(245_000)) + ANSWERED,
    "nested as deep as may be": lambda: filled(CALLED + b"[", b'{"a":' * 900 + b"1" + b"}" * 900, b"]" + ANSWERED, 1.4),
    "characters of four bytes": lambda: filled(SPOKEN + b'"', "\U0001f600".encode(), b'"}]}', between=b""),
    "a picture": lambda: filled(SPOKEN + b'[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"', b"abcd", b'"}}]}]}', between=b""),
    "commas and a cache point": lambda: filled(SPOKEN + b'[{"cache_control":{"type":"ephemeral"},"type":"text","text":"', b",", b'"}]}]}', between=b""),
    "large tools": lambda: filled(b'{"model":"%s","max_tokens":9,"messages":[],"tools":[', b'{"name":"a","description":"%b","input_schema":{"type":"object","properties":{"a":{"anyOf":[{"type":"string"},{"type":"null"}]}}}}' % (b"word\\n" * 500), b"]}", 20),
    "as many messages as may be": lambda: filled(START, b'{"role":"user","content":"%b"}' % (b"a" * 300), b"]}", 22),
    "reminders": lambda: filled(SPOKEN + b'"', b"<system-reminder>a</system-reminder>", b'"}]}', between=b""),
    "white space": lambda: filled(b'{"model":"%s",', b" ", b'"messages":[]}', between=b""),
}  # fmt: skip


@pytest.mark.parametrize("model", ["claude-x", "glm", "kimi"])  # Anthropic, Messages, Chat
@pytest.mark.parametrize("shape", SHAPES)
def test_a_body_of_any_shape(
    proxy: proxies.Proxy, upstream: Upstream, shape: str, model: str
) -> None:
    upstream.answer = COMPLETION if model == "kimi" else GOOD
    body = SHAPES[shape]().replace(b"%s", model.encode(), 1)
    assert len(body) <= 32 * MB
    with (
        Meanwhile(proxy.reverse_port) as meanwhile,
        paced_stream.Reader(proxy.reverse_port, paced_stream.work(proxy.process.pid)) as paced,
    ):
        began = time.perf_counter()
        answer = send(proxy.reverse_port, post(body))
        took = time.perf_counter() - began
    print(
        f"{shape:25} {model:9} {answer[9:12]!r} {took:.2f} s, others {meanwhile.worst:.3f} s, events {paced.worst:.3f} s, work {paced.most_work:.3f} s"
    )
    assert answer[9:12] in (b"200", b"400", b"413")
    assert meanwhile.worst < WAIT * SLACK
    assert paced.worst < WAIT * SLACK
    assert paced.most_work < WAIT
    assert took < 1 * SLACK


LONG_CREDENTIAL = b"sk-ant-api03-" + random.Random(1).randbytes(25_000).hex().encode()

SAVED: dict[str, Callable[[], bytes]] = {
    "escapes of URLs": lambda: filled(SPOKEN + b'"', b"%41", b'"}]}', 30, between=b""),
    "escapes of HTML": lambda: filled(SPOKEN + b'"', b"&#65;", b'"}]}', 30, between=b""),
    "words": lambda: filled(SPOKEN + b'"', b"a word ", b'"}]}', 30, between=b""),
    "a credential": lambda: SPOKEN + b'"' + LONG_CREDENTIAL + b'"}]}',
}


def test_a_body_that_is_saved(
    upstream: Upstream, paced: paced_stream.Provider, tmp_path: Path
) -> None:
    """With `-w`, all that is saved is searched for secrets."""
    upstream.answer = GOOD
    flows = tmp_path / "flows"
    proxy = proxies.Proxy(tmp_path, profile(upstream, paced), arguments=["-w", str(flows)])
    before, paced.work = paced.work, paced_stream.work(proxy.process.pid)
    try:
        for name, shape in SAVED.items():
            body = shape().replace(b"%s", b"claude-x", 1)
            with paced_stream.Reader(proxy.reverse_port, paced.work) as reader:
                wire = post(body).replace(b"\r\n", b"\r\nx-api-key: %b\r\n" % LONG_CREDENTIAL, 1)
                assert send(proxy.reverse_port, wire)[9:12] == b"200"
                expected = flows.stat().st_size + len(body) // 2 if len(body) > MB else 0
                proxies.wait_until(lambda size=expected: flows.stat().st_size >= size)
            print(f"{name:16} events {reader.worst:.3f} s, work {reader.most_work:.3f} s")
            assert reader.most_work < WAIT
    finally:
        paced.work = before
        proxy.close()
    assert flows.stat().st_mode & 0o077 == 0
    with flows.open("rb") as file:
        saved = list(io.FlowReader(file).stream())
    assert len(saved) >= len(SAVED)
    assert LONG_CREDENTIAL not in flows.read_bytes()


def zeros(megabytes: int) -> bytes:
    return bytes(megabytes * MB)


def small_members(member: bytes, count: int) -> bytes:
    return member * count


BOMBS: dict[str, Callable[[], tuple[bytes, bytes]]] = {
    "zstd twice": lambda: (b"zstd, zstd", ZSTD_TWICE),
    "zstd three times": lambda: (b"zstd, zstd, zstd", zstandard.compress(ZSTD_TWICE)),
    "gzip, zstd": lambda: (b"gzip, zstd", zstandard.compress(gzip.compress(zeros(300)))),
    "zstd, br": lambda: (b"zstd, br", brotli.compress(zstandard.compress(zeros(300)))),
    "zstd": lambda: (b"zstd", zstandard.compress(zeros(300))),
    "gzip": lambda: (b"gzip", gzip.compress(zeros(300), 1)),
    "deflate": lambda: (b"deflate", zlib.compress(zeros(300), 1)),
    "br": lambda: (b"br", brotli.compress(zeros(300), quality=3)),
    "what follows the end": lambda: (b"deflate", zlib.compress(b"{}") + b"x" * 20 * MB),
    "empty members": lambda: (b"gzip", gzip.compress(b"") * (20 * MB // 20)),
    "empty frames": lambda: (b"zstd", zstandard.compress(b"") * (8 * MB // 9)),
    "a window of 2 GB": lambda: (b"zstd", b"\x28\xb5\x2f\xfd\x00\xa8" + b"\x01\x00\x00" * 9),
}


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("side", ["request", "answer", "stream", "error"])
def test_a_bomb(proxy: proxies.Proxy, upstream: Upstream, bomb: str, side: str) -> None:
    encoding, data = BOMBS[bomb]()
    field = b"content-encoding: " + encoding
    asked = post(b'{"model":"glm","max_tokens":9,"messages":[],"stream":false}')
    upstream.answer = GOOD
    if side == "request":
        asked = post(data, field)
    elif side == "stream":
        upstream.answer = whole(data, field, kind=b"text/event-stream")
        asked = asked.replace(b"false", b"true ")
    else:
        upstream.answer = whole(data, field)
    if side == "error":
        upstream.answer = upstream.answer.replace(b"200 OK", b"400 No")
    Path(f"/proc/{proxy.process.pid}/clear_refs").write_text("5")  # the peak begins again
    before = memory(proxy, "VmRSS")
    with (
        Meanwhile(proxy.reverse_port) as meanwhile,
        paced_stream.Reader(proxy.reverse_port, paced_stream.work(proxy.process.pid)) as paced,
    ):
        began = time.perf_counter()
        answer = send(proxy.reverse_port, asked)
        took = time.perf_counter() - began
    grown = memory(proxy) - before
    print(
        f"{bomb:25} {side:9} {answer[9:12]!r} {took:.2f} s, others {meanwhile.worst:.3f} s, events {paced.worst:.3f} s, work {paced.most_work:.3f} s, {grown} MB"
    )
    assert answer[9:12] in (b"400", b"413", b"502", b"500")
    assert meanwhile.worst < WAIT * SLACK
    assert paced.worst < WAIT * SLACK
    assert paced.most_work < WAIT
    assert took < 1 * SLACK
    assert grown < 400


def events(unit: bytes, megabytes: float = 16) -> bytes:
    start = b'event: message_start\ndata: {"type":"message_start","message":%s}\n\n' % message(
        b"[]"
    )
    block = b'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n'
    return start + block + unit * int(megabytes * MB / len(unit))


def delta(text: bytes) -> bytes:
    return (
        b"event: content_block_delta\n"
        b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"%b"}}\n\n'
        % text
    )


def completion(delta: bytes) -> bytes:
    return b'data: {"choices":[{"index":0,"delta":%s}]}\n\n' % delta


ANSWERS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "empty lines": ("glm", lambda: events(b"\n", 4)),
    "empty lines of Anthropic's": ("claude-x", lambda: events(b"\n", 4)),
    "empty lines of completions": ("kimi", lambda: completion(b'{"content":"a"}') + b"\n" * 4 * MB),
    "comments": ("glm", lambda: events(b":\n\n", 4)),
    "comments of completions": ("kimi", lambda: completion(b'{"content":"a"}') + b": x\n\n" * MB),
    "returns": ("glm", lambda: events(b"\r", 4)),
    "returns and line ends": ("glm", lambda: events(b"\r\n", 4)),
    "other fields": ("glm", lambda: events(b"id: 1\n\n", 4)),
    "an endless line": ("glm", lambda: events(b"x")),
    "an endless event": ("glm", lambda: events(b"data:\n")),
    "empty deltas": ("glm", lambda: events(b"data: {}\n\n", 1)),
    "empty chunks": ("kimi", lambda: b"data: {}\n\n" * 200_000),
    "blank text": ("kimi", lambda: completion(b'{"content":"  "}') * 60_000),
    "calls without an index": (
        "kimi",
        lambda: b"".join(
            completion(b'{"tool_calls":[{"id":"c%d","function":{"name":"t","arguments":"{}"}}]}' % n)
            for n in range(20_000)
        ),
    ),
    "a call that never ends": (
        "kimi",
        lambda: completion(b'{"tool_calls":[{"index":0,"id":"c","function":{"name":"t","arguments":"{\\"a\\":\\""}}]}')
        + completion(b'{"tool_calls":[{"index":0,"function":{"arguments":"aaaaaaaaaaaaaaaaaaaa}"}}]}') * 40_000,
    ),
    "an event of escapes": ("glm", lambda: events(b"x", 0) + delta(b"\\u0041" * 2_600_000)),
    "an event of escapes of Anthropic's": (
        "claude-x",
        lambda: events(b"x", 0) + delta(b"\\u0041" * 2_600_000),
    ),
    "a completion of escapes": ("kimi", lambda: completion(b'{"content":"%b"}' % (b"\\u0041" * 2_600_000))),
    "small events": ("glm", lambda: events(delta(b"a"), 16)),
    "small events of Anthropic's": ("claude-x", lambda: events(delta(b"a"), 16)),
    "small events of completions": ("kimi", lambda: completion(b'{"content":"a"}') * 200_000),
    "details": (
        "kimi",
        lambda: b"".join(
            completion(b'{"reasoning_details":[{"type":"reasoning.text","text":"abc","index":%d}]}' % n)
            for n in range(20_000)
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_stream_of_any_shape(proxy: proxies.Proxy, upstream: Upstream, answer: str) -> None:
    model, make = ANSWERS[answer]
    upstream.answer = whole(make(), kind=b"text/event-stream")
    asked = post(b'{"model":"%s","max_tokens":9,"messages":[],"stream":true}' % model.encode())
    with (
        Meanwhile(proxy.reverse_port) as meanwhile,
        paced_stream.Reader(proxy.reverse_port, paced_stream.work(proxy.process.pid)) as paced,
    ):
        began = time.perf_counter()
        got = send(proxy.reverse_port, asked)
        took = time.perf_counter() - began
    print(
        f"{answer:26} {len(upstream.answer) / MB:.1f} MB, {got[9:12]!r} {took:.2f} s, others {meanwhile.worst:.3f} s, events {paced.worst:.3f} s, work {paced.most_work:.3f} s"
    )
    assert meanwhile.worst < WAIT * SLACK
    assert paced.worst < WAIT * SLACK
    assert paced.most_work < WAIT


WHOLE: dict[str, Callable[[], bytes]] = {
    "blocks": lambda: filled(b"[", b'{"type":"text","text":"a"}', b"]"),
    "calls": lambda: filled(b"[", b'{"type":"tool_use","id":"a","name":"t","input":{}}', b"]", 8),
    "brackets": lambda: b"[" * 32 * MB,
    "numbers": lambda: filled(b"[", b"1", b"]"),
    "escapes": lambda: filled(b'[{"type":"text","text":"', b"\\u0041", b'"}]', between=b""),
    "escapes, as many as may be": lambda: filled(b'[{"type":"text","text":"', b"\\u0041", b'"}]', 11.4, between=b""),
    "one text": lambda: filled(b'[{"type":"text","text":"', b"hello, ", b'"}]', between=b""),
    "half a pair": lambda: filled(b'[{"type":"text","text":"\\ud800', b"hello, ", b'"}]', between=b""),
}  # fmt: skip


@pytest.mark.parametrize("model", ["glm", "kimi"])
@pytest.mark.parametrize("answer", WHOLE)
def test_a_whole_answer_of_any_shape(
    proxy: proxies.Proxy, upstream: Upstream, answer: str, model: str
) -> None:
    upstream.answer = whole(message(WHOLE[answer]()))
    asked = post(b'{"model":"%s","max_tokens":9,"messages":[],"stream":false}' % model.encode())
    with (
        Meanwhile(proxy.reverse_port) as meanwhile,
        paced_stream.Reader(proxy.reverse_port, paced_stream.work(proxy.process.pid)) as paced,
    ):
        began = time.perf_counter()
        got = send(proxy.reverse_port, asked)
        took = time.perf_counter() - began
    print(
        f"{answer:25} {model} {got[9:12]!r} {took:.2f} s, others {meanwhile.worst:.3f} s, events {paced.worst:.3f} s, work {paced.most_work:.3f} s"
    )
    assert meanwhile.worst < WAIT * SLACK
    assert paced.worst < WAIT * SLACK
    assert paced.most_work < WAIT
