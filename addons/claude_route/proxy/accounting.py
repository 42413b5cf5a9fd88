"""Makes one record of each request, once it is over, and hands it to whoever listens."""

from __future__ import annotations

import logging
import random
import weakref
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from typing import Any

from mitmproxy import http

from claude_route import targets
from claude_route.access import live_secrets
from claude_route.dialects import envelope
from claude_route.dialects import error_body
from claude_route.dialects import usage
from claude_route.pricing import price
from claude_route.pricing import prices
from claude_route.profile import profiles
from claude_route.proxy import contract
from claude_route.proxy import records
from claude_route.proxy import spending
from claude_route.proxy import state

logger = logging.getLogger(__name__)

type Listener = Callable[[records.Record, contract.RoutedRequest | None], None]
"""Gets a record, and the request that it is about, unless it was refused before it was routed. It may
not take long."""


@dataclass
class _Account:
    """What is known of a request so far."""

    profile: profiles.Profile
    began: float
    attempts: int = 0
    attempt: contract.Try | None = None
    is_asked: bool = False
    """The attempt is under way, or its answer."""
    failures: list[records.Failure] = field(default_factory=list)
    progress: contract.Progress | None = None
    committed: float = 0.0
    status: int = 0
    error: str = ""


class Accounting(contract.Observer):
    def __init__(
        self,
        state_in_force: Callable[[], state.State | None],
        clock: Callable[[], float],
        listeners: Sequence[Listener] = (),
    ) -> None:
        """`clock` returns Unix seconds."""
        self.state_in_force = state_in_force
        self.clock = clock
        self.listeners = listeners
        self._accounts: weakref.WeakKeyDictionary[contract.RoutedRequest, _Account] = (
            weakref.WeakKeyDictionary()
        )

    def rejected(self, request: contract.Rejected) -> None:
        now = self.clock()
        flow = request.flow
        self._tell(
            records.Record(
                id=new_id(now),
                at=flow.request.timestamp_start,
                client=records.plain(request.client.name if request.client else ""),
                session=records.plain(request.identity.session),
                agent=records.plain(request.identity.agent),
                kind="count" if request.counts_tokens else "message",
                model=records.plain(targets.unprefixed(request.model)),
                target="",
                token=None,
                usage=usage.NONE,
                is_estimated=False,
                cost=records.FREE,
                status=request.response.status_code,
                first_byte=None,
                duration=max(0.0, now - flow.request.timestamp_start),
                attempts=0,
                error=error_type(request.response),
                trace=request.identity.trace,
            ),
            None,
        )

    def began(self, request: contract.RoutedRequest) -> None:
        in_force = self.state_in_force()
        assert in_force, "there are no requests without a profile"
        self._accounts[request] = _Account(in_force.profile, self.clock())

    def tries(self, request: contract.RoutedRequest, attempt: contract.Try) -> None:
        account = self._accounts[request]
        account.attempts += 1
        account.attempt, account.is_asked = attempt, True

    def failed(self, request: contract.RoutedRequest, attempt: contract.FailedAttempt) -> None:
        then, account = attempt.then, self._accounts[request]
        account.is_asked = False
        account.failures.append(
            records.Failure(
                attempt.attempt.target,
                reason(attempt),
                then.target if isinstance(then, contract.Try) else "",
            )
        )

    def opened(self, request: contract.RoutedRequest) -> None:
        self._accounts[request].status = 200

    def committed(
        self, request: contract.RoutedRequest, attempt: contract.Try, progress: contract.Progress
    ) -> None:
        account = self._accounts[request]
        account.committed, account.progress = self.clock(), progress
        account.status = 200

    def answered(self, request: contract.RoutedRequest, response: http.Response) -> None:
        account = self._accounts[request]
        # A stream that is open already keeps its 200, whatever its last event says.
        account.status = account.status or response.status_code
        if response.status_code >= 400:
            account.error = error_type(response)

    def interrupted(self, request: contract.RoutedRequest, attempt: contract.Try, why: str) -> None:
        self._accounts[request].error = "interrupted"

    def closed(
        self, request: contract.RoutedRequest, tokens: contract.Usage | None, why: str | None
    ) -> None:
        account = self._accounts.pop(request)
        now = self.clock()
        progress, attempt = account.progress, account.attempt
        used, is_estimated = usage.NONE, False
        cost, at_price = records.FREE, None
        if account.is_asked and attempt and not request.counts_tokens:
            used, is_estimated = spent(request, tokens, progress)
            cost, at_price = cost_of(account.profile, attempt.target, request.model, used)
        error = account.error or (progress.error if progress else "")
        if not error and why and not (progress and progress.complete):
            error = "client left"
        arrived = request.flow.request.timestamp_start
        self._tell(
            records.Record(
                id=new_id(now),
                at=arrived,
                client=records.plain(request.client.name if request.client else ""),
                session=records.plain(request.session),
                agent=records.plain(request.identity.agent),
                kind=kind(request),
                model=records.plain(targets.unprefixed(request.model)),
                target=records.plain(attempt.target if attempt else ""),
                token=attempt.place if attempt else None,
                usage=used,
                is_estimated=is_estimated,
                cost=cost,
                status=account.status,
                first_byte=max(0.0, account.committed - account.began) if progress else None,
                duration=max(0.0, now - account.began),
                attempts=account.attempts,
                error=error,
                failures=tuple(account.failures),
                trace=request.identity.trace,
                price=at_price,
            ),
            request,
        )

    def _tell(self, record: records.Record, request: contract.RoutedRequest | None) -> None:
        record = hidden(record)
        for listener in self.listeners:
            try:
                listener(record, request)
            except Exception:
                logger.exception(f"{listener} failed; the request is unaffected")


def hidden(record: records.Record) -> records.Record:
    """The record without secrets: a provider may repeat a credential as the type of an error, and clients choose
    ids and models. Programs read the ledger that don't know our secrets."""
    names = ("client", "session", "agent", "model", "target", "error", "trace")
    texts = [getattr(record, name) for name in names]
    whole = "\n".join(texts)
    if live_secrets.hide_text(whole) is whole:
        return record
    hidden_texts: dict[str, Any] = dict(zip(names, map(live_secrets.hide_text, texts), strict=True))
    return replace(record, **hidden_texts)


def kind(request: contract.RoutedRequest) -> records.Kind:
    if request.counts_tokens:
        return "count"
    return "check" if request.check else "message"


def spent(
    request: contract.RoutedRequest,
    reported: usage.Usage | None,
    progress: contract.Progress | None,
) -> tuple[usage.Usage, bool]:
    """The tokens of an answer, and whether some of them are estimated. A provider says what the output was
    only at its end, and some say nothing. No `progress`: the client has left before the answer had begun."""
    used = spending.used(request.weigh, reported, progress)
    is_whole = progress is not None and progress.complete and reported is not None
    is_estimated = not (is_whole and used == reported and used.output)
    return used, is_estimated


def cost_of(
    profile: profiles.Profile, target: str, asked: str, used: usage.Usage
) -> tuple[prices.Cost, price.Price | None]:
    name, _, model = target.partition("/")
    answered_by = targets.Target(profile.providers[name], model)
    tariff, _ = profile.prices.tariff(answered_by, asked)
    cost = profile.prices.cost(answered_by, asked, used)
    return cost, tariff.price(used.prompt) if tariff else None


def reason(attempt: contract.FailedAttempt) -> str:
    """A fixed word, so that metrics can count by it."""
    outcome = attempt.outcome
    if outcome.kind.is_answer and outcome.status:
        return str(outcome.error_status)
    return outcome.kind.name.lower()


def error_type(response: http.Response) -> str:
    """Anthropic's type of an error; the words that come with it may quote the request."""
    named = error_body.read(response.raw_content or b"").kind
    return records.plain(named) or envelope.kind(response.status_code)


def new_id(now: float) -> str:
    """Nobody else's, and no secret. Not from the operating system: after a system call the event
    loop may have to wait for another thread."""
    return f"{int(now * 1_000_000):014x}{random.getrandbits(48):012x}"
