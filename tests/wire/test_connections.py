"""More connections than there may be, over the wire."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import argon2
import httpx
import pytest

import simulator
from simulator import answers
from tests.wire import mitmweb
from tests.wire import proxies
from tests.wire import test_limits as limits

Start = Callable[..., proxies.Proxy]


def opened(port: int, count: int, wire: bytes = b"") -> list[socket.socket]:
    made = [socket.create_connection(("127.0.0.1", port), proxies.PATIENCE) for _ in range(count)]
    for each in made:
        with contextlib.suppress(ConnectionError):
            each.sendall(wire)
    return made


@contextlib.contextmanager
def idle(port: int, count: int, wire: bytes = b"") -> Iterator[None]:
    made = opened(port, count, wire)
    if wire.endswith(b"\r\n\r\n") and wire.startswith(b"GET"):
        for each in made:
            with contextlib.suppress(ConnectionError):
                each.recv(65536)  # until it is answered, it is in use
    time.sleep(0.5)
    yield
    for each in made:
        each.close()


def ask(proxy: proxies.Proxy, text: str = "hello", **fields: Any) -> httpx.Response:
    with proxy.client() as client:
        return client.post("/v1/messages", json=proxies.message("glm", text, **fields))


HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"


@pytest.mark.parametrize(
    "wire",
    [b"", b"GET / HT", HELLO, b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n"],
    ids=["silent", "part of a head", "part of a handshake", "after a request"],
)
@pytest.mark.parametrize("is_reverse", [True, False], ids=["reverse", "forward"])
def test_idle_connections_make_room(
    start: Start, sim: simulator.Simulator, wire: bytes, is_reverse: bool
) -> None:
    if wire.endswith(b"\r\n\r\n") and not is_reverse:
        wire = wire.replace(b"GET ", f"GET {sim.url}".encode())  # answered by whoever it is for
    proxy = start(proxies.profile(sim.url), arguments=("--set", "max_connections=20"))
    port = proxy.reverse_port if is_reverse else proxy.proxy_port
    with idle(port, 60, wire):
        assert [ask(proxy).status_code for _ in range(5)] == [200] * 5
    assert proxy.log.count("Closed an idle connection") == 1


def test_connections_in_use_keep_others_out(start: Start, sim: simulator.Simulator) -> None:
    proxy = start(proxies.profile(sim.url), arguments=("--set", "max_connections=4"))
    sim.default(answers.Answer(head_delay=10 * proxies.PATIENCE))
    body = json.dumps(proxies.message("glm")).encode()
    head = b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n"
    wire = head % len(body) + body
    with contextlib.ExitStack() as clients:
        for count in range(1, 5):
            clients.enter_context(idle(proxy.reverse_port, 1, wire))
            # One that isn't read yet makes room for the next, as an idle one does.
            sim.wait_for(count)
        for _ in range(3):
            refused = ask(proxy)
            assert refused.status_code == 503
            assert refused.json()["error"]["type"] == "api_error"
            assert "max_connections" in refused.json()["error"]["message"]
            assert refused.headers["retry-after"]
            assert "x-should-retry" not in refused.headers
    sim.default(answers.Answer())
    assert proxy.log.count("Refused a connection") == 1
    proxies.wait_until(lambda: ask(proxy).status_code == 200)


@pytest.mark.parametrize("files", [160, 512])
def test_few_files(start: Start, sim: simulator.Simulator, files: int) -> None:
    proxy = start(proxies.profile(sim.url), files=files)
    assert f"may open {files} files" in proxy.log
    with idle(proxy.reverse_port, 600):
        assert [ask(proxy).status_code for _ in range(20)] == [200] * 20
    assert "Traceback" not in proxy.log
    assert "out of system resource" not in proxy.log


def test_more_requests_than_files(start: Start, sim: simulator.Simulator) -> None:
    """Each takes a second file, for its upstream."""
    proxy = start(proxies.profile(sim.url), files=160)
    sim.script(*[answers.Answer(head_delay=2.0)] * 120)
    body = json.dumps(proxies.message("glm")).encode()
    head = b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n"
    wire = head % len(body) + body
    clients = opened(proxy.reverse_port, 120, wire)
    statuses = set()
    for each in clients:
        each.settimeout(proxies.PATIENCE)
        with contextlib.suppress(ConnectionError):
            statuses.add(each.recv(65536)[9:12])
        each.close()
    assert statuses <= {b"200", b"503", b""}
    assert b"200" in statuses
    assert "Traceback" not in proxy.log
    proxies.wait_until(lambda: ask(proxy).status_code == 200)


def test_connections_of_mitmweb_make_room_too(start: Start, sim: simulator.Simulator) -> None:
    web = mitmweb.Web(start, proxies.profile(sim.url), max_connections=20)
    port = httpx.URL(web.url).port
    assert port
    with idle(port, 40, b"POST / HT"):
        assert ask(web.proxy).status_code == 200
        assert web.api.get("/flows").status_code == 200


# mitmweb


@pytest.fixture(scope="module")
def module_web(
    shared_sim: simulator.Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[mitmweb.Web]:
    started: list[proxies.Proxy] = []

    def start(profile: Any, **arguments: Any) -> proxies.Proxy:
        started.append(proxies.Proxy(tmp_path_factory.mktemp("web"), profile, **arguments))
        return started[-1]

    yield mitmweb.Web(start, proxies.profile(shared_sim.url))
    for each in started:
        each.close()


@pytest.mark.parametrize("field", [b"content-length: 900000000", b"transfer-encoding: chunked"])
@pytest.mark.parametrize("path", [b"/", b"/flows/dump", b"/nothing", b"/updates"])
def test_mitmweb_takes_no_body_before_its_login(
    module_web: mitmweb.Web, path: bytes, field: bytes
) -> None:
    port = httpx.URL(module_web.url).port
    assert port
    before = limits.memory(module_web.proxy)
    with socket.create_connection(("127.0.0.1", port), proxies.PATIENCE) as raw:
        raw.sendall(b"POST %b HTTP/1.1\r\nhost: x\r\n%b\r\n\r\n" % (path, field))
        for _ in range(60):
            raw.sendall(b"100000\r\n" + b"a" * 2**20 + b"\r\n")
        assert b"HTTP/1.1 413 " in raw.recv(65536)
    assert limits.memory(module_web.proxy) < before + 20


def test_mitmweb_takes_a_body_after_its_login(module_web: mitmweb.Web) -> None:
    answer = module_web.api.post("/flows/dump", content=b"a" * 2**20)
    assert answer.status_code != 413


@pytest.mark.parametrize("way", ["cookie", "password"])
def test_a_wrong_login_is_none(module_web: mitmweb.Web, way: str) -> None:
    headers = (
        {"authorization": "Bearer wrong"}
        if way == "password"
        else {"cookie": "; ".join(f"{name}=2|wrong" for name in module_web.api.cookies)}
    )
    answer = httpx.post(module_web.url, headers=headers, content=b"a" * 2**20, trust_env=False)
    assert answer.status_code == 413


def test_no_websocket_before_the_login(module_web: mitmweb.Web) -> None:
    upgrade = {
        "connection": "upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "MDEyMzQ1Njc4OWFiY2RlZg==",
    }
    answer = httpx.get(f"{module_web.url}/updates", headers=upgrade, trust_env=False)
    assert answer.status_code == 403


def processor_time(proxy: proxies.Proxy) -> float:
    """In seconds, since its start."""
    fields = Path(f"/proc/{proxy.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("way", ["query", "header", "header and body", "no password"])
def test_wrong_passwords_of_mitmweb_keep_nobody_waiting(
    start: Start, sim: simulator.Simulator, way: str
) -> None:
    hasher = argon2.PasswordHasher()
    web = mitmweb.Web(start, proxies.profile(sim.url), web_password=hasher.hash(mitmweb.PASSWORD))
    before = processor_time(web.proxy)
    headers = {"authorization": "Bearer wrong"} if way.startswith("header") else {}
    with httpx.Client(base_url=web.url, trust_env=False, headers=headers) as client:
        for _ in range(200):
            path = "/?token=wrong" if way == "query" else "/flows"
            method = "POST" if way == "header and body" else "GET"
            content = b"a" if method == "POST" else None
            assert client.request(method, path, content=content).status_code == 403
    # A check takes some 0.1 s of it, and twice that where other programs keep the cores busy.
    assert processor_time(web.proxy) < before + 10
    assert web.api.get("/flows").status_code == 200


@pytest.mark.parametrize("headers", [{}, {"authorization": b"Bearer \xe9"}])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_password_of_mitmweb_makes_a_traceback(
    module_web: mitmweb.Web, method: str, headers: dict[str, Any]
) -> None:
    url = f"{module_web.url}/{'' if headers else '?token=%C3%A9'}"
    content = b"a" if method == "POST" else None
    answer = httpx.request(method, url, headers=headers, content=content, trust_env=False)
    assert answer.status_code == 403
    assert "TypeError" not in module_web.proxy.log
