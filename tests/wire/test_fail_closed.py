"""What has not been accepted is refused: hooks that fail, scripts that can't be loaded again, keys that
change or vanish."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import socket
import struct
import threading
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest

import simulator
from simulator import ports
from tests import listening
from tests.wire import company
from tests.wire import pairs
from tests.wire import proxies

type Start = Callable[..., proxies.Proxy]

KEY, NEXT = "static-0123456789-tokn", "static-9876543210-next"
OWN = "sk-ant-api03-MARKED-0123456789-mrkd"


RAW = ("--set", "rawtcp=true")
"""Without it, 127.0.0.1, which the reverse listener leads to, is read as HTTP in tunnels too."""


@pytest.fixture
def service() -> Iterator[listening.Listener]:
    with listening.Listener(repeat) as running:
        yield running


def repeat(client: socket.socket) -> None:
    while data := client.recv(65536):
        client.sendall(data)


def counted(service: listening.Listener) -> int:
    """How many connections it has had, with one of ours behind all others: it comes to them in their order."""
    with socket.create_connection(("127.0.0.1", service.port), proxies.PATIENCE) as own:
        own.sendall(b"x")
        assert own.recv(1) == b"x"
        return service.connections


def connect(
    proxy: proxies.Proxy, port: int, key: str | None = None, host: str = "localhost"
) -> tuple[socket.socket, bytes]:
    """A tunnel to a port of this machine, and what the proxy says to it. 127.0.0.1 is a host that the proxy
    would read."""
    raw = socket.create_connection(("127.0.0.1", proxy.proxy_port), proxies.PATIENCE)
    head = f"CONNECT {host}:{port} HTTP/1.1\r\n"
    if key:
        password = base64.b64encode(f"me:{key}".encode()).decode()
        head += f"proxy-authorization: Basic {password}\r\n"
    raw.sendall(f"{head}\r\n".encode())
    with contextlib.suppress(ConnectionError):
        return raw, raw.recv(65536)
    return raw, b""


def is_open(proxy: proxies.Proxy, port: int, key: str | None = None) -> bool:
    raw, greeting = connect(proxy, port, key)
    with raw:
        return greeting.startswith(b"HTTP/1.1 200 ")


def ended(raw: socket.socket) -> bool:
    with contextlib.suppress(ConnectionError):
        return raw.recv(1) == b""
    return True


# Scripts that can't be loaded again

SCRIPT = (
    "import sys; sys.path.insert(0, {path!r})\nfrom claude_route import app\naddons = {addons}\n"
)

BROKEN = {
    "syntax": "this is no Python\n",
    "import": "import name_that_is_new_in_the_next_version\n",
    "import at the end": "import name_that_is_new_in_the_next_version\n",
    "load": "class Broken:\n    def load(self, loader):\n        raise RuntimeError('broken')\n",
    "configure": "class Broken:\n    def configure(self, updated):\n        raise RuntimeError('broken')\n",
}


def script_text(broken: str = "") -> str:
    """Our addons, after one that is broken in some way."""
    fresh = "app.addons()"
    addons = f"[Broken(), *{fresh}]" if "class" in broken else fresh
    return SCRIPT.format(path=str(proxies.ADDONS.parent), addons=addons)


@pytest.mark.parametrize("how", [*BROKEN, "gone"])
def test_a_script_that_cannot_be_loaded_again(
    start: Start, sim: simulator.Simulator, tmp_path: Path, service: listening.Listener, how: str
) -> None:
    script = tmp_path / "again.py"
    script.write_text(script_text())
    proxy = start(proxies.profile(sim.url), behind=sim.url, script=script, arguments=RAW)
    raw, greeting = connect(proxy, service.port)
    assert greeting.startswith(b"HTTP/1.1 200 ")
    raw.sendall(b"before")
    assert raw.recv(6) == b"before"
    kept = proxy.client()
    assert kept.post("/v1/messages", json=proxies.message()).status_code == 200
    if how == "gone":
        script.unlink()
    elif how == "import at the end":  # our addons have been made by then
        script.write_text(script_text() + BROKEN[how])
    else:
        script.write_text(BROKEN[how] + script_text(BROKEN[how]))
    proxies.wait_until(lambda: not is_open(proxy, service.port))
    before = counted(service)
    assert ended(raw), "a tunnel that stood"
    for path in ("/v1/messages", "/v1/files", "/health"):
        with proxy.client() as client:
            try:
                assert client.post(path, json=proxies.message()).status_code == 500
            except Exception as e:
                assert "disconnected" in str(e) or "reset" in str(e)
    with contextlib.suppress(Exception):
        assert kept.post("/v1/messages", json=proxies.message()).status_code == 500
    kept.close()
    assert len(sim.requests) == 1
    assert counted(service) == before + 1, "more than this question's own"
    script.write_text(script_text())
    if how != "gone":  # mitmproxy forgets it then
        proxies.wait_until(lambda: is_open(proxy, service.port))
        with proxy.client() as client:
            assert client.post("/v1/messages", json=proxies.message()).status_code == 200


def test_tunnels_outlive_a_script_that_is_loaded_again(
    start: Start, sim: simulator.Simulator, tmp_path: Path, service: listening.Listener
) -> None:
    script = tmp_path / "again.py"
    script.write_text(script_text())
    proxy = start(
        proxies.profile(sim.url),
        environ={"PROXY_STATIC_TOKEN": KEY},
        script=script,
        arguments=RAW,
    )
    raw, _ = connect(proxy, service.port, KEY)
    script.write_text(script_text() + "\n")
    proxy.wait_for_log(r"(?s)(is in force.*){2}")
    assert is_open(proxy, service.port, KEY)
    assert not is_open(proxy, service.port, "wrong")
    threading.Event().wait(2.5)  # longer than what stands is given without a script
    raw.sendall(b"after")
    assert raw.recv(5) == b"after"
    raw.close()


# Hooks that fail

FAILING = """
import importlib
def broken(*args, **kwargs):
    raise RuntimeError("broken on purpose")
def running():
    importlib.import_module("claude_route.{module}").{name} = broken
"""

OTHER = """
class Broken:
    def {hook}(self, *args):
        raise {raises}("broken on purpose")
addons = [Broken()]
"""


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("access.addresses", "is_loopback"),
        ("access.clients", "basic_password"),
        ("access.clients", "is_key"),
        ("access.listeners", "is_outside"),
        ("access.listener_modes", "asks_for_keys"),
        ("access.loops", "leads_here"),
        ("access.reach", "listening"),
        ("access.credentials", "hide"),
        ("access.keys", "Search"),
    ],
)
def test_a_hook_of_ours_that_fails(
    start: Start,
    sim: simulator.Simulator,
    tmp_path: Path,
    service: listening.Listener,
    module: str,
    name: str,
) -> None:
    script = tmp_path / "failing.py"
    script.write_text(FAILING.format(module=module, name=name))
    proxy = start(
        proxies.profile(sim.url),
        behind=sim.url,
        environ={"PROXY_STATIC_TOKEN": KEY},
        arguments=["-s", str(script)],
        wait=False,
    )
    proxy.wait_for_log("is in force")
    threading.Event().wait(0.5)
    if name not in ("hide", "Search", "leads_here"):
        assert not is_open(proxy, service.port, KEY)
        raw, _ = connect(proxy, service.port, KEY, "127.0.0.1")
        with raw, contextlib.suppress(OSError):
            raw.sendall(b"x")
            raw.recv(1)
        assert service.connections == 0
    with contextlib.suppress(Exception), proxy.client() as client:
        answer = client.post(
            "/v1/messages", json=proxies.message(), headers={"x-litellm-api-key": KEY}
        )
        assert answer.status_code in (401, 500) or name in ("leads_here", "listening")
    if name in ("hide", "Search"):
        assert not sim.requests


@pytest.mark.parametrize(
    "raises", ["RuntimeError", "__import__('mitmproxy.exceptions').exceptions.AddonHalt"]
)
@pytest.mark.parametrize(
    "hook", ["client_connected", "http_connect", "server_connect", "requestheaders"]
)
def test_a_hook_of_another_script_that_fails_before_ours(
    start: Start,
    sim: simulator.Simulator,
    tmp_path: Path,
    service: listening.Listener,
    hook: str,
    raises: str,
) -> None:
    """It switches off none of our checks."""
    both = tmp_path / "both.py"
    both.write_text(
        OTHER.format(hook=hook, raises=raises).replace("addons = ", "first = ")
        + script_text().replace("addons = ", "addons = first + ")
    )
    proxy = start(
        proxies.profile(sim.url),
        behind=sim.url,
        environ={"PROXY_STATIC_TOKEN": KEY},
        script=both,
        wait=False,
    )
    proxy.wait_for_log("is in force")
    threading.Event().wait(0.5)
    assert not is_open(proxy, service.port, "wrong")
    is_halted = "AddonHalt" in raises
    if hook != "requestheaders":
        assert is_open(proxy, service.port, KEY) is not is_halted
    statuses = []
    for headers in ({}, {"x-litellm-api-key": KEY}):
        with contextlib.suppress(Exception), proxy.client(headers=headers) as client:
            statuses.append(client.post("/v1/messages", json=proxies.message()).status_code)
    match hook, is_halted:
        case "client_connected", True:
            assert statuses == []
        case "requestheaders", True:
            assert statuses == [500, 500]
        case _:
            assert statuses == [401, 200]


# Keys


def keyed(start: Start, sim: simulator.Simulator, tmp_path: Path) -> tuple[proxies.Proxy, Path]:
    """A proxy whose key is in .env."""
    folder = tmp_path / "proxy0"
    proxy = start(
        proxies.profile(sim.url, pool={"tokens": list(proxies.POOL[:1])}),
        behind=sim.url,
        arguments=RAW,
    )
    env = folder / ".env"
    env.write_text(f"PROXY_STATIC_TOKEN={KEY}\n")
    proxy.wait_for_log("Reloaded profile")
    return proxy, env


def reloads(proxy: proxies.Proxy) -> int:
    return proxy.log.count("Reloaded profile")


def change(proxy: proxies.Proxy, env: Path, text: str) -> None:
    before = reloads(proxy)
    env.write_text(text)
    proxies.wait_until(lambda: reloads(proxy) > before)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_what_was_opened_with_a_key_ends_with_it(
    start: Start, sim: simulator.Simulator, tmp_path: Path, service: listening.Listener, host: str
) -> None:
    proxy, env = keyed(start, sim, tmp_path)
    with_key, greeting = connect(proxy, service.port, KEY, host)
    assert greeting.startswith(b"HTTP/1.1 200 ")
    without, _ = connect(proxy, service.port, host=host)
    change(proxy, env, f"PROXY_STATIC_TOKEN={NEXT}\nPROXY_STATIC_TOKEN_NEXT={KEY}\n")
    with_key.sendall(b"still")
    assert with_key.recv(5) == b"still"
    change(proxy, env, f"PROXY_STATIC_TOKEN={NEXT}\n")
    assert ended(with_key)
    without.sendall(b"still")  # it has never needed one
    assert without.recv(5) == b"still"
    without.close()
    assert not is_open(proxy, service.port, KEY)


@pytest.mark.parametrize("text", [None, "", "PROXY_STATIC_TOKEN=\n", "# PROXY_STATIC_TOKEN=x\n"])
def test_a_key_that_vanishes_stays_in_force(
    start: Start, sim: simulator.Simulator, tmp_path: Path, text: str | None
) -> None:
    proxy, env = keyed(start, sim, tmp_path)
    if text is None:
        before = reloads(proxy)
        env.unlink()
        proxies.wait_until(lambda: reloads(proxy) > before)
    else:
        change(proxy, env, text)
    proxy.write_profile(proxies.profile(sim.url, max_attempts=3))
    count = itertools.count()
    proxies.wait_until(lambda: next(count) > 60 or reloads(proxy) >= 3)
    with proxy.client() as client:
        assert client.post("/v1/messages", json=proxies.message()).status_code == 401
        key = {"x-litellm-api-key": KEY}
        answer = client.post("/v1/messages", json=proxies.message(), headers=key)
        assert answer.status_code == 200
    assert "PROXY_STATIC_TOKEN is gone" in proxy.log


def test_a_key_that_vanishes_stays_in_force_when_the_script_is_loaded_again(
    start: Start, sim: simulator.Simulator, tmp_path: Path
) -> None:
    script = tmp_path / "again.py"
    script.write_text(script_text())
    folder = tmp_path / "proxy0"
    proxy = start(proxies.profile(sim.url), behind=sim.url, script=script)
    (folder / ".env").write_text(f"PROXY_STATIC_TOKEN={KEY}\n")
    proxy.wait_for_log("Reloaded profile")
    (folder / ".env").unlink()
    script.write_text(script_text() + "\n")
    proxy.wait_for_log(r"(?s)(is in force.*){2}")
    with proxy.client() as client:
        assert client.post("/v1/messages", json=proxies.message()).status_code == 401


# Where the key stands


@pytest.mark.parametrize("listener", ["reverse", "forward"])
@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/files", f"authorization: Bearer {KEY}"),
        ("/v1/files", f"x-other: {KEY}"),
        ("/v1/files", f"cookie: a=b; c={KEY}"),
        ("/v1/files", "authorization: Basic " + base64.b64encode(f"{KEY}:x".encode()).decode()),
        (f"/v1/files?a=1&k={KEY.replace('-', '%2D')}", "x-other: 1"),
        (f"/v1/files/{KEY}", "x-other: 1"),
        (f"/v1/messages?k={KEY}", f"x-other: {KEY}"),
        ("/v1/files", f"connection: close, authorization\r\nauthorization: Bearer {OWN}"),
    ],
)
def test_our_key_goes_nowhere(
    module_proxy: proxies.Proxy, seen: simulator.Simulator, listener: str, path: str, field: str
) -> None:
    body = json.dumps(proxies.message())
    host = seen.url.removeprefix("http://") if listener == "forward" else "x"
    target = f"http://{host}{path}" if listener == "forward" else path
    port = module_proxy.proxy_port if listener == "forward" else module_proxy.reverse_port
    wire = (
        f"POST {target} HTTP/1.1\r\nhost: {host}\r\nx-litellm-api-key: {KEY}\r\n{field}\r\n"
        f"connection: close\r\ncontent-length: {len(body)}\r\n\r\n{body}"
    )
    with socket.create_connection(("127.0.0.1", port), proxies.PATIENCE) as raw:
        raw.sendall(wire.encode())
        raw.makefile("rb").read()
    sent = str([(request.path, request.headers) for request in seen.requests])
    assert KEY not in sent
    assert KEY.replace("-", "%2D") not in sent
    assert OWN not in sent
    assert len(seen.requests) == (0 if path.endswith(KEY) and "?" not in path else 1)


@pytest.fixture(scope="module")
def module_proxy(
    shared_sim: simulator.Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[proxies.Proxy]:
    proxy = proxies.Proxy(
        tmp_path_factory.mktemp("keyed"),
        proxies.profile(shared_sim.url, pool={"tokens": list(proxies.POOL[:2])}),
        behind=shared_sim.url,
        environ={"PROXY_STATIC_TOKEN": KEY},
    )
    yield proxy
    proxy.close()


# What is for one connection only


def test_what_connection_names_in_an_answer_ends_here(start: Start) -> None:
    head = (
        b"HTTP/1.1 200 OK\r\nconnection: keep-alive, x-hop\r\nx-hop: 1\r\nkeep-alive: timeout=5\r\n"
        b"upgrade: h2c\r\nx-end: 1\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
    )
    for path in ("/v1/files", "/v1/messages/count_tokens"):
        with pairs.Odd([head]) as upstream:
            proxy = start(proxies.profile(upstream.url), behind=upstream.url)
            with proxy.client() as client:
                answer = client.post(path, json=proxies.message())
            assert answer.headers.get("x-end") == "1" or "count" in path
            assert not {"x-hop", "keep-alive", "upgrade", "connection"} & set(answer.headers)


def test_a_mode_that_cannot_ask_for_a_key_serves_this_machine_only(
    start: Start, tmp_path: Path
) -> None:
    with company.network(tmp_path) as network, network.place("internet"):
        echo, port = listening.Listener(repeat), ports.free()
        proxy = start(
            proxies.profile("http://127.0.0.1:9"),
            environ={"PROXY_STATIC_TOKEN": KEY},
            arguments=["--mode", f"socks5@0.0.0.0:{port}", *RAW],
        )
        assert "can't ask clients for a key: expected a loopback address" in proxy.log
        there = struct.pack(">BBBB4sH", 5, 1, 0, 1, socket.inet_aton("127.0.0.1"), echo.port)
        with network.place("office"):
            stranger = socket.create_connection((company.GATEWAY, port), proxies.PATIENCE)
        with socket.create_connection(("127.0.0.1", port), proxies.PATIENCE) as friend:
            for client, says in ((friend, b"\x05\x00"), (stranger, b"")):
                client.settimeout(proxies.PATIENCE)
                client.sendall(b"\x05\x01\x00")
                assert client.recv(9) == says
                client.sendall(there)
                assert client.recv(99)[:2] == says
                client.sendall(b"PING")
                assert client.recv(99) == (b"PING" if says else b"")
        stranger.close()
        echo.close()
        assert echo.connections == 1


@pytest.mark.parametrize("mode", ["dns@0.0.0.0:{}", "reverse:udp://127.0.0.1:9@0.0.0.0:{}"])
def test_datagrams_that_need_no_key_come_from_this_machine(
    start: Start, sim: simulator.Simulator, mode: str
) -> None:
    proxy = start(
        proxies.profile(sim.url),
        environ={"PROXY_STATIC_TOKEN": KEY},
        modes=[mode.format(ports.free())],
        wait=False,
    )
    # Not always 1: mitmproxy's threads for datagrams may crash an interpreter that is ending.
    assert proxy.process.wait(proxies.PATIENCE) != 0
    assert "can't ask clients for a key: expected a loopback address" in proxy.log
