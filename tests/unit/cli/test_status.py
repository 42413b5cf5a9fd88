from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from claude_route.cli import status
from claude_route.pages import standings
from claude_route.pages import status as pages_status
from claude_route.profile import profiles
from claude_route.proxy import state
from claude_route.routing import breaker
from claude_route.routing import lessons
from claude_route.routing import rotation
from claude_route.routing import stats
from simulator import ports
from tests.clocks import Clock
from tests.wire import proxies


def report() -> dict[str, Any]:
    """As a running proxy makes it."""
    profile = profiles.parse(str(proxies.profile("http://127.0.0.1:1")), {}, "team.yaml")
    clock = Clock()
    pool = rotation.Pool(proxies.POOL[:2], clock=clock)
    in_force = state.State(
        profile, pool, breaker.Breaker(clock), stats.Stats(clock), lessons.Lessons(clock)
    )
    pool.rest(2, 600)
    clock.now += 120
    made = pages_status.status(in_force)
    return dict(json.loads(pages_status.to_json(made)))


def test_a_table() -> None:
    lines = list(status.lines(report()))
    assert lines[0] == "Profile team, up for 2 min, 0 requests in flight"
    assert lines[2] == "Tokens (rotate, session)"
    assert lines[3].startswith("  token 1 …pol1  available          5 h ?  7 d ?  0 sessions")
    assert lines[4].startswith("  token 2 …pol2  resting for 8 min")
    assert lines[4].endswith("by hand")
    assert any(line.startswith("  zai/glm-5 ") and "not asked" in line for line in lines)
    assert lines[-1] == "  no requests yet"


def test_clients_over_their_limits() -> None:
    shown = report()
    rows = [
        standings.Row("alice", "dollars", "day", 21, 0, 20, 86400.0),
        standings.Row("bob", "tokens", "day", 6_000_000, 0, 5_000_000, 86400.0),
    ]
    assert shown["over"] == []
    shown["over"] = standings.to_json(rows)
    assert list(status.lines(shown))[1] == (
        "Over their limits: alice ($20.00 a day, until 1970-01-02 00:00 UTC), "
        "bob (5.0M tokens a day, until 1970-01-02 00:00 UTC)"
    )


def test_whose_requests_they_are() -> None:
    shown = report()
    assert not any("Requests are" in line for line in status.lines(shown))
    shown["client"] = "alice"
    assert list(status.lines(shown))[1] == (
        "Requests are those of alice; tokens and targets are what all clients share"
    )
    del shown["client"]
    assert list(status.lines(shown))


def test_targets_and_models() -> None:
    shown = report()
    shown["targets"] = [
        {
            "name": "zai/glm-5",
            "state": "failing",
            "missing": [],
            "attempts": 3,
            "failures": 2,
            "last_error": "529",
            "last_error_at": shown["now"] - 90,
            "wait": 0.0,
            "left_out": ["thinking", "top_k"],
        },
        {
            "name": "kimi/k2",
            "state": "unusable",
            "missing": ["KIMI_API_KEY"],
            "attempts": 0,
            "failures": 0,
            "last_error": "",
            "last_error_at": None,
            "wait": 0.0,
        },
    ]
    shown["models"] = [
        {
            "name": "glm",
            "requests": 3,
            "errors": 1,
            "per_minute": 0.1,
            "first_byte": {"p50": 0.85, "p95": 2.0, "of": 3},
            "tokens": {"in": 21300, "cached": 20000, "out": 99},
        }
    ]
    text = "\n".join(status.lines(shown))
    assert (
        "zai/glm-5  failing   3 attempts  2 failed  529, 2 min ago; without thinking, top_k" in text
    )
    assert "kimi/k2    unusable  0 attempts  0 failed  not set: KIMI_API_KEY" in text
    assert "glm  3 requests  1 error  21.3k in  20.0k cached  99 out  first byte 850 ms" in text


class Server(http.server.BaseHTTPRequestHandler):
    answers: tuple[int, bytes] = (200, b"")
    key: str | None = None

    def do_GET(self) -> None:
        Server.key = self.headers["x-litellm-api-key"]
        code, body = self.answers
        self.send_response(code)
        self.send_header("location", "http://127.0.0.1:1/")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    with http.server.HTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_fetch(url: str) -> None:
    Server.answers = (200, json.dumps(report()).encode())
    assert status.fetch(url, "cr-key")["profile"] == "team"
    assert Server.key == "cr-key"


@pytest.mark.parametrize(
    ("answers", "key", "error"),
    [
        ((401, b"{}"), None, "requires a key: set PROXY_STATIC_TOKEN"),
        ((401, b"{}"), "x", "requires another PROXY_STATIC_TOKEN"),
        ((200, b"<html>"), None, "is not claude-route"),
        ((200, b"[]"), None, "is not claude-route"),
        ((200, b"3"), None, "is not claude-route"),
        ((302, b""), "x", "is not claude-route"),
    ],
)
def test_what_is_not_the_status(
    url: str, answers: tuple[int, bytes], key: str | None, error: str
) -> None:
    Server.answers = answers
    with pytest.raises(ValueError, match=error):
        status.fetch(url, key)


def test_nobody_there() -> None:
    with pytest.raises(ValueError, match=r"no proxy answers at .*: connection refused"):
        status.fetch(f"http://127.0.0.1:{ports.free()}", None)


@pytest.mark.parametrize("url", ["127.0.0.1:4000", "ftp://x", "http://", "http://x:99999"])
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(ValueError):
        status.fetch(url, None)


def test_checks_of_tool_calls() -> None:
    row = {
        "name": "claude-haiku-5-5",
        "requests": 3,
        "errors": 0,
        "first_byte": None,
        "tokens": {"in": 900, "cached": 0, "out": 30},
    }
    assert not any("auto mode" in line for line in status.lines(report()))
    *_, title, line = status.lines(report() | {"checks": [row]})
    assert title == "Checks of tool calls (auto mode)"
    assert "claude-haiku-5-5  3 requests" in line
