"""What one client with a key invents (models, sessions, agents, parameters of pages) harms no page, and shows it
nothing of another's."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator
from typing import Any

import pytest

import simulator
from tests.wire import proxies
from tests.wire import test_clients

STATIC = "static-0123456789-tokn"

NAMES = (
    "claude-\\ud800",
    "claude-=HYPERLINK(1)",
    "claude-\\u0000\\n\\u001b[2J",
    'claude-"} 1\\n# TYPE x',
    "claude-<script>alert(1)</script>",
    "claude-" + "x" * 100_000,
    "=cmd|' /C calc'!A0",
)
"""As they stand in JSON."""

IDS = (
    "=1+1",
    "../../etc/passwd",
    "<img src=x onerror=alert(1)>",
    "'; DROP TABLE requests; --",
    "%00%0a",
    "none",
    "\u202eabc",
    "x" * 9000,
)


def asks(words: str) -> dict[str, Any]:
    return proxies.message(text=words)


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[proxies.Proxy]:
    with simulator.Simulator() as sim:
        profile = test_clients.profile(
            sim.url, {"alice": {}, "bob": {}}, models={"claude-*": "anthropic/claude-*"}
        )
        running = proxies.Proxy(
            tmp_path_factory.mktemp("names"), profile, environ={"PROXY_STATIC_TOKEN": STATIC}
        )
        with test_clients.client_of(running, test_clients.ALICE) as alice:
            alice.post(
                "/v1/messages",
                json=asks("alice's own words"),
                headers={"x-claude-code-session-id": "alices"},
            )
            alice.post(
                "/v1/messages",
                json=asks("alice's shared words"),
                headers={"x-claude-code-session-id": "both"},
            )
        with test_clients.client_of(running, test_clients.BOB) as bob:
            for name in NAMES:
                body = (
                    '{"model":"%s","max_tokens":9,"messages":[{"role":"user","content":"hello"}]}'
                )
                bob.post(
                    "/v1/messages",
                    content=body % name.replace('"', '\\"'),
                    headers={"content-type": "application/json"},
                )
            for id in IDS:
                fields = {
                    b"x-claude-code-session-id": id.encode(),
                    b"x-claude-code-agent-id": id.encode(),
                }
                bob.post("/v1/messages", json=asks("bob's"), headers=fields)
            bob.post(
                "/v1/messages",
                json=asks("bob's"),
                headers={"x-claude-code-session-id": "both"},
            )
        proxies.wait_until(lambda: asked(running) == len(NAMES) + len(IDS) + 3)
        yield running
        running.close()


def asked(proxy: proxies.Proxy) -> int:
    """How many requests the ledger and the sessions have."""
    usage = get(proxy, STATIC, "/usage").json()
    sessions = get(proxy, STATIC, "/sessions").json()["sessions"]
    turns = sum(int(session["turns"]) for session in sessions)
    return min(int(usage["total"]["requests"]), turns)


def get(proxy: proxies.Proxy, key: str, path: str, **headers: str) -> Any:
    with test_clients.client_of(proxy, key) as client:
        return client.get(path, headers=headers)


def test_the_ledger_has_all_of_them(proxy: proxies.Proxy) -> None:
    text = get(proxy, STATIC, "/usage?by=session,agent,model&format=csv").text
    rows = list(csv.reader(io.StringIO(text)))[1:]
    assert sum(int(row[3]) for row in rows) == len(NAMES) + len(IDS) + 3
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@", "\t"))]
    assert max(len(cell) for row in rows for cell in row) <= 201
    page = get(proxy, STATIC, "/usage?by=session", accept="text/html").text
    assert page.count("<script") == page.count('<script src="base.js" defer></script>') == 1


def test_metrics_can_be_read(proxy: proxies.Proxy) -> None:
    text = get(proxy, STATIC, "/metrics").text
    assert all(
        line.startswith(("# HELP", "# TYPE", "claude_route_", "process_"))
        for line in text.splitlines()
    )
    assert len(text) < 100_000


@pytest.mark.parametrize("accept", ["*/*", "text/html"])
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/usage", 200),
        ("/usage?client=alice", 400),
        ("/usage?by=client;drop", 400),
        ("/usage?by=" + "client," * 5000, 200),
        ("/usage?since=99999w", 200),
        ("/usage?since=9999999999999d", 400),
        ("/usage?since=0001-01-01T00:00:00%2B14:00", 400),
        ("/usage?since=NaN", 400),
        ("/metrics", 403),
        ("/sessions", 200),
        ("/sessions/alices", 404),
        ("/sessions/alices.html", 404),
        ("/sessions/both", 200),
        ("/sessions/both.har", 200),
        ("/sessions/both.jsonl", 200),
        ("/sessions/both.html", 200),
        ("/sessions/none", 200),
        ("/sessions/none?with=" + "x," * 9000, 200),
        ("/sessions?search=own+words", 200),
        ("/sessions?search=" + "(a%2B)%2B$" * 50, 200),
        ("/sessions/..%2f..%2fetc%2fpasswd", 200),  # its own
        ("/sessions/..%2f..%2fetc%2fshadow", 404),
    ],
)
def test_pages(proxy: proxies.Proxy, path: str, status: int, accept: str) -> None:
    began = time.monotonic()
    answer = get(proxy, test_clients.BOB, path, accept=accept)
    assert answer.status_code == status
    assert time.monotonic() - began < 15
    assert len(answer.content) < 1_000_000
    assert "alice's" not in answer.text
    assert "alice&" not in answer.text.replace("client=alice&", "")
    if answer.headers["content-type"].startswith("text/html"):
        assert "<script>alert" not in answer.text
        assert "<img src=x" not in answer.text


def test_the_shared_key_sees_what_others_do_not(proxy: proxies.Proxy) -> None:
    assert "alice's own words" in get(proxy, STATIC, "/sessions/alices").text
    assert "alice's shared words" in get(proxy, STATIC, "/sessions/both").text


def test_no_traceback(proxy: proxies.Proxy) -> None:
    assert "Traceback" not in proxy.log
    assert "\x1b" not in proxy.log
