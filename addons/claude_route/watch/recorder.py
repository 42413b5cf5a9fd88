"""Has a summary made of each request once it has ended, for the sessions page. Summaries outlive the bodies, which `memory`
drops."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

from mitmproxy import addonmanager
from mitmproxy import ctx
from mitmproxy import http

from claude_route import options
from claude_route.proxy import contract
from claude_route.sessions import book
from claude_route.sessions import misses
from claude_route.sessions import turns
from claude_route.watch import ended_flows
from claude_route.watch import labels
from claude_route.watch import summing_up
from claude_route.watch.views import claude

MAX_LOADED = 1000
"""Requests from a file whose failed attempts have been read, but not yet they themselves."""

REFUSED = (401, 403, 407)
"""Statuses of what was not admitted: anyone may send that, as often as they like."""

TOO_LARGE = 413
"""The status of what is too much to be read."""


class Recorder(contract.Observer):
    def __init__(
        self,
        dollars: misses.Dollars,
        sessions: book.Book,
        store: Callable[[turns.Turn], None] = lambda turn: None,
        is_stored: Callable[[], bool] = lambda: False,
    ) -> None:
        """`store` gets each turn, in the thread if `is_stored`: it writes to a disk."""
        self._dollars = dollars
        self.book = sessions
        self._summing_up = summing_up.SummingUp(sessions, store, is_stored)
        self._asked: weakref.WeakKeyDictionary[http.HTTPFlow, ended_flows.Asked] = (
            weakref.WeakKeyDictionary()
        )
        self._loaded: OrderedDict[str, list[turns.Failed]] = OrderedDict()
        """The failed attempts in a file, by the flow whose attempts they were."""

    @property
    def is_on(self) -> bool:
        return self.book.max_turns > 0

    # mitmproxy's hooks

    def load(self, loader: addonmanager.Loader) -> None:
        loader.add_option(
            "keep_turns",
            int,
            book.MAX_TURNS,
            "Keep summaries of at most this many requests for the page /sessions, also after their "
            "bodies were dropped; 0: none.",
        )

    def configure(self, updated: set[str]) -> None:
        if "keep_turns" in updated:
            if ctx.options.keep_turns < 0:
                options.refuse("keep_turns: expected 0 or a positive number")
            self.book.max_turns = ctx.options.keep_turns

    def response(self, flow: http.HTTPFlow) -> None:
        if claude.is_ours(flow):
            self._ended(flow)

    error = response

    def done(self) -> None:
        self._summing_up.done()

    # What the exchange reports

    def began(self, request: contract.RoutedRequest) -> None:
        self._asked[request.flow] = ended_flows.Asked(request)
        flow = request.flow
        # A copy that is compared doesn't make its session run.
        if self.is_on and labels.COMPARES not in flow.metadata:
            client = request.client.name if request.client else ""
            began, prompt = flow.request.timestamp_start, labels.prompt(flow.metadata)
            self.book.began(request.session, flow.id, began, client, prompt)

    def tries(self, request: contract.RoutedRequest, attempt: contract.Try) -> None:
        if asked := self._asked.get(request.flow):
            asked.attempt, asked.is_answered = attempt, False

    def committed(
        self,
        request: contract.RoutedRequest,
        attempt: contract.Try,
        progress: contract.Progress,
    ) -> None:
        if asked := self._asked.get(request.flow):
            asked.attempt, asked.progress, asked.is_answered = attempt, progress, True

    def closed(
        self, request: contract.RoutedRequest, tokens: contract.Usage | None, why: str | None
    ) -> None:
        if request.check == "proxy":  # mitmproxy never saw it
            self._ended(request.flow)

    # Called by `failed_attempts`

    def failed_attempt(
        self,
        request: contract.RoutedRequest,
        attempt: contract.FailedAttempt,
        flow: http.HTTPFlow | None,
    ) -> None:
        """`flow` is the attempt's own, if it has one."""
        if asked := self._asked.get(request.flow):
            asked.failed.append(ended_flows.failed(attempt, flow.id if flow else ""))

    def _ended(self, flow: http.HTTPFlow) -> None:
        asked = self._asked.pop(flow, None)
        if not self.is_on:
            return
        found = labels.read(flow.metadata)
        if found.attempt_of:
            self._remember(found.attempt_of, ended_flows.loaded_attempt(flow, found))
            return
        status = flow.response.status_code if flow.response else 0
        if asked is None and status in REFUSED:
            return
        loaded = self._loaded.pop(flow.id, ())
        ended = ended_flows.describe(flow, found, asked, self._dollars, loaded)
        if asked is None and status == TOO_LARGE:
            ended = ended._replace(wire=replace(ended.wire, request=b""))
        self._summing_up.add(ended)

    def _remember(self, client_flow: str, attempt: turns.Failed) -> None:
        self._loaded.setdefault(client_flow, []).append(attempt)
        if len(self._loaded) > MAX_LOADED:
            self._loaded.popitem(last=False)
