"""Has mitmproxy's filters take linear time, and mitmweb search in slices, and in large bodies in a thread.

Replaces: `flowfilter._Rex.__init__`, `flowfilter.parse`, and `update_filter` and `_broadcast_flow` of
`app.ClientConnection`.
Why: a search in mitmweb is a regular expression that Python tries on the bodies of all flows, and of each
new one, in the event loop. `~b "(a+)+$"` takes twice as long for each letter more, and `((((((((~q))))))))`
four times for each parenthesis. Whoever may only look can stop the proxy so. In linear time, a filter of
thirty terms still takes seconds in a body of 32 MB, each time that the flow changes.
Remove when: mitmproxy matches filters elsewhere than in its event loop, or with an engine that takes
linear time.
Upstream: docs/upstream/filters.md
"""

from __future__ import annotations

import asyncio
import functools
import re
import time
import weakref
from collections.abc import Callable
from concurrent import futures
from typing import Any
from typing import Literal

import re2  # type: ignore[import-untyped]
from mitmproxy import flow
from mitmproxy import flowfilter
from mitmproxy import http
from mitmproxy import tcp
from mitmproxy import udp
from mitmproxy.tools.web import app

from claude_route import background

LONGEST = 500
"""Characters of a search. Each term takes half a millisecond to be parsed."""

DEEPEST = 100
"""Operators inside each other. To match a flow takes a call in a call for each; pyparsing 3.3.3 can read a
thousand, where older versions give up."""

SLICE = 0.01
"""Seconds that a search may take before others get their turn."""

MOST = 4
"""Filters of one viewer; mitmweb's page has two."""

LIGHT = 8 * 1024
"""Bytes in which all filters of a viewer are looked for in the event loop: that takes a millisecond or two."""

_FLAGS = {re.DOTALL: "s", re.MULTILINE: "m", re.IGNORECASE: "i"}

SEARCH = "a viewer's search"

type Change = Literal["flows/add", "flows/update"]

_changes = weakref.WeakKeyDictionary[app.ClientConnection, dict[flow.Flow, Change]]()
"""What viewers have yet to be told: flows that are looked through in the thread."""


class Pattern:
    """A compiled regular expression of RE2, which takes linear time and refuses what can't (look-ahead,
    back references).

    Raises:
        ValueError: RE2 doesn't accept it.
    """

    def __init__(self, expression: str | bytes, flags: re.RegexFlag | int) -> None:
        self.flags = int(flags)
        options = re2.Options()
        options.log_errors = False
        letters = "".join(letter for flag, letter in _FLAGS.items() if flags & flag)
        prefix = f"(?{letters})" if letters else ""
        try:
            if isinstance(expression, bytes):
                self._compiled = re2.compile(prefix.encode() + expression, options)
            else:
                self._compiled = re2.compile(prefix + expression, options)
        except (re2.error, UnicodeError) as e:
            raise ValueError("Cannot compile expression.") from e

    def search(self, text: str | bytes) -> bool:
        if isinstance(text, str):
            text = text.encode("utf-8", "replace").decode()  # RE2 takes no lone surrogates
        return self._compiled.search(text) is not None


def install() -> Callable[[], None]:
    """For every filter from now on; the callable undoes it."""
    stock_init, stock_parse = flowfilter._Rex.__init__, flowfilter.parse
    stock_update, stock_tell = (
        app.ClientConnection.update_filter,
        app.ClientConnection._broadcast_flow,
    )

    @functools.wraps(stock_init)
    def init(self: flowfilter._Rex, expr: str, encoded: str | bytes | None = None) -> None:
        # mitmproxy 12.3 passes what to compile, 12.2 has `is_binary` for it.
        if encoded is None:
            encoded = expr.encode() if self.is_binary else expr
        self.expr = expr
        self.re = Pattern(encoded, self.flags | flowfilter.maybe_ignore_case)  # type: ignore[assignment]

    @functools.wraps(stock_parse)
    def parse(s: str) -> flowfilter.TFilter:
        try:
            wanted = stock_parse(s)
        except RecursionError as e:
            raise ValueError(f"Invalid filter expression: {s!r}") from e
        if is_deeper(wanted, DEEPEST):
            raise ValueError(f"Invalid filter expression: {s!r}")
        return wanted

    @functools.wraps(stock_update)
    def update_filter(self: app.ClientConnection, name: str, expr: str) -> None:
        if not expr:
            stock_update(self, name, expr)
            return
        if len(expr) > LONGEST:
            raise ValueError(f"a filter of at most {LONGEST} characters expected")
        if len(self.filters.keys() | {name}) > MOST:
            raise ValueError(f"at most {MOST} filters expected")
        background.start(search(self, name, flowfilter.parse(expr)), SEARCH)

    @functools.wraps(stock_tell)
    def tell(
        self: app.ClientConnection, type: Change, f: flow.Flow, flow_json: dict[str, Any]
    ) -> None:
        waiting = _changes.get(self)
        if waiting is not None:  # in their order
            waiting.setdefault(f, type)
        elif not self.filters or is_light(f):
            stock_tell(self, type, f, flow_json)
        else:
            _changes[self] = {f: type}
            background.start(tell_later(self, _changes[self]), SEARCH)

    def uninstall() -> None:
        flowfilter._Rex.__init__ = stock_init  # type: ignore[method-assign]
        flowfilter.parse = stock_parse
        app.ClientConnection.update_filter = stock_update  # type: ignore[method-assign]
        app.ClientConnection._broadcast_flow = stock_tell  # type: ignore[method-assign]
        flowfilter.pp.ParserElement.disable_memoization()

    # So that each part of an expression is parsed once, rather than once for each way to read what is
    # around it.
    flowfilter.pp.ParserElement.enable_packrat(None)
    flowfilter._Rex.__init__ = init  # type: ignore[method-assign]
    flowfilter.parse = parse
    app.ClientConnection.update_filter = update_filter  # type: ignore[method-assign]
    app.ClientConnection._broadcast_flow = tell  # type: ignore[method-assign]
    return uninstall


def is_deeper(wanted: object, levels: int) -> bool:
    """Whether a filter has more than `levels` operators inside each other."""
    level = [wanted]
    for _ in range(levels + 1):
        level = [part for operator in level for part in operands(operator)]
    return bool(level)


def operands(wanted: object) -> list[object]:
    if isinstance(wanted, flowfilter.FNot):
        return [wanted.itm]
    if isinstance(wanted, flowfilter.FAnd | flowfilter.FOr):
        return list(wanted.lst)
    return []


def is_light(f: flow.Flow) -> bool:
    """Whether a flow is looked through in no time."""
    if isinstance(f, tcp.TCPFlow | udp.UDPFlow):
        return len(f.messages) < LIGHT // 100
    if not isinstance(f, http.HTTPFlow):
        return True
    if f.websocket and len(f.websocket.messages) >= LIGHT // 100:
        return False
    size = 0
    for message in (f.request, f.response):
        if message and message.raw_content:
            size += len(message.raw_content)
            if "content-encoding" in message.headers:
                return False
    return size <= LIGHT


def matches(wanted: flowfilter.TFilter, f: flow.Flow) -> bool:
    """Called in the thread, while the flow may change."""
    try:
        return bool(wanted(f))
    except Exception:
        return False


@functools.cache
def _thread() -> futures.ThreadPoolExecutor:
    return futures.ThreadPoolExecutor(1, thread_name_prefix="filters")


async def search(client: app.ClientConnection, name: str, wanted: flowfilter.TFilter) -> None:
    """What `update_filter` does, in slices: tell a viewer which flows match. Another search of the same
    name takes its place."""
    client.filters[name] = wanted
    matching = []
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    for each in list(client.application.master.view):
        is_here = is_light(each)
        if (
            wanted(each)
            if is_here
            else await loop.run_in_executor(_thread(), matches, wanted, each)
        ):
            matching.append(each.id)
        if not is_here or time.perf_counter() - began > SLICE:
            if is_here:
                await asyncio.sleep(SLICE)
            if client.filters.get(name) is not wanted or client not in client.connections:
                return
            began = time.perf_counter()
    payload = {"name": name, "matching_flow_ids": matching}
    client.send(client._json_dumps({"type": "flows/filterUpdate", "payload": payload}))


async def tell_later(client: app.ClientConnection, waiting: dict[flow.Flow, Change]) -> None:
    """What `_broadcast_flow` does, for flows that take long to look through."""
    loop = asyncio.get_running_loop()
    try:
        while waiting:
            f = next(iter(waiting))
            change = waiting.pop(f)  # it may change again meanwhile
            matching = {
                name: await loop.run_in_executor(_thread(), matches, wanted, f)
                for name, wanted in list(client.filters.items())
            }
            if client not in client.connections:
                return
            if client.application.master.view.get_by_id(f.id) is f:
                payload = {"flow": app.flow_to_json(f), "matching_filters": matching}
                client.send(client._json_dumps({"type": change, "payload": payload}))
    finally:
        _changes.pop(client, None)
