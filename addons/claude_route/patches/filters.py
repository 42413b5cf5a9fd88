"""Has mitmproxy's filters take linear time, and mitmweb search in slices.

Replaces: `flowfilter._Rex.__init__`, `flowfilter.parse`, `app.ClientConnection.update_filter`.
Why: a search in mitmweb is a regular expression that Python tries on the bodies of all flows, and of each
new one, in the event loop. `~b "(a+)+$"` takes twice as long for each letter more, and `((((((((~q))))))))`
four times for each parenthesis. Whoever may only look can stop the proxy so.
Remove when: mitmproxy matches filters elsewhere than in its event loop, or with an engine that takes
linear time.
Upstream: docs/upstream/filters.md
"""

from __future__ import annotations

import asyncio
import functools
import re
import time
from collections.abc import Callable

import re2  # type: ignore[import-untyped]
from mitmproxy import flowfilter
from mitmproxy.tools.web import app

LONGEST = 500
"""Characters of a search. Each term takes half a millisecond to be parsed."""

DEEPEST = 100
"""Operators inside each other. To match a flow takes a call in a call for each; pyparsing 3.3.3 can read a
thousand, where older versions give up."""

SLICE = 0.01
"""Seconds that a search may take before others get their turn."""

_FLAGS = {re.DOTALL: "s", re.MULTILINE: "m", re.IGNORECASE: "i"}

_searches: set[asyncio.Task[None]] = set()
"""asyncio itself keeps no tasks."""


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
    stock_update = app.ClientConnection.update_filter

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
        task = asyncio.get_running_loop().create_task(search(self, name, flowfilter.parse(expr)))
        _searches.add(task)
        task.add_done_callback(_searches.discard)

    def uninstall() -> None:
        flowfilter._Rex.__init__ = stock_init  # type: ignore[method-assign]
        flowfilter.parse = stock_parse
        app.ClientConnection.update_filter = stock_update  # type: ignore[method-assign]
        flowfilter.pp.ParserElement.disable_memoization()

    # So that each part of an expression is parsed once, rather than once for each way to read what is
    # around it.
    flowfilter.pp.ParserElement.enable_packrat(None)
    flowfilter._Rex.__init__ = init  # type: ignore[method-assign]
    flowfilter.parse = parse
    app.ClientConnection.update_filter = update_filter  # type: ignore[method-assign]
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


async def search(client: app.ClientConnection, name: str, wanted: flowfilter.TFilter) -> None:
    """What `update_filter` does, in slices: tell a viewer which flows match. Another search of the same
    name takes its place."""
    client.filters[name] = wanted
    matching = []
    began = time.perf_counter()
    for flow in list(client.application.master.view):
        if wanted(flow):
            matching.append(flow.id)
        if time.perf_counter() - began > SLICE:
            await asyncio.sleep(SLICE)
            if client.filters.get(name) is not wanted or client not in client.connections:
                return
            began = time.perf_counter()
    payload = {"name": name, "matching_flow_ids": matching}
    client.send(client._json_dumps({"type": "flows/filterUpdate", "payload": payload}))
