"""Makes the summary of each request once it has ended, for the sessions page.

Summaries are made one after the other and in the order in which the flows ended: a moment later, some together, or
once somebody looks. Most take less than a millisecond, as of a conversation only the end is new; others are made in a
thread, so that no stream waits. To go there and back takes longer than to make a short one. They outlive the
bodies, which `memory` drops.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
import weakref
from collections import OrderedDict
from collections import deque
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from typing import NamedTuple

from mitmproxy import addonmanager
from mitmproxy import ctx
from mitmproxy import http

from claude_route import background
from claude_route import options
from claude_route import responses
from claude_route.access import identity
from claude_route.access import live_secrets
from claude_route.dialects import usage
from claude_route.proxy import contract
from claude_route.proxy import work
from claude_route.sessions import blocks
from claude_route.sessions import book
from claude_route.sessions import misses
from claude_route.sessions import summaries
from claude_route.sessions import turns
from claude_route.watch import labels
from claude_route.watch import rows
from claude_route.watch.views import claude
from claude_route.watch.views import comments
from claude_route.wire import content_encoding

logger = logging.getLogger(__name__)

MAX_WAITING = 64 * 1024 * 1024
"""Bytes of bodies that wait for their summary. Beyond it, a turn is recorded without its blocks."""

STRETCH, REST = 0.001, 0.001
"""Seconds after which streams go first, and for how long."""

DELAY = 0.05
"""Seconds after which flows that have ended are summed up, if nobody looks before."""

MAX_READ, MAX_SECONDS = 256 * 1024, 0.005
"""Bytes that are read at once on the event loop, and about how much of the processor's time one summary may take
there: where other processes take it, the thread would have as little."""

MAX_LOADED = 1000
"""Requests from a file whose failed attempts have been read, but not yet they themselves."""

REFUSED = (401, 403, 407)
"""Statuses of what was not admitted: anyone may send that, as often as they like."""

TOO_LARGE = 413
"""The status of what is too much to be read."""

_PASSED_OVER = re.compile(r"(token \d+|\S+) (.*)", re.DOTALL)


@dataclass(eq=False)
class Asked:
    """What the exchange has reported about a request."""

    request: contract.RoutedRequest
    attempt: contract.Try | None = None
    """The latest."""
    is_answered: bool = False
    """Whether that attempt's answer was good."""
    progress: contract.Progress | None = None
    failed: list[turns.Failed] = field(default_factory=list)


class Ended(NamedTuple):
    """A request that has ended and waits for its summary."""

    wire: summaries.Wire
    request_encoding: str | None
    answer_encoding: str | None

    @property
    def size(self) -> int:
        return len(self.wire.request) + len(self.wire.answer)

    @property
    def is_plain(self) -> bool:
        """Whether it may be little work: a small body may be decoded to a large one."""
        return not (self.request_encoding or self.answer_encoding)


class TooLongError(Exception):
    """A summary takes too long to be made on the event loop."""


class Hurry:
    """Ends the work on a summary that would hold up streams."""

    def __init__(self) -> None:
        self._until = time.thread_time() + MAX_SECONDS

    def __call__(self, size: int) -> None:
        if size > MAX_READ or time.thread_time() > self._until:
            raise TooLongError


class Pace:
    """Lets others run, in the thread: of the interpreter, whoever works in Python has five milliseconds before
    others get it, and each byte of a stream would come later by as much."""

    def __init__(self) -> None:
        self._since = time.perf_counter()

    def __call__(self, size: int) -> None:
        if time.perf_counter() - self._since > STRETCH:
            time.sleep(REST)
            self._since = time.perf_counter()


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
        self._store = store
        self._is_stored = is_stored
        self._asked: weakref.WeakKeyDictionary[http.HTTPFlow, Asked] = weakref.WeakKeyDictionary()
        self._loaded: OrderedDict[str, list[turns.Failed]] = OrderedDict()
        """The failed attempts in a file, by the flow whose attempts they were."""
        self._waiting: deque[Ended] = deque()
        self._bytes = 0
        self._task: asyncio.Task[None] | None = None
        self._is_beside = False
        """Whether a summary is being made in the thread."""
        self._long: Ended | None = None
        """What was too long to be made on the event loop."""
        sessions.before_reading = self._catch_up

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
        if self._task:
            self._task.cancel()
        while self._waiting:
            self._record(self._waiting.popleft())

    # What the exchange reports

    def began(self, request: contract.RoutedRequest) -> None:
        self._asked[request.flow] = Asked(request)
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
            asked.failed.append(failed(attempt, flow.id if flow else ""))

    def _ended(self, flow: http.HTTPFlow) -> None:
        asked = self._asked.pop(flow, None)
        if not self.is_on:
            return
        found = labels.read(flow.metadata)
        if found.attempt_of:
            self._remember(found.attempt_of, loaded_attempt(flow, found))
            return
        status = flow.response.status_code if flow.response else 0
        if asked is None and status in REFUSED:
            return
        ended = describe(flow, found, asked, self._dollars, self._loaded.pop(flow.id, ()))
        if asked is None and status == TOO_LARGE:
            ended = ended._replace(wire=replace(ended.wire, request=b""))
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self._record(ended)
            return
        if self._bytes + ended.size > MAX_WAITING:
            ended = ended._replace(wire=replace(ended.wire, request=b"", answer=b""))
        self._bytes += ended.size
        self._waiting.append(ended)
        if self._task is None:
            self._task = background.start(self._drain(), "the recording of turns")

    def _remember(self, client_flow: str, attempt: turns.Failed) -> None:
        self._loaded.setdefault(client_flow, []).append(attempt)
        if len(self._loaded) > MAX_LOADED:
            self._loaded.popitem(last=False)

    async def _drain(self) -> None:
        try:
            if not self._is_stored():
                await asyncio.sleep(DELAY)
            since = time.perf_counter()
            while self._waiting:
                if not self._made_here():
                    await self._make_beside()
                if time.perf_counter() - since > STRETCH:
                    await asyncio.sleep(REST)
                    since = time.perf_counter()
        finally:
            self._task = None

    def _catch_up(self) -> None:
        """Make the short ones that wait: somebody looks."""
        with contextlib.suppress(RuntimeError):
            asyncio.get_running_loop()
            while self._waiting and not self._is_beside and self._made_here():
                pass

    def _made_here(self) -> bool:
        """Make the next one. False if it may take long."""
        ended = self._waiting[0]
        # What is stored is written to a disk.
        if not ended.is_plain or self._is_stored() or ended is self._long:
            return False
        try:
            self.book.add(self._make(ended, Hurry()))
        except TooLongError:
            self._long = ended
            return False
        except Exception:
            self._failed(ended)
        self._waiting.popleft()
        self._bytes -= ended.size
        return True

    async def _make_beside(self) -> None:
        """Make the next one in the thread."""
        ended = self._waiting.popleft()
        self._is_beside = True
        try:
            making = work.behind(lambda: self._make(ended, Pace()))
            self.book.add(await asyncio.wrap_future(making))
        except Exception:
            self._failed(ended)
        finally:
            self._is_beside, self._long = False, None
            self._bytes -= ended.size

    def _failed(self, ended: Ended) -> None:
        # The next summaries must not wait for ever because of one body.
        logger.exception("Internal error while summing up a request")
        self.book.over(ended.wire.session, ended.wire.flow)

    def _record(self, ended: Ended) -> None:
        self.book.add(self._make(ended))

    def _make(self, ended: Ended, between: blocks.Between = blocks.nothing) -> turns.Turn:
        session = ended.wire.session
        known, calls = self.book.known(session)
        past = self.book.past(session)
        turn = summaries.make(decoded(ended), known, calls, live_secrets.hide, past, between)
        self._store(turn)
        return turn


def describe(
    flow: http.HTTPFlow,
    found: labels.Labels,
    asked: Asked | None,
    dollars: misses.Dollars,
    loaded: Sequence[turns.Failed] = (),
) -> Ended:
    """What is known of a request that has ended. One from a file has only its labels."""
    sender = asked.request.identity if asked else identity.read(flow.request.headers.fields)
    attempt = asked.attempt if asked else None
    progress = asked.progress if asked else None
    response, began = flow.response, flow.request.timestamp_start
    content_type = response.headers.get("content-type", "") if response else ""
    is_answered = asked.is_answered if asked else found.state != "failed"
    reasons = (
        attempt.passed_over if attempt else filter(None, (found.passed_over or "").split(", "))
    )
    used = progress.usage if progress else None
    is_count = rows.is_count(flow)
    model = found.model or (asked.request.model if asked else rows.requested_model(flow))
    target = (attempt.target if attempt else found.target or "") if is_answered else ""
    used = used or (None if is_count else labelled_usage(found))
    wire = summaries.Wire(
        flow=flow.id,
        at=began,
        request=flow.request.raw_content or b"",
        answer=(response and response.raw_content) or b"",
        is_stream=content_type.startswith(claude.STREAM),
        session=(asked.request.session if asked else "") or sender.session,
        client=asked.request.client.name if asked and asked.request.client else "",
        agent=sender.agent,
        parent=sender.parent_agent,
        model=model[: turns.MAX_TEXT],
        target=target,
        token=(attempt.token if attempt else found.token or "") if is_answered else "",
        counts=is_count,
        check=(asked.request.check if asked else found.check) or "",
        used=used,
        cost=dollars(target, model, used) if used and target and not is_count else found.cost,
        first_byte=max(response.timestamp_start - began, 0)
        if response and response.timestamp_start
        else None,
        seconds=rows.seconds(flow),
        error=live_secrets.hide_text(why)
        if (why := rows.failure(flow, progress, in_full=True))
        else "",
        failed=tuple(asked.failed if asked else loaded),
        passed_over=tuple(map(passed_over, reasons)),
        compares=found.compares or "",
    )
    return Ended(
        wire,
        flow.request.headers.get("content-encoding"),
        response.headers.get("content-encoding") if response else None,
    )


def labelled_usage(found: labels.Labels) -> usage.Usage | None:
    """The tokens that a flow's labels have, for a flow whose answer wasn't kept."""
    if found.tokens_in is None:
        return None
    cached = found.tokens_cached or 0
    return usage.Usage(max(found.tokens_in - cached, 0), found.tokens_out or 0, cached)


def decoded(ended: Ended) -> summaries.Wire:
    """With bodies out of their content encodings; without those that can't be decoded."""

    def plain(body: bytes, encoding: str | None) -> bytes:
        if not encoding or not body:
            return body
        try:
            return content_encoding.whole(body, encoding, responses.MAX_BODY)
        except (ValueError, OverflowError):
            return b""

    if not (ended.request_encoding or ended.answer_encoding):
        return ended.wire
    return replace(
        ended.wire,
        request=plain(ended.wire.request, ended.request_encoding),
        answer=plain(ended.wire.answer, ended.answer_encoding),
    )


def failed(attempt: contract.FailedAttempt, flow: str = "") -> turns.Failed:
    return turns.Failed(
        attempt.attempt.target,
        comments.why(attempt),
        flow,
        attempt.attempt.token,
        comments.following(attempt.then),
        attempt.attempt.started,
        comments.words(attempt),
    )


def loaded_attempt(flow: http.HTTPFlow, found: labels.Labels) -> turns.Failed:
    """A failed attempt from a file."""
    began = flow.request.timestamp_start
    why = found.why or rows.failure(flow, None)
    return turns.Failed(
        found.target or "", why, flow.id, found.token or "", found.then or "", began
    )


def passed_over(reason: str) -> turns.PassedOver:
    """`token 1 rests 29 s`, `zai/glm-5 keeps failing`"""
    match = _PASSED_OVER.fullmatch(reason)
    return turns.PassedOver(*match.groups()) if match else turns.PassedOver("", reason)
