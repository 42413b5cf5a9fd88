"""How the simulator breaks its answers, and what it records of requests."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import json
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator
from concurrent import futures
from typing import Any

import brotli  # type: ignore[import-untyped]
import httpx
import pytest
import zstandard

from simulator import Answer
from simulator import Simulator
from simulator import Text
from simulator import answers
from simulator import faults
from simulator import ports
from tests import paths
from tests.wire import proxies
from tests.wire.simulator_client import KEY
from tests.wire.simulator_client import ask
from tests.wire.simulator_client import events
from tests.wire.simulator_client import fold
from tests.wire.simulator_client import post
from tests.wire.simulator_client import raw
from tests.wire.simulator_client import stream


class TestFaults:
    BODY = ask("hello", stream=True)

    @pytest.mark.parametrize("before", ["reset", "close"])
    def test_ends_before_the_headers(self, sim: Simulator, before: faults.Before) -> None:
        sim.script(Answer(before_head=before))
        assert raw(sim, self.BODY) == (b"", {"close": "closed"}.get(before, before))

    def test_silence_and_a_client_that_leaves(self, sim: Simulator) -> None:
        sim.script(Answer(before_head="silence"))
        assert raw(sim, self.BODY) == (b"", "open")
        (request,) = sim.wait_done(1)
        assert request.status is None
        assert request.cancelled is not None
        sim.wait_idle()

    def test_client_that_leaves_mid_stream(self, sim: Simulator) -> None:
        sim.script(Answer(event_delay=0.5, delta_size=1))
        connection = http.client.HTTPConnection(sim.host, sim.port, timeout=proxies.PATIENCE)
        connection.request("POST", "/v1/messages", json.dumps(self.BODY), KEY)
        response = connection.getresponse()
        response.readline()
        response.close()
        connection.close()
        (request,) = sim.wait_done(1)
        assert request.status == 200
        assert request.cancelled is not None
        assert 0 < request.sent < 10

    @pytest.mark.parametrize("end", ["clean", "close", "reset", "hang"])
    def test_cut_after_three_events(self, sim: Simulator, end: faults.End) -> None:
        sim.script(Answer(cut_events=3, end=end))
        wire, ended = raw(sim, self.BODY)
        assert wire.count(b"event: ") == 3
        assert wire.endswith(b"0\r\n\r\n") == (end == "clean")
        # After a clean end the connection stays open for the next request.
        assert ended == {"clean": "open", "close": "closed", "hang": "open"}.get(end, end)

    def test_cut_mid_event_and_mid_character(self, sim: Simulator) -> None:
        sim.script(
            Answer(cut_events=2, cut_bytes=10, framing="close"),
            Answer(content=(Text("aé"),), cut_character=True, framing="close"),
        )
        wire, _ = raw(sim, self.BODY)
        assert wire.endswith(b"\n\nevent: pin")
        wire, _ = raw(sim, self.BODY)
        assert wire.endswith(b'"text":"a\xc3')

    def test_cut_json(self, sim: Simulator) -> None:
        sim.script(Answer(cut_events=0, cut_bytes=20, end="close"))
        with pytest.raises(http.client.IncompleteRead) as caught:
            post(sim, ask())
        assert len(caught.value.partial) == 20

    @pytest.mark.parametrize("at", [0, 3])
    def test_error_event(self, sim: Simulator, at: int) -> None:
        sim.script(answers.first_event_error(at=at), Answer(error_at=at, error="api_error"))
        found = stream(sim, ask())
        assert len(found) == at + 1
        assert found[-1]["error"] == {"type": "overloaded_error", "message": "Overloaded"}
        # Not streamed, the same fault is an error of that type.
        assert post(sim, ask())[0] == 500

    def test_error_body_and_headers(self, sim: Simulator) -> None:
        sim.script(
            Answer(
                status=404,
                message="gone",
                details={"error_code": "thread_not_found"},
                headers=(("retry-after", "7"),),
            ),
            Answer(status=500, body=b"", headers=(("Content-Type", "text/plain"),)),
        )
        status, head, content = post(sim, self.BODY)
        assert (status, head["retry-after"]) == (404, "7")
        error = json.loads(content)["error"]
        assert error.pop("details") == {"error_code": "thread_not_found"}
        assert error == {"type": "not_found_error", "message": "gone"}
        status, head, content = post(sim, self.BODY)
        assert (status, head.get_all("content-type"), content) == (500, ["text/plain"], b"")

    @pytest.mark.parametrize(
        ("encoding", "decode"),
        [
            ("gzip", gzip.decompress),
            ("deflate", zlib.decompress),
            ("raw-deflate", lambda data: zlib.decompress(data, -15)),
            ("br", brotli.decompress),
            ("zstd", lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data)),
        ],
    )
    @pytest.mark.parametrize("chunk_size", [0, 1])
    def test_compressed(
        self, sim: Simulator, encoding: faults.Encoding, decode: Any, chunk_size: int
    ) -> None:
        sim.script(*[Answer(encoding=encoding, chunk_size=chunk_size)] * 2)
        for body in (ask(), self.BODY):
            _, head, wire = post(sim, body)
            assert head["content-encoding"] == encoding.removeprefix("raw-")
            assert b"You said" in decode(wire)

    def test_compressed_events_can_be_read_as_they_come(self, sim: Simulator) -> None:
        sim.script(Answer(encoding="gzip", cut_events=2, end="close", framing="close"))
        wire, _ = raw(sim, self.BODY)
        body = wire.partition(b"\r\n\r\n")[2]
        assert zlib.decompressobj(31).decompress(body).count(b"event: ") == 2

    @pytest.mark.parametrize("chunk_size", [1, 100, 1_000_000])
    def test_pieces(self, sim: Simulator, chunk_size: int) -> None:
        sim.script(Answer(chunk_size=chunk_size))
        assert fold(stream(sim, ask()))["content"][0]["text"] == "You said: hello"
        (request,) = sim.wait_done(1)
        assert (request.sent == 1) == (chunk_size == 1_000_000)

    def test_crlf_and_noise(self, sim: Simulator) -> None:
        sim.script(Answer(crlf=True, noise=("comment", "ping", "unknown")))
        _, _, wire = post(sim, self.BODY)
        assert wire.startswith(b": keep-alive\r\n\r\nevent: message_start\r\ndata: ")
        assert b"\n" not in wire.replace(b"\r\n", b"")
        kept = b"".join(
            block + b"\r\n\r\n"
            for block in wire.split(b"\r\n\r\n")[:-1]
            if not block.startswith((b":", b"event: weather"))
        )
        assert fold(events(kept))["content"][0]["text"] == "You said: hello"

    def test_missing_events(self, sim: Simulator) -> None:
        sim.script(Answer(drop=("message_stop", "ping")))
        assert stream(sim, ask())[-1]["type"] == "message_delta"

    @pytest.mark.parametrize("streamed", [True, False])
    @pytest.mark.parametrize("framing", ["auto", "chunked", "length", "close"])
    def test_framing(self, sim: Simulator, framing: faults.Framing, streamed: bool) -> None:
        sim.script(Answer(framing=framing))
        _, head, wire = post(sim, ask(stream=streamed))
        if framing == "auto":
            framing = "chunked" if streamed else "length"
        assert (head["transfer-encoding"] == "chunked") == (framing == "chunked")
        assert (head["content-length"] == str(len(wire))) == (framing == "length")
        assert (head["connection"] == "close") == (framing == "close")
        assert b"You said" in wire

    def test_delays(self, sim: Simulator) -> None:
        sim.script(Answer(head_delay=0.05, event_delay=0.01, delta_size=2))
        found = stream(sim, ask())
        (request,) = sim.wait_done(1)
        assert request.ended is not None
        assert request.ended >= 0.05 + 0.01 * len(found)

    def test_content_may_be_empty(self, sim: Simulator) -> None:
        sim.script(Answer(content=()))
        assert fold(stream(sim, ask()))["content"] == []


class TestWire:
    def test_request_is_recorded_as_it_came(self, sim: Simulator) -> None:
        body = json.dumps(ask("é")).encode()
        head = (
            b"POST /v1/messages?beta=true HTTP/1.1\r\nHost: h\r\nX-Api-Key: k\r\nB: 1\r\n"
            b"anthropic-version: 2023-06-01\r\nb:  2 \r\nContent-Encoding: gzip\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        packed = gzip.compress(body)
        chunks = b"".join(
            b"%x\r\n%b\r\n" % (len(packed[n : n + 50]), packed[n : n + 50])
            for n in range(0, len(packed), 50)
        )
        with socket.create_connection((sim.host, sim.port), timeout=proxies.PATIENCE) as client:
            client.sendall(head + chunks + b"0\r\n\r\n")
            assert client.recv(12) == b"HTTP/1.1 200"
        (request,) = sim.wait_done(1)
        assert (request.method, request.path, request.http) == (
            "POST",
            "/v1/messages?beta=true",
            "1.1",
        )
        assert request.headers[:5] == [
            ("Host", "h"),
            ("X-Api-Key", "k"),
            ("B", "1"),
            ("anthropic-version", "2023-06-01"),
            ("b", "2"),
        ]
        assert request.body == packed
        assert request.json == ask("é")
        assert request.model == "claude-opus-5-5"

    def test_connection_is_kept(self, sim: Simulator) -> None:
        connection = http.client.HTTPConnection(sim.host, sim.port, timeout=proxies.PATIENCE)
        for streamed in (True, False, True):
            connection.request("POST", "/v1/messages", json.dumps(ask(stream=streamed)), KEY)
            connection.getresponse().read()
        connection.close()
        post(sim, ask())
        first, *others = [request.connection for request in sim.wait_done(4)]
        assert others == [first, first, first + 1]

    def test_garbage(self, sim: Simulator) -> None:
        with socket.create_connection((sim.host, sim.port), timeout=proxies.PATIENCE) as client:
            client.sendall(b"nonsense\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 400 ")

    def test_expect_continue(self, sim: Simulator) -> None:
        with socket.create_connection((sim.host, sim.port), timeout=proxies.PATIENCE) as client:
            client.sendall(b"POST /x HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n")
            assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.sendall(b"x")
            assert client.recv(12) == b"HTTP/1.1 404"

    def test_many_streams_at_once(self, sim: Simulator) -> None:
        sim.default(Answer(event_delay=0.01))
        with futures.ThreadPoolExecutor(100) as pool:
            texts = list(
                pool.map(lambda n: fold(stream(sim, ask(f"{n}")))["content"][0]["text"], range(100))
            )
        assert texts == [f"You said: {n}" for n in range(100)]
        sim.wait_idle()

    def test_wait_for_gives_up(self, sim: Simulator) -> None:
        with pytest.raises(TimeoutError, match="expected 1 requests, got 0"):
            sim.wait_for(1, timeout=0.01)

    def test_leaving_ends_what_hangs(self) -> None:
        with (
            Simulator() as sim,
            socket.create_connection((sim.host, sim.port), timeout=proxies.PATIENCE) as client,
        ):
            sim.default(Answer(before_head="silence"))
            client.sendall(b"POST /v1/messages HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
            sim.wait_for(1)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((sim.host, sim.port))

    def test_ports_without_a_provider(self) -> None:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((ports.HOST, ports.free()), timeout=proxies.PATIENCE)
        with ports.unanswered() as port, pytest.raises(TimeoutError):
            socket.create_connection((ports.HOST, port), timeout=0.1)

    def test_port_in_use(self, sim: Simulator) -> None:
        with pytest.raises(OSError, match="in use"), Simulator(port=sim.port):
            pass

    def test_command_line(self) -> None:
        command = [sys.executable, "-m", "simulator", "--port", "0", "--log"]
        root = paths.ROOT
        process = subprocess.Popen(
            command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1]
            with urllib.request.urlopen(f"{url}/api/hello") as page:
                assert json.load(page) == {"message": "hello"}
        finally:
            process.terminate()
            _, log = process.communicate(timeout=proxies.PATIENCE)
        assert process.returncode == 0
        assert "GET /api/hello" in log


@pytest.fixture
def secure() -> Iterator[Simulator]:
    with Simulator(tls=True) as running:
        yield running


@pytest.fixture(params=[True, False], ids=["http2", "http1"])
def client(secure: Simulator, request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    context = ssl.create_default_context(cafile=secure.ca)
    context.verify_flags |= ssl.VERIFY_X509_STRICT  # as from Python 3.13 on
    with httpx.Client(
        base_url=secure.url,
        verify=context,
        http2=request.param,
        headers=KEY,
        timeout=proxies.PATIENCE,
    ) as client:
        yield client


class TestTls:
    def test_answers_are_the_same(self, secure: Simulator, client: httpx.Client) -> None:
        whole = client.post("/v1/messages?x=1", json=ask())
        assert whole.json()["content"][0]["text"] == "You said: hello"
        assert whole.headers["content-length"] == str(len(whole.content))
        streamed = client.post("/v1/messages", json=ask(stream=True))
        assert fold(events(streamed.content))["content"] == whole.json()["content"]
        assert client.post("/v1/messages", json=ask(messages=3)).status_code == 400
        versions = {whole.http_version, streamed.http_version}
        first, *_ = requests = secure.wait_done(3)
        assert versions == {"HTTP/2" if first.http == "2" else "HTTP/1.1"}
        assert first.path == "/v1/messages?x=1"
        assert first.header("x-api-key") == KEY["x-api-key"]
        assert first.json == ask()
        assert len({request.connection for request in requests}) == 1

    @pytest.mark.parametrize("end", ["close", "reset"])
    def test_cut(self, secure: Simulator, client: httpx.Client, end: faults.End) -> None:
        secure.script(Answer(cut_events=3, end=end))
        wire = b""
        with (
            pytest.raises(httpx.TransportError),
            client.stream("POST", "/v1/messages", json=ask(stream=True)) as response,
        ):
            for chunk in response.iter_raw():
                wire += chunk
        assert wire.count(b"event: ") == 3

    @pytest.mark.parametrize("before", ["close", "reset"])
    def test_no_headers(
        self, secure: Simulator, client: httpx.Client, before: faults.Before
    ) -> None:
        secure.script(Answer(before_head=before))
        with pytest.raises(httpx.TransportError):
            client.post("/v1/messages", json=ask())

    def test_client_that_leaves(self, secure: Simulator, client: httpx.Client) -> None:
        secure.script(Answer(event_delay=0.02, delta_size=1))
        with client.stream("POST", "/v1/messages", json=ask(stream=True)) as response:
            next(response.iter_raw())
        client.close()
        (request,) = secure.wait_done(1)
        assert request.cancelled is not None

    def test_large_bodies(self, secure: Simulator, client: httpx.Client) -> None:
        secure.script(Answer(content=(Text("x" * 3_000_000),)))
        answer = client.post("/v1/messages", json=ask("y" * 3_000_000))
        assert len(answer.content) > 3_000_000
        assert len(secure.requests[0].body) > 3_000_000

    def test_many_streams_on_one_connection(self, secure: Simulator) -> None:
        async def ask_all() -> list[str]:
            context = ssl.create_default_context(cafile=secure.ca)
            async with httpx.AsyncClient(verify=context, http2=True, headers=KEY) as client:

                async def one(n: int) -> str:
                    body = ask(f"{n}", stream=True)
                    answer = await client.post(f"{secure.url}/v1/messages", json=body)
                    return str(fold(events(answer.content))["content"][0]["text"])

                return await asyncio.gather(*(one(n) for n in range(50)))

        secure.default(Answer(event_delay=0.005))
        assert asyncio.run(ask_all()) == [f"You said: {n}" for n in range(50)]
        assert len({request.connection for request in secure.requests}) == 1

    def test_without_http2(self) -> None:
        with Simulator(tls=True, http2=False) as sim:
            context = ssl.create_default_context(cafile=sim.ca)
            with httpx.Client(verify=context, http2=True) as client:
                assert client.get(f"{sim.url}/api/hello").http_version == "HTTP/1.1"
