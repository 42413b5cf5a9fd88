from __future__ import annotations

import asyncio
import json
from collections.abc import Generator
from typing import Any

import pytest
from mitmproxy import http
from mitmproxy.test import tflow

from claude_route.dialects.messages import safeguards
from claude_route.proxy import checks
from claude_route.proxy import contract
from tests import clocks
from tests.unit.proxy import drivers

CALL = safeguards.Call("toolu_1", "Bash", {"command": "ls"})
CLEARED = {"type": "evaluated", "outcome": "not_flagged"}
ERROR = {"type": "unavailable", "reason": "error"}
TIMEOUT = {"type": "unavailable", "reason": "timeout"}


def answered(text: str, status: int = 200) -> http.Response:
    content = [{"type": "text", "text": text}]
    body = json.dumps({"content": content, "stop_reason": "stop_sequence"})
    return http.Response.make(status, body, {"content-type": "application/json"})


class Exchange:
    """The part of one that is used."""

    def __init__(self, first: Any = "attempt") -> None:
        self.first = first
        self.ends: list[str | None] = []

    def begin(self) -> Any:
        return self.first

    def closed(self, why: str | None) -> None:
        self.ends.append(why)


def check(exchange: Any, id: str = "toolu_1") -> contract.Check:
    return contract.Check(CALL._replace(id=id), tflow.tflow(), exchange)


def whole(collector: checks.Collector, response: http.Response) -> Any:
    body, response.data.content = response.raw_content or b"", None
    return collector.begin(response, body, is_whole=True)


async def run(collector: checks.Collector, exchange: Any, first: Any) -> None:
    assert first == "attempt"
    await collector.tell(lambda: whole(collector, answered("<block>no")))


async def test_the_verdict_about_each_call() -> None:
    one, two = Exchange(), Exchange()
    known = contract.Check(CALL._replace(id="toolu_3"), verdict=safeguards.flagged("No."))
    asked = [check(one), check(two, "toolu_2"), known, contract.Check(CALL._replace(id="4"))]
    assert await checks.verdicts(asked, run, clocks.Timers()) == {
        "toolu_1": CLEARED,
        "toolu_2": CLEARED,
        "toolu_3": {"type": "evaluated", "outcome": "flagged", "explanation": "No."},
        "4": ERROR,
    }
    assert one.ends == two.ends == [None]
    flow = asked[0].flow
    assert flow
    assert flow.response
    assert b"<block>no" in (flow.response.content or b"")
    assert flow.error is None


async def test_an_answer_in_pieces() -> None:
    async def in_pieces(collector: checks.Collector, exchange: Any, first: Any) -> None:
        response = answered("<block>no")
        body, response.data.content = response.raw_content or b"", None
        await collector.tell(lambda: collector.begin(response, body[:9], is_whole=False))
        writer = collector.writer()
        assert not (writer.is_free or writer.is_direct or writer.is_full)
        await collector.tell(lambda: collector.pass_on(body[9:20]))
        await collector.tell(lambda: collector.end(body[20:]))
        await collector.tell(lambda: collector.end(b"more"))

    made = await checks.verdicts([check(Exchange())], in_pieces, clocks.Timers())
    assert made == {"toolu_1": CLEARED}


@pytest.mark.parametrize("status", [429, 500, 200])
async def test_an_answer_of_our_own_clears_nothing(status: int) -> None:
    own = answered("<block>no", status)
    exchange = Exchange(own)
    assert await checks.verdicts([check(exchange)], run, clocks.Timers()) == {"toolu_1": ERROR}

    async def refuses(collector: checks.Collector, exchange: Any, first: Any) -> None:
        await collector.tell(lambda: collector.answer(answered("<block>no", status)))

    made = await checks.verdicts([check(Exchange())], refuses, clocks.Timers())
    assert made == {"toolu_1": ERROR}


@pytest.mark.parametrize("status", [401, 403])
async def test_a_credential_of_the_clients_that_is_refused(status: int) -> None:
    """Its own check would be refused as well."""
    made = await checks.verdicts([check(Exchange(answered("", status)))], run, clocks.Timers())
    assert made == {"toolu_1": safeguards.NOBODY}


@pytest.mark.parametrize("end", ["interrupt", "killed", "recover"])
async def test_an_answer_that_breaks_clears_nothing(end: str) -> None:
    async def breaks(collector: checks.Collector, exchange: Any, first: Any) -> None:
        response = answered("<block>no")
        await collector.tell(lambda: whole_but_open(collector, response))
        acts: dict[str, Any] = {
            "interrupt": lambda: collector.interrupt("gone", b""),
            "killed": collector.killed,
            "recover": collector.recover,
        }
        await collector.tell(acts[end])

    exchange = Exchange()
    made = await checks.verdicts([check(exchange)], breaks, clocks.Timers())
    assert made["toolu_1"]["type"] == "unavailable"
    assert exchange.ends[0]


def whole_but_open(
    collector: checks.Collector, response: http.Response
) -> Generator[Any, Any, None]:
    body, response.data.content = response.raw_content or b"", None
    return collector.begin(response, body, is_whole=False)


async def never(collector: checks.Collector, exchange: Any, first: Any) -> None:
    await asyncio.Event().wait()


async def test_it_takes_no_longer_than_its_time() -> None:
    clock, exchange = clocks.Timers(), Exchange()
    task = asyncio.create_task(checks.verdicts([check(exchange)], never, clock))
    await drivers.settle()
    clock.advance(checks.TIMEOUT - 0.1)
    await drivers.settle()
    assert not task.done()
    clock.advance(0.2)
    assert await task == {"toolu_1": TIMEOUT}
    assert exchange.ends == ["no verdict within 10 s"]


async def test_it_ends_with_its_client() -> None:
    exchange = Exchange()
    task = asyncio.create_task(checks.verdicts([check(exchange)], never, clocks.Timers()))
    await drivers.settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert exchange.ends == ["the client has gone"]


def test_its_request_is_ours_with_the_clients_credential() -> None:
    asking = tflow.tflow()
    asking.request = http.Request.make(
        "POST", "https://api.anthropic.com/v1/messages?beta=true", b"x" * 50
    )
    asking.request.headers.update(
        {
            "authorization": "{{client}}",
            "user-agent": "claude-cli/2.1.330",
            "x-app": "cli",
            "x-stainless-lang": "js",
            "x-claude-code-session-id": "s",
            "x-claude-code-agent-id": "a",
            "x-claude-route-hop": "h",
            "x-litellm-api-key": "k",
            "content-encoding": "gzip",
            "anthropic-beta": "claude-code-20250219,oauth-2025-04-20",
        }
    )
    made = checks.flow_for(asking, b"{}")
    assert made.client_conn is asking.client_conn
    assert made.request.path == "/v1/messages"
    assert made.request.content == b"{}"
    headers = dict(made.request.headers)
    assert headers.pop("user-agent").startswith("claude-route/")
    headers.pop("host", None)
    assert headers == {
        "authorization": "{{client}}",
        "x-claude-code-session-id": "s",
        "x-claude-code-agent-id": "a",
        "x-claude-route-hop": "h",
        "anthropic-version": "2023-06-01",
        "anthropic-beta": "oauth-2025-04-20",
        "accept": "application/json",
        "content-type": "application/json",
        "content-length": "2",
    }
    del asking.request.headers["anthropic-beta"]
    assert "anthropic-beta" not in checks.flow_for(asking, b"{}").request.headers
