"""Malicious clients, web pages and edits, over the wire."""

from __future__ import annotations

import concurrent.futures
import functools
import itertools
import json
import socket
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import simulator
from simulator import answers
from tests.wire import mitmweb
from tests.wire import pairs
from tests.wire import proxies

Start = Callable[..., proxies.Proxy]

POOL = {"tokens": list(proxies.POOL[:2])}


def exchange(port: int, wire: bytes) -> bytes:
    """What a listener answers to these bytes until it hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=proxies.PATIENCE) as raw:
        raw.sendall(wire)
        return raw.makefile("rb").read()


def post(
    *fields: bytes,
    path: bytes = b"/v1/messages",
    model: str = "claude-opus-5-5",
    stream: bool = False,
) -> bytes:
    body = json.dumps(proxies.message(model, stream=stream)).encode()
    head = (
        b"POST %s HTTP/1.1" % path,
        b"host: x",
        b"connection: close",
        b"anthropic-version: 2023-06-01",
        *fields,
        b"content-length: %d" % len(body),
    )
    return b"\r\n".join(head) + b"\r\n\r\n" + body


# Requests within requests


@pytest.fixture(scope="module")
def module_proxy(
    shared_sim: simulator.Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[proxies.Proxy]:
    proxy = proxies.Proxy(
        tmp_path_factory.mktemp("hostile"),
        proxies.profile(shared_sim.url, pool=POOL),
        behind=shared_sim.url,
    )
    yield proxy
    proxy.close()


@pytest.mark.parametrize(
    "field",
    [
        b"content-length: 0",
        b"content-length: +1",
        b"transfer-encoding: chunked",
        b"transfer-encoding: xchunked",
        b"transfer-encoding : chunked",
        b"x-a: b\rx-b: c",
        b"x-a: b\r\rPOST /v1/files HTTP/1.1\rx-b: c",
        b"x-a: b\r\n c: d",
        b"x-a: b\0c",
    ],
)
def test_ambiguous_headers_are_not_forwarded(
    module_proxy: proxies.Proxy, seen: simulator.Simulator, field: bytes
) -> None:
    answer = exchange(module_proxy.reverse_port, post(field))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert not seen.requests


SECRET = b"MARKED-0123456789-mrkd"


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param(b"POST / HTTP/1.1\r\nx-api-key: %s\r\n" % SECRET, id="no end"),
        pytest.param(b"POST / HTTP/1.1\r\nx-api-key: %s" % SECRET[:-4], id="half a line"),
        pytest.param(b"POST / HTTP/1.1\r\nx-api-key %s\r\n\r\n" % SECRET, id="no colon"),
        pytest.param(b"x-api-key: %s\r\n\r\n" % SECRET, id="no request line"),
        pytest.param(b"GET http://a:%s@x/ HTTP/1.1\r\n\r\n" % SECRET, id="password in a URL"),
    ],
)
def test_unreadable_headers_are_not_logged(module_proxy: proxies.Proxy, wire: bytes) -> None:
    for port in (module_proxy.reverse_port, module_proxy.proxy_port):
        with socket.create_connection(("127.0.0.1", port), timeout=proxies.PATIENCE) as raw:
            raw.sendall(wire)
            raw.shutdown(socket.SHUT_WR)
            raw.makefile("rb").read()
    assert "MARKED" not in module_proxy.log


# A foreign name that points to this machine


def get(path: bytes, host: bytes, *fields: bytes, method: bytes = b"GET") -> bytes:
    head = (b"%s %s HTTP/1.1" % (method, path), b"connection: close", b"host: " + host, *fields)
    return b"\r\n".join(head) + b"\r\n\r\n"


REBOUND = b"rebound.example:4000"


@pytest.mark.parametrize(
    ("path", "host", "status"),
    [
        *((path, REBOUND, 403) for path in (b"/status", b"/status.js", b"/v1/models", b"/status?")),
        *((b"/status", host, 200) for host in (b"127.0.0.1", b"[::1]:4000", b"localhost:4000")),
        (b"/v1/models", b"localhost", 200),
        (b"/status", b"127.0.0.1\r\nhost: " + REBOUND, 403),
        (b"http://127.0.0.1/status", REBOUND, 403),
        (b"/health", REBOUND, 200),
    ],
)
def test_our_pages_under_other_names(
    module_proxy: proxies.Proxy, seen: simulator.Simulator, path: bytes, host: bytes, status: int
) -> None:
    for method in (b"GET", b"HEAD"):
        answer = exchange(module_proxy.reverse_port, get(path, host, method=method))
        assert answer.startswith(b"HTTP/1.1 %d " % status)
    if status == 403:
        answer = exchange(module_proxy.reverse_port, get(path, host))
        assert b'"permission_error"' in answer
    assert not seen.requests


def test_a_page_under_its_own_name_may_not_post(
    module_proxy: proxies.Proxy, seen: simulator.Simulator
) -> None:
    """A browser tells the origin of each POST, to the page's own host too."""
    for path in (b"/v1/messages", b"/v1/messages/count_tokens"):
        for origin in (b"http://" + REBOUND, b"null"):
            wire = post(b"origin: " + origin, path=path)
            answer = exchange(
                module_proxy.reverse_port, wire.replace(b"host: x", b"host: " + REBOUND)
            )
            assert answer.startswith(b"HTTP/1.1 403 ")
    assert not seen.requests


def test_with_a_key_names_do_not_matter(start: Start, sim: simulator.Simulator) -> None:
    proxy = start(proxies.profile(sim.url), environ={"PROXY_STATIC_TOKEN": "static-0123456789"})
    for path, fields, status in (
        (b"/status", (b"x-litellm-api-key: static-0123456789",), 200),
        (b"/v1/models", (b"x-litellm-api-key: static-0123456789",), 200),
        (b"/status", (), 401),
        (b"/health", (), 200),
    ):
        answer = exchange(proxy.reverse_port, get(path, REBOUND, *fields))
        assert answer.startswith(b"HTTP/1.1 %d " % status)


def test_no_credential_stays_in_a_trailer(
    start: Start, sim: simulator.Simulator, tmp_path: Path
) -> None:
    saved = tmp_path / "saved.flows"
    proxy = start(proxies.profile(sim.url), arguments=["-w", str(saved), "--set", "flow_detail=4"])
    with pairs.Streams(pairs.Pair(sim, proxy, itertools.count())) as client:
        pseudo = (":method", "POST"), (":scheme", "https"), (":path", "/v1/messages")
        fields = (":authority", "api.anthropic.com"), ("anthropic-version", "2023-06-01")
        client.h2.send_headers(1, [*pseudo, *fields, ("x-api-key", proxies.API_KEY)])
        client.h2.send_data(1, json.dumps(proxies.message()).encode())
        client.h2.send_headers(1, [("authorization", SECRET)], end_stream=True)
        client.socket.sendall(client.h2.data_to_send())
        client.received[1] = b""
        assert b"You said" in client.read(1)
    assert len(sim.requests) == 1
    assert "MARKED" not in proxy.close()
    assert b"/v1/messages" in saved.read_bytes()
    assert SECRET not in saved.read_bytes()


# Placeholders


def test_a_clients_placeholder_stands_for_itself(
    module_proxy: proxies.Proxy, seen: simulator.Simulator
) -> None:
    """Not for the token, nor the credential, that the same words stand for elsewhere."""
    token, own = "Bearer {{pool #1 …pol1}}".encode(), "{{client …cLnt}}".encode()
    fields = (
        b"x-api-key: " + proxies.API_KEY.encode(),
        b"cookie: " + token,
        b"x-one-token: " + token,
        b"x-two-token: " + own,
    )
    for _ in POOL["tokens"]:
        exchange(module_proxy.reverse_port, post(*fields))
    exchange(module_proxy.reverse_port, post(*fields, path=b"/v1/files"))
    first, second, passed = seen.requests
    for request in (first, second):
        assert str(request.headers).count("sk-ant-oat01-pool") == 1
        assert proxies.API_KEY not in str(request.headers)
    assert str(passed.headers).count(proxies.API_KEY) == 1
    assert passed.header("x-one-token") == token.decode("latin-1")
    assert passed.header("x-two-token") == own.decode("latin-1")


# An upstream that repeats what it got


TOKEN = POOL["tokens"][0].encode()


@pytest.mark.parametrize(
    "wire",
    [
        b"HTTP/1.1 400 Bad\r\nwww-authenticate: Bearer t=%s\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 400 %s\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 401 No\r\nx-a: %s\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 302 There\r\nlocation: http://x/?%s\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-a: %s\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nno header %s\r\n\r\n",
        b"%s\r\n\r\n",
    ],
)
def test_a_token_repeated_in_headers_is_redacted(start: Start, tmp_path: Path, wire: bytes) -> None:
    saved = tmp_path / "saved.flows"
    wire %= TOKEN
    with pairs.Odd([wire, wire], [wire, wire]) as upstream:
        proxy = start(
            proxies.profile(upstream.url, pool=POOL),
            arguments=["-w", str(saved), "--set", "flow_detail=4"],
        )
        answer = exchange(proxy.reverse_port, post())
    assert answer.startswith(b"HTTP/1.1 ")
    assert TOKEN not in answer
    assert TOKEN.decode() not in proxy.close()
    assert TOKEN not in saved.read_bytes()
    is_malformed = b"no header" in wire or not wire.startswith(b"HTTP/")
    assert (b"[redacted]" in saved.read_bytes()) != is_malformed, (
        "what can't be read is never quoted"
    )


def test_a_token_repeated_in_the_middle_of_an_answer_is_redacted(start: Start) -> None:
    error = b'{"type":"error","error":{"type":"api_error","message":"no %s"}}' % TOKEN
    begun = (
        b'event: message_start\ndata: {"type":"message_start","message":{}}\n\n'
        b'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
        b'"content_block":{"type":"text","text":""}}\n\n'
    )
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
    with pairs.Odd([head + begun + b"event: error\ndata: %s\n\n" % error]) as upstream:
        proxy = start(proxies.profile(upstream.url, pool=POOL))
        answer = exchange(proxy.reverse_port, post(stream=True))
    assert b'"message":"no [redacted]"' in answer
    assert TOKEN not in answer


def test_a_cookie_comes_back_to_the_client_that_sent_it(
    start: Start, sim: simulator.Simulator
) -> None:
    cookie = "session=0123456789; Secure"
    sim.script(*[simulator.Answer(headers=(("set-cookie", cookie),))] * 2)
    proxy = start(proxies.profile(sim.url))
    with proxy.client(headers={"cookie": "session=0123456789"}) as client:
        for stream in (False, True):
            answer = client.post("/v1/messages", json=proxies.message(stream=stream))
            assert answer.headers["set-cookie"] == cookie


def test_cookies_reach_the_client_and_no_one_else(
    start: Start, sim: simulator.Simulator, tmp_path: Path
) -> None:
    saved = tmp_path / "saved.flows"
    arguments = ["-w", str(saved), "--set", "flow_detail=4"]
    proxy = start(proxies.profile(sim.url, pool=POOL), behind=sim.url, arguments=arguments)
    cookies = (("set-cookie", "a=MARKED-0; HttpOnly"), ("set-cookie", "b=MARKED-1; HttpOnly"))
    answer = simulator.Answer(headers=cookies)
    with proxy.client() as client:
        for scripted, stream in (
            ([answer], False),
            ([answer], True),
            ([answers.failure(529, headers=cookies), answer], True),
            ([answers.failure(400, headers=cookies)], True),
        ):
            sim.script(*scripted)
            got = client.post("/v1/messages", json=proxies.message(stream=stream))
            assert got.headers.get_list("set-cookie") == [value for _, value in cookies]
        sim.when(
            lambda request: request.path == "/api/other",
            simulator.Answer(body=b"x", headers=cookies),
        )
        got = client.post("/api/other")
        assert got.headers.get_list("set-cookie") == [value for _, value in cookies]
    assert "MARKED" not in proxy.close()
    assert saved.read_bytes().count("{{server …Only}}".encode()) == 6
    assert b"MARKED" not in saved.read_bytes()


# Edits


@pytest.fixture
def web(sim: simulator.Simulator, start: Start) -> mitmweb.Web:
    starting = functools.partial(start, behind=sim.url)
    return mitmweb.Web(starting, proxies.profile(sim.url, pool=POOL), show_all="true")


def statuses(web: mitmweb.Web) -> list[int | None]:
    """The statuses of the answers that arrived."""
    return [(flow.get("response") or {}).get("status_code") for flow in web.flows()]


@pytest.mark.parametrize("edit", [{"path": "/v1/files"}, {"method": "DELETE"}])
def test_no_token_follows_an_edit(
    sim: simulator.Simulator, web: mitmweb.Web, edit: dict[str, Any]
) -> None:
    """Of a request that waits, of one that is sent again, and of its copy."""
    with web.proxy.client() as client, concurrent.futures.ThreadPoolExecutor() as pool:
        web.api.put("/options", json={"intercept": "~q"})
        waiting = pool.submit(client.post, "/v1/messages", json=proxies.message())
        proxies.wait_until(lambda: any(flow["intercepted"] for flow in web.flows()))
        web.api.put("/options", json={"intercept": ""})
        (flow,) = web.flows()
        path = f"/flows/{flow['id']}"
        web.api.put(path, json={"request": edit})
        web.api.post(f"{path}/resume")
        assert waiting.result().status_code == 400
    web.api.post(f"{path}/replay")
    copy = web.api.post(f"{path}/duplicate").text
    web.api.put(f"/flows/{copy}", json={"request": {"path": "/v1/messages", "method": "POST"}})
    web.api.post(f"/flows/{copy}/replay")
    proxies.wait_until(lambda: statuses(web) == [400, 200])
    web.api.put(f"/flows/{copy}", json={"request": edit})

    def is_refused() -> bool:
        web.api.post(
            f"/flows/{copy}/replay"
        )  # which mitmweb doesn't do before the last one is over
        return statuses(web) == [400, 400]

    proxies.wait_until(is_refused)
    assert [(r.method, r.path) for r in sim.requests] == [("POST", "/v1/messages")]


def test_no_token_follows_a_host(sim: simulator.Simulator, web: mitmweb.Web) -> None:
    with simulator.Simulator() as other, web.proxy.client() as client:
        client.post("/v1/messages", json=proxies.message())
        (flow,) = web.flows()
        path = f"/flows/{flow['id']}"
        for edited in ("/v1/messages", "/v1/files"):
            edit = {"host": "127.0.0.1", "port": other.port, "path": edited}
            web.api.put(path, json={"request": edit})
            web.api.post(f"{path}/replay")
            web.proxy.wait_for_log(f"A user replayed POST {edited}")
            proxies.wait_until(lambda: all(statuses(web)))
        proxies.wait_until(lambda: statuses(web) == [400])
        assert not other.requests
    assert [request.path for request in sim.requests] == ["/v1/messages"] * 2
