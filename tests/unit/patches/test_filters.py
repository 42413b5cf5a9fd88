from __future__ import annotations

import asyncio
import json
import re
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
    stock = flowfilter.parse, flowfilter._Rex.__init__, app.ClientConnection.update_filter
    undo = filters.install()
    yield
    undo()
    assert (
        flowfilter.parse,
        flowfilter._Rex.__init__,
        app.ClientConnection.update_filter,
    ) == stock


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


class Client:
    def __init__(self, flows: list[Any]) -> None:
        self.filters: dict[str, Any] = {}
        self.sent: list[dict[str, Any]] = []
        self.connections = {self}
        self.application = self.master = self
        self.view = flows

    _json_dumps = staticmethod(json.dumps)

    def send(self, message: str) -> None:
        self.sent.append(json.loads(message))

    def update(self, expression: str) -> None:
        app.ClientConnection.update_filter(cast(app.ClientConnection, self), "search", expression)


async def settled() -> None:
    while filters._searches:
        await asyncio.gather(*filters._searches)


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


async def test_searches_that_are_none() -> None:
    client = Client([])
    client.filters["search"] = object()
    with pytest.raises(ValueError, match="at most 500 characters"):
        client.update("~u x " * 200)
    with pytest.raises(ValueError, match="Invalid filter expression"):
        client.update("~b (")
    client.update("")
    assert client.filters == {}
