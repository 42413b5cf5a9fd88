from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from typing import Any
from typing import cast

import pytest
from mitmproxy import flowfilter
from mitmproxy.test import tflow
from mitmproxy.test import tutils
from mitmproxy.tools.web import app

from claude_route.patches import filters


@pytest.fixture(autouse=True)
def installed() -> Iterator[None]:
    def names() -> list[Any]:
        client = app.ClientConnection
        return [
            flowfilter.parse,
            flowfilter._Rex.__init__,
            client.update_filter,
            client._broadcast_flow,
        ]

    stock = names()
    undo = filters.install()
    yield
    undo()
    assert names() == stock


def flow(body: bytes) -> Any:
    return tflow.tflow(req=tutils.treq(content=body), resp=True)


@pytest.mark.parametrize(
    ("expression", "matches"),
    [
        ("~bq hello", True),
        ("~bq HELLO", True),
        ("~bq h.*wörld", True),
        ("~bq ^wörld", False),
        ("~u address", True),
        ("~h '^header: qv'", True),
        ("!( ~bq x | ~bq y ) & ~m get", True),
        ("~meta x", False),
        ("address", True),
    ],
)
def test_filters(expression: str, matches: bool) -> None:
    assert bool(flowfilter.match(expression, flow("hello\nwörld".encode()))) is matches


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "a*a*a*a*a*b", "(.*)*x"])
def test_no_expression_takes_long(pattern: str) -> None:
    """With Python's own, the age of the universe."""
    assert not flowfilter.match(f'~bq "{pattern}"', flow(b"a" * 100_000 + b"!"))


@pytest.mark.parametrize(
    "expression", ["~b (?=a)", r"~b (a)\1", "~b (", "~b [", "(" * 999, "!" * 999 + "~q"]
)
def test_what_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match="Invalid filter expression"):
        flowfilter.parse(expression)


@pytest.mark.parametrize(
    ("expression", "deeper"), [("~q", False), ("!!!~q", False), ("!!!!~q", True), ("~q ~s", False)]
)
def test_depth(expression: str, deeper: bool) -> None:
    assert filters.is_deeper(flowfilter.parse(expression), 3) is deeper


def test_parentheses_take_no_time() -> None:
    assert flowfilter.match("( " * 10 + "~q" + " )" * 10, tflow.tflow())


def test_flags_are_those_of_the_filter() -> None:
    """mitmproxy 12.3 shows them in a filter's words."""
    pattern = cast(Any, flowfilter.parse("~bq hello")).re
    assert pattern.flags == re.DOTALL | re.IGNORECASE


def test_text_that_is_not_unicode() -> None:
    assert filters.Pattern("a.b", 0).search("a\udcffb")


class View(list[Any]):
    def get_by_id(self, id: str) -> Any:
        return next((each for each in self if each.id == id), None)


class Client:
    def __init__(self, flows: list[Any]) -> None:
        self.filters: dict[str, Any] = {}
        self.sent: list[dict[str, Any]] = []
        self.connections = {self}
        self.application = self.master = self
        self.view = View(flows)

    _json_dumps = staticmethod(json.dumps)

    def send(self, message: str) -> None:
        self.sent.append(json.loads(message))

    def update(self, expression: str) -> None:
        app.ClientConnection.update_filter(cast(app.ClientConnection, self), "search", expression)

    def tell(self, change: Any, changed: Any) -> None:
        shown = app.flow_to_json(changed)
        app.ClientConnection._broadcast_flow(cast(Any, self), change, changed, shown)


async def settled() -> None:
    while searches := [task for task in asyncio.all_tasks() if task.get_name() == filters.SEARCH]:
        await asyncio.gather(*searches)


async def test_a_search() -> None:
    flows = [flow(b"one"), flow(b"two"), flow(b"one more")]
    client = Client(flows)
    client.update("~bq one")
    await settled()
    (message,) = client.sent
    found = [flows[0].id, flows[2].id]
    assert message["payload"] == {"name": "search", "matching_flow_ids": found}
    assert client.filters["search"].pattern == "~bq one"


async def test_a_search_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filters, "SLICE", 0)
    client = Client([flow(b"one") for _ in range(10)])
    client.update("~bq one")
    await asyncio.sleep(0)
    client.update("~bq two")
    await settled()
    (message,) = client.sent
    assert message["payload"]["matching_flow_ids"] == [], "the first search was given up"


async def test_large_bodies_are_looked_through_in_a_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads: list[str] = []
    large, small = flow(b"x" * 10_000 + b"one"), flow(b"one")
    client = Client([large, small])
    client.update("~bq one")
    await settled()
    assert client.sent.pop()["payload"]["matching_flow_ids"] == [large.id, small.id]

    def look(wanted: Any, changed: Any) -> bool:
        threads.append(threading.current_thread().name)
        return bool(wanted(changed))

    monkeypatch.setattr(filters, "matches", look)
    client.tell("flows/update", small)
    assert [message["payload"]["matching_filters"] for message in client.sent] == [{"search": True}]
    assert threads == []
    client.tell("flows/add", large)
    client.tell("flows/update", large)
    client.tell("flows/update", small)
    large.request.content = b"x" * 10_000
    await settled()
    changes = [
        (message["type"], message["payload"]["flow"]["id"], message["payload"]["matching_filters"])
        for message in client.sent[1:]
    ]
    assert changes == [
        ("flows/add", large.id, {"search": False}),
        ("flows/update", small.id, {"search": True}),
    ], "what has changed twice is told once, and all in its order"
    assert all(name.startswith("filters") for name in threads)


async def test_who_has_gone_is_told_nothing() -> None:
    large = flow(b"x" * 10_000)
    client, without = Client([large]), Client([])
    for viewer in (client, without):
        viewer.update("~bq x")
    await settled()
    for viewer in (client, without):
        viewer.sent.clear()
        viewer.tell("flows/update", large)
    client.connections.clear()
    await settled()
    assert client.sent == without.sent == []


def test_what_is_light() -> None:
    light, packed, long = flow(b"x"), flow(b"x"), flow(b"x" * 10_000)
    packed.request.headers["content-encoding"] = "zstd"
    tunnel = tflow.ttcpflow()
    talk = tflow.twebsocketflow()
    assert [*map(filters.is_light, (light, packed, long, tunnel, talk, tflow.tdnsflow()))] == [
        *(True, False, False, True, True, True)
    ]
    assert talk.websocket
    tunnel.messages *= 1000
    talk.websocket.messages *= 1000
    assert not filters.is_light(tunnel)
    assert not filters.is_light(talk)


def test_a_flow_that_changes_meanwhile() -> None:
    def wanted(f: Any) -> bool:
        raise AttributeError

    assert not filters.matches(cast(Any, wanted), flow(b""))


async def test_a_viewer_has_few_filters() -> None:
    client = Client([])
    for name in "abcd":
        client.filters[name] = object()
    with pytest.raises(ValueError, match="at most 4 filters"):
        client.update("~q")


async def test_searches_that_are_none() -> None:
    client = Client([])
    client.filters["search"] = object()
    with pytest.raises(ValueError, match="at most 500 characters"):
        client.update("~u x " * 200)
    with pytest.raises(ValueError, match="Invalid filter expression"):
        client.update("~b (")
    client.update("")
    assert client.filters == {}
