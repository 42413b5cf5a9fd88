"""At a company: its proxy is the only way out, and may read what goes through it."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import simulator
from simulator import ports
from tests.wire import claude_code
from tests.wire import command
from tests.wire import company
from tests.wire import pairs
from tests.wire import proxies

type Start = Callable[..., proxies.Proxy]

COLD = ["--set", "warm_connections=false"]
LOGIN = "me:hush-hush"
TIMES = {"connect_timeout": 5}


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[company.Network]:
    with company.network(tmp_path_factory.mktemp("company")) as made:
        yield made


@pytest.fixture(scope="module")
def internet(network: company.Network) -> Iterator[dict[str, simulator.Simulator]]:
    """Anthropic, and a provider with and without TLS."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(network.place("internet"))
        yield {
            "anthropic": stack.enter_context(simulator.Simulator(tls=True, port=443)),
            "https": stack.enter_context(simulator.Simulator(tls=True)),
            "http": stack.enter_context(simulator.Simulator()),
        }


@pytest.fixture
def office(network: company.Network, internet: dict[str, simulator.Simulator]) -> Iterator[None]:
    """The test is in the office."""
    for each in internet.values():
        each.clear()
    with network.place("office"):
        yield


@pytest.fixture
def gateway(
    network: company.Network, internet: dict[str, simulator.Simulator], office: None
) -> Iterator[Callable[..., company.Tinyproxy]]:
    """Starts the company's proxy."""
    with contextlib.ExitStack() as stack:

        def start(**how: Any) -> company.Tinyproxy:
            made = company.Tinyproxy(network, tunnels_to=[internet["https"].port], **how)
            stack.callback(made.close)
            return made

        yield start


def named(sim: simulator.Simulator) -> str:
    return sim.url.replace("127.0.0.1", "provider.example")


def trusting(internet: dict[str, simulator.Simulator], folder: Path, *more: Path) -> dict[str, str]:
    """The environment that has the simulators trusted."""
    roots = folder / "roots.pem"
    files = [internet["anthropic"].ca, internet["https"].ca, *more]
    roots.write_bytes(b"".join(file.read_bytes() for file in files))
    return {"SSL_CERT_FILE": str(roots)}


def ask(proxy: proxies.Proxy) -> httpx.Response:
    with proxy.client() as client:
        return pairs.post(client, model="glm")


Gateway = Callable[..., company.Tinyproxy]
Internet = dict[str, simulator.Simulator]


# A proxy that wants a password


@pytest.mark.parametrize("scheme", ["https", "http"])
@pytest.mark.parametrize("source", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "profile"])
def test_requests_to_a_provider(
    start: Start, gateway: Gateway, internet: Internet, tmp_path: Path, scheme: str, source: str
) -> None:
    way = gateway(login=LOGIN)
    profile, environ = proxies.profile(named(internet[scheme])), trusting(internet, tmp_path)
    if source == "profile":
        profile["upstream_proxy"] = way.url
    else:
        environ[source if scheme == "https" else source.replace("S_", "_").replace("s_", "_")] = (
            way.url
        )
    proxy = start(profile, environ=environ, arguments=COLD)
    response = ask(proxy)
    assert response.status_code == 200, response.text
    port = internet[scheme].port
    (line,) = way.requests
    tunnel, request = f"CONNECT provider.example:{port}", f"POST http://provider.example:{port}/"
    assert line.startswith(tunnel if scheme == "https" else request)
    assert "proxy-authorization" not in dict(internet[scheme].requests[-1].headers)
    log = proxy.close()
    assert f"{way.host}:{way.port}" in log, "it is named at start"
    assert "hush" not in log


def faults(source: Gateway, network: company.Network, kind: str) -> str:
    if kind == "down":
        return f"http://{LOGIN}@{company.GATEWAY}:{ports.free()}"
    way = source(login=LOGIN, blocked="provider.example" if kind == "blocked" else "")
    return way.url.replace("hush-hush", "hush-other") if kind == "password" else way.url


FAULTS = {
    "password": r"proxy http://10\.77\.0\.1:\d+ .*\b(407|401)\b",
    "down": r"10\.77\.0\.1:\d+",
    "blocked": r"proxy http://10\.77\.0\.1:\d+ .*\b403\b",
}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_way_that_is_closed(
    start: Start, gateway: Gateway, network: company.Network, internet: Internet, kind: str
) -> None:
    profile = proxies.profile(named(internet["https"]))
    profile["upstream_proxy"] = faults(gateway, network, kind)
    proxy = start(profile, arguments=COLD)
    response = ask(proxy)
    print(response.headers, response.text)
    assert response.status_code == 502
    assert re.search(FAULTS[kind], response.json()["error"]["message"]), response.text
    assert "hush" not in response.text + proxy.close()


def test_without_it_there_is_no_way(start: Start, office: None, internet: Internet) -> None:
    proxy = start(proxies.profile(named(internet["http"])), arguments=COLD)
    response = ask(proxy)
    assert response.status_code == 502
    assert "provider.example" in response.json()["error"]["message"]


def test_what_no_proxy_lists_is_reached_directly(
    start: Start, gateway: Gateway, network: company.Network
) -> None:
    with network.place("internet"):
        inside = simulator.Simulator(host=company.GATEWAY).__enter__()
    way = gateway()
    environ = {"HTTP_PROXY": way.url, "HTTPS_PROXY": way.url, "NO_PROXY": "10.77.0.0/24"}
    proxy = start(proxies.profile(inside.url), environ=environ, arguments=COLD)
    assert ask(proxy).status_code == 200
    with httpx.Client(proxy=proxy.proxy_url, trust_env=False) as client:
        client.get(f"{inside.url}/anything")
    raw, head = connect(proxy, f"{company.GATEWAY}:{inside.port}")
    raw.close()
    assert head.startswith(b"HTTP/1.1 200")
    assert [request.path for request in inside.requests if "anything" in request.path]
    assert way.requests == []
    inside.__exit__()


# What passes through unrouted


def connect(proxy: proxies.Proxy, where: str) -> tuple[socket.socket, bytes]:
    """A connection that asked for a tunnel, and the answer."""
    raw = socket.create_connection(("127.0.0.1", proxy.proxy_port), timeout=proxies.PATIENCE)
    raw.sendall(f"CONNECT {where} HTTP/1.1\r\nhost: {where}\r\n\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head:
        head += raw.recv(1) or b"\r\n\r\n"
    return raw, head


@pytest.mark.parametrize("source", ["environment", "profile"])
def test_what_passes_through(
    start: Start, gateway: Gateway, internet: Internet, tmp_path: Path, source: str
) -> None:
    way = gateway(login=LOGIN)
    profile, environ = proxies.profile(named(internet["https"])), trusting(internet, tmp_path)
    if source == "profile":
        profile["upstream_proxy"] = way.url
    else:
        environ |= {"HTTPS_PROXY": way.url, "HTTP_PROXY": way.url}
    proxy = start(profile, environ=environ, behind="https://api.anthropic.com", arguments=COLD)
    plain = f"{named(internet['http'])}/settings"
    secret = {"authorization": "Bearer of-the-client"}
    with proxy.tunnel_client() as client:
        for _ in range(2):
            client.get("https://api.anthropic.com/api/hello", headers=secret)
            client.get(plain, headers=secret)
    with proxy.client() as client:
        client.get("/api/hello")
    raw, head = connect(proxy, "platform.claude.com:443")
    assert head.startswith(b"HTTP/1.1 200"), head
    anything = ssl.create_default_context()
    anything.check_hostname, anything.verify_mode = False, ssl.CERT_NONE
    with anything.wrap_socket(raw, server_hostname="platform.claude.com") as tls:
        tls.sendall(b"GET /v1/oauth HTTP/1.1\r\nhost: platform.claude.com\r\n\r\n")
        assert tls.recv(100).startswith(b"HTTP/1.1 ")
    anthropic = internet["anthropic"].requests
    assert [request.bare_path for request in anthropic] == [*["/api/hello"] * 3, "/v1/oauth"]
    passed = internet["http"].requests
    assert [request.bare_path for request in passed] == ["/settings"] * 2
    for request in (*anthropic[:2], *passed):
        headers = dict(request.headers)
        assert headers["authorization"] == "Bearer of-the-client"
        assert "proxy-authorization" not in headers
    assert way.requests == [
        "CONNECT api.anthropic.com:443",
        f"GET {plain}",
        f"GET {plain}",
        "CONNECT api.anthropic.com:443",
        "CONNECT platform.claude.com:443",
    ]
    assert "hush" not in proxy.close()


@pytest.mark.parametrize("kind", FAULTS)
def test_what_passes_through_where_the_way_is_closed(
    start: Start, gateway: Gateway, network: company.Network, internet: Internet, kind: str
) -> None:
    profile = proxies.profile(named(internet["https"]))
    profile["upstream_proxy"] = faults(gateway, network, kind)
    proxy = start(profile, arguments=COLD)
    raw, head = connect(proxy, f"provider.example:{internet['https'].port}")
    body = raw.recv(2000)
    raw.close()
    assert head.startswith(b"HTTP/1.1 502"), head
    assert re.search(FAULTS[kind], body.decode()), body
    with httpx.Client(proxy=proxy.proxy_url, trust_env=False) as client:
        status = client.get(f"{named(internet['http'])}/settings").status_code
    assert status == {"password": 401, "down": 502, "blocked": 403}[kind]
    assert "hush" not in body.decode() + proxy.close()


# A proxy that reads what goes through it


@pytest.fixture
def inspector(network: company.Network, office: None) -> Iterator[company.Inspector]:
    made = company.Inspector(network)
    yield made
    made.close()


@pytest.mark.parametrize("source", ["SSL_CERT_FILE", "SSL_CERT_DIR", "option"])
def test_a_company_that_reads_along(
    start: Start,
    inspector: company.Inspector,
    internet: Internet,
    tmp_path: Path,
    source: str,
) -> None:
    environ, arguments = {"HTTPS_PROXY": inspector.url}, [*COLD]
    if source == "option":
        arguments += ["--set", f"ssl_verify_upstream_trusted_ca={inspector.ca}"]
    elif source == "SSL_CERT_FILE":
        environ[source] = str(inspector.ca)
    else:
        folder = tmp_path / "certs"
        folder.mkdir()
        (folder / "company.pem").write_bytes(inspector.ca.read_bytes())
        subprocess.run(["openssl", "rehash", folder], check=True)
        environ[source] = str(folder)
    proxy = start(
        proxies.profile(named(internet["https"])),
        environ=environ,
        arguments=arguments,
        behind="https://api.anthropic.com",
    )
    response = ask(proxy)
    assert response.status_code == 200, response.text
    with proxy.tunnel_client() as client:
        client.get("https://api.anthropic.com/api/hello")
    assert [request.bare_path for request in internet["anthropic"].requests] == ["/api/hello"]


def test_without_its_ca_the_error_says_what_to_set(
    start: Start, inspector: company.Inspector, internet: Internet
) -> None:
    proxy = start(
        proxies.profile(named(internet["https"])),
        environ={"HTTPS_PROXY": inspector.url},
        arguments=COLD,
    )
    response = ask(proxy)
    assert response.status_code == 502
    assert "SSL_CERT_FILE" in response.json()["error"]["message"]
    assert response.headers["x-should-retry"] == "false"
    with proxy.tunnel_client() as client:
        for _ in range(2):
            refused = client.get("https://api.anthropic.com/api/hello")
            assert refused.status_code == 400, "the client asks again after a 502"
            assert "SSL_CERT_FILE" in refused.text


# What its user sees


DIAGNOSES = {
    "good": r"ok  Upstream proxy: .*10\.77\.0\.1(?s:.*)ok  zai: .* answers, and accepts the key",
    "password": r"wants another user and password .*\n.*correct the user and password in HTTPS_PROXY",
    "down": r"no connection to 10\.77\.0\.1:.*\n.*whether HTTPS_PROXY names the right proxy",
    "blocked": r"403 Filtered.*\n.*have whoever runs that proxy let provider\.example pass",
    "untrusted": r"not trusted: .*SSL_CERT_FILE.*\n.*Certificates",
    "trusted": r"ok  zai: .* answers, and accepts the key",
    "none": r"cannot resolve provider\.example.*\n.*set HTTPS_PROXY or upstream_proxy",
}


@pytest.mark.parametrize("kind", DIAGNOSES)
def test_the_doctor(
    gateway: Gateway,
    network: company.Network,
    internet: Internet,
    inspector: company.Inspector,
    tmp_path: Path,
    kind: str,
) -> None:
    doctor = command.in_clone(tmp_path)
    (tmp_path / "p.yaml").write_text(json.dumps(proxies.profile(named(internet["https"]))))
    environ = trusting(internet, tmp_path)
    if kind == "good":
        environ["HTTPS_PROXY"] = gateway(login=LOGIN).url
    elif kind in ("trusted", "untrusted"):
        environ = {"HTTPS_PROXY": inspector.url}
        if kind == "trusted":
            environ["SSL_CERT_FILE"] = str(inspector.ca)
    elif kind != "none":
        environ["HTTPS_PROXY"] = faults(gateway, network, kind)
    run = doctor.run("doctor", "--online", "--profile", "p.yaml", **environ)
    assert re.search(DIAGNOSES[kind], run.stdout), run.stdout
    assert "NODE_EXTRA_CA_CERTS" not in run.stdout, "that proxy isn't ours"
    assert "hush" not in run.stdout + run.stderr


WAYS_IN = [claude_code.through_the_reverse_listener, claude_code.through_the_tunnel]


@pytest.mark.client
@claude_code.needs_claude
@pytest.mark.parametrize("way_in", WAYS_IN)
def test_the_real_client(
    start: Start,
    gateway: Gateway,
    internet: Internet,
    tmp_path: Path,
    way_in: Callable[[proxies.Proxy], dict[str, str]],
) -> None:
    """In a shell whose environment is that of the proxy."""
    way = gateway(login=LOGIN)
    environ = trusting(internet, tmp_path) | {"HTTPS_PROXY": way.url, "HTTP_PROXY": way.url}
    proxy = start(
        proxies.profile(named(internet["https"])),
        environ=environ,
        behind="https://api.anthropic.com",
    )
    proxy.wait_for_log('NO_PROXY="\\$NO_PROXY,127.0.0.1"')
    shell = {**environ, "NO_PROXY": "127.0.0.1", **way_in(proxy)}
    shell["CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC"] = ""
    client = claude_code.Claude(tmp_path / "home", shell)
    assert client.ask("hello", "--model", "glm") == "You said: hello"
    assert f"CONNECT provider.example:{internet['https'].port}" in way.requests
    if way_in is claude_code.through_the_tunnel:
        assert "CONNECT api.anthropic.com:443" in way.requests
        assert internet["anthropic"].requests


@pytest.mark.client
@claude_code.needs_claude
@pytest.mark.parametrize("way_in", WAYS_IN)
def test_the_real_client_says_soon_what_to_set(
    start: Start,
    inspector: company.Inspector,
    internet: Internet,
    tmp_path: Path,
    way_in: Callable[[proxies.Proxy], dict[str, str]],
) -> None:
    proxy = start(
        proxies.profile(named(internet["https"])),
        environ={"HTTPS_PROXY": inspector.url},
        arguments=COLD,
    )
    client = claude_code.Claude(tmp_path / "home", way_in(proxy))
    started = time.monotonic()
    with pytest.raises(AssertionError, match="SSL_CERT_FILE"):
        client.ask("hello", "--model", "glm")
    assert time.monotonic() - started < 45
