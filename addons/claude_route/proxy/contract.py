"""The interfaces between the HTTP layer, the exchange that decides what it sends, and the observers."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from typing import NamedTuple
from typing import Protocol

from mitmproxy import http

from claude_route.access import clients
from claude_route.access import identity
from claude_route.dialects import usage
from claude_route.dialects.messages import safeguards
from claude_route.proxy import work
from claude_route.routing import failures
from claude_route.routing import lessons
from claude_route.routing import quota
from claude_route.routing import verdict

type Usage = usage.Usage


class Limits(NamedTuple):
    """Seconds that an attempt may take."""

    connect: float
    first_byte: float
    """Until the first event."""
    idle: float
    """Silence later on."""
    total: float | None = None
    """Until the end."""


@dataclass(frozen=True)
class Failure:
    """Why an attempt failed."""

    kind: failures.Kind
    detail: str
    response: http.Response | None = None
    """The response headers, if they arrived. The response's content is the part of the error body
    that arrived, or the error event's data."""


class Reply(Protocol):
    """An upstream's answer on its way to the client. Never raises."""

    response: http.Response
    """The headers that the client gets."""

    @property
    def started(self) -> bool:
        """Whether the first event of a stream has arrived. It may still become a failure."""

    @property
    def good(self) -> bool:
        """Whether the answer is known to be good; from here on no other attempt can replace it."""

    @property
    def failure(self) -> Failure | None:
        """Set once the answer is known to be a failure."""

    @property
    def complete(self) -> bool:
        """Whether the whole answer has arrived, even if the upstream has not ended the stream."""

    @property
    def usage(self) -> usage.Usage | None:
        """The tokens that it has reported so far; None if it reports none."""

    @property
    def output(self) -> int:
        """Tokens written so far, estimated until they are reported."""

    @property
    def error(self) -> str:
        """The type of the error that ended it after it had begun; empty if none did."""

    @property
    def message_id(self) -> str:
        """The answer's id once it is good, if a thread can continue after it; otherwise empty."""

    def feed(self, data: bytes) -> bytes: ...
    def end(self) -> bytes: ...
    def broken(self, why: str) -> bytes:
        """The bytes that end the answer correctly after the upstream died, given what was sent
        before."""

    def commit(self) -> None:
        """Take an answer that has started for a good one, without waiting for its first block."""


class Attempt(Protocol):
    """One attempt to answer a request."""

    address: tuple[str, int]
    tls: bool
    limits: Limits

    @property
    def account(self) -> Sequence[bytes]:
        """All secrets that the request carries: who we are to the upstream."""

    def request(self, address: tuple[str, int]) -> http.Request:
        """The request with the real credential, for that address only; raises ValueError."""


class Exchange(Protocol):
    """One client's request, until it is answered."""

    @property
    def wants_stream(self) -> bool:
        """Whether the client expects an event stream. Known once it has begun."""

    @property
    def is_heavy(self) -> bool:
        """Whether reading or translating the request may take longer than 20 ms."""

    def begin(self) -> Attempt | http.Response | None:
        """The first attempt, or an answer of our own; None if `admitted` has to be asked for it."""

    async def admitted(self) -> Attempt | http.Response:
        """The same, once the client's limits allow it: that may take a while."""

    def beginning(self) -> work.Work[Attempt | http.Response | None]:
        """begin() in parts, for a request that is heavy."""

    def failed(self, failure: Failure) -> Attempt | http.Response:
        """The next attempt or, if there is none, what the client gets."""

    def failing(self, failure: Failure) -> work.Work[Attempt | http.Response]:
        """failed() in parts, for a request that is heavy."""

    def reply(self, response: http.Response) -> Reply:
        """The Reply that reads the current attempt's answer, given its headers."""

    def opened(self) -> None:
        """No attempt is good yet, but the client has waited so long that its stream begins with a ping.
        From now on the status is 200, and a failure becomes the stream's last event."""

    def committed(self, response: http.Response) -> None:
        """The answer is good. `response` has the headers that the client gets, unless its stream is open
        already, and may still be changed."""

    def interrupted(self, why: str) -> None:
        """The upstream died in the middle of the answer."""

    def closed(self, why: str | None) -> None:
        """The stream is over. `why` says why it ended early, if it did."""

    def checks(self, calls: Sequence[safeguards.Call]) -> Sequence[Check] | None:
        """How the calls of the current attempt's answer are checked before they may run; None if
        the client has to check them itself."""


class Check(NamedTuple):
    """How one call is checked."""

    call: safeguards.Call
    flow: http.HTTPFlow | None = None
    """Has the request to the model that checks it."""
    exchange: Exchange | None = None
    """Answers that request."""
    verdict: safeguards.Verdict = safeguards.UNKNOWN
    """The verdict if nobody is asked."""


type Asker = Literal["client", "proxy"]


class Progress(Protocol):
    """An answer as an observer sees it. Its attributes change while the answer arrives."""

    @property
    def usage(self) -> Usage | None:
        """The tokens that the upstream has reported so far."""

    @property
    def output(self) -> int:
        """Tokens written so far: an estimate until the upstream reports them."""

    @property
    def complete(self) -> bool: ...

    @property
    def error(self) -> str:
        """The type of an error in the middle of the stream; empty if there is none."""


@dataclass(frozen=True, eq=False)
class RoutedRequest:
    """A client's request whose attempts are planned."""

    flow: http.HTTPFlow
    model: str
    """As the client named it."""
    session: str
    """Empty if the client gave none."""
    counts_tokens: bool
    """Whether it asks for a token count instead of an answer."""
    client: clients.Client | None
    """Who sends it, so that an observer can charge its usage to them; see `Admission.client`."""
    weigh: Callable[[], int]
    """About how many tokens its prompt has."""
    identity: identity.Identity = identity.NOBODY
    """Which agent of which session sends it, as it says itself."""
    check: Asker | None = None
    """Who asks, if it asks whether a tool call may run (auto mode) instead of for an answer: the client,
    or this proxy on its behalf."""


@dataclass(frozen=True)
class Try:
    """One attempt to answer a request, without its credential."""

    number: int
    """Counted from 1."""
    target: str
    """`zai/glm-5`."""
    token: str
    """The label of the pool's token; empty for any other credential."""
    request: http.Request
    """As sent upstream, with placeholders for credentials."""
    rewritten: bool
    """Whether the body differs from the client's."""
    dropped: tuple[str, ...]
    """The key paths that were removed from the body because the target's API doesn't have them."""
    started: float
    """Unix seconds."""
    without: str = ""
    """What this attempt leaves out because the target has just refused it: `reasoning_effort`."""
    passed_over: tuple[str, ...] = ()
    """Why targets and tokens that come before it were not tried: `token 1 rests 29 s`."""
    place: int | None = None
    """The place of the pool's token."""


@dataclass(frozen=True)
class Rejected:
    """A request that is refused before any attempt is planned: it is invalid, its model is unknown, or
    it is too large. Not one whose client shows no valid key: anyone may send those."""

    flow: http.HTTPFlow
    client: clients.Client | None
    response: http.Response
    model: str = ""
    """Empty if it wasn't read."""
    counts_tokens: bool = False
    identity: identity.Identity = identity.NOBODY


@dataclass(frozen=True)
class FailedAttempt:
    attempt: Try
    failure: Failure
    """With keys and tokens redacted that the upstream repeated."""
    outcome: verdict.Outcome
    cause: verdict.Cause | None
    effects: Sequence[quota.Effect]
    """What happened to the pool's token."""
    at: float
    """Unix seconds."""
    then: Try | http.Response | None
    """The next attempt, or an answer of our own in its place; None if the client gets the error."""

    @property
    def is_only(self) -> bool:
        """Whether there was no other attempt, before or after."""
        return self.attempt.number == 1 and self.then is None


class Observer:
    """Watches requests. Its methods are called synchronously, so none may take long.

    The methods do nothing here. A subclass overrides those that it needs.
    """

    def rejected(self, request: Rejected) -> None:
        """Called instead of all others."""

    def began(self, request: RoutedRequest) -> None:
        """Not called for invalid requests, nor if the profile doesn't know the model."""

    def tries(self, request: RoutedRequest, attempt: Try) -> None:
        """An attempt is about to be made."""

    def failed(self, request: RoutedRequest, attempt: FailedAttempt) -> None:
        """The attempt failed. The client has seen nothing of it."""

    def opened(self, request: RoutedRequest) -> None:
        """The client's stream begins with a ping, before any attempt is good."""

    def committed(self, request: RoutedRequest, attempt: Try, progress: Progress) -> None:
        """The attempt's answer is good, and the client begins to get it."""

    def learned(
        self, request: RoutedRequest, attempt: Try, refused: Sequence[lessons.Lesson]
    ) -> None:
        """The attempt is good without what its target refused before, and later requests will leave that
        out. Called once for each lesson."""

    def woke(self, request: RoutedRequest, attempt: Try) -> None:
        """The attempt's token answers again before its rest was over."""

    def unchecked(self, request: RoutedRequest, attempt: Try, by: Asker | None) -> None:
        """The client wants the answer's tool calls checked, and no model here may. `by` is who does it
        instead: the client, or nobody, and then none of them may run."""

    def refused(self, request: RoutedRequest, attempt: Try | None) -> None:
        """The client gets an error: the last attempt's, or our own if there was no attempt."""

    def answered(self, request: RoutedRequest, response: http.Response) -> None:
        """The client gets this response, which no attempt's answer is: an error, or an estimate of ours."""

    def interrupted(self, request: RoutedRequest, attempt: Try, why: str) -> None:
        """The upstream died in the middle of its answer."""

    def closed(self, request: RoutedRequest, tokens: Usage | None, why: str | None) -> None:
        """The stream is over. `why` says why it ended early, if it did. `tokens` is what the upstream has
        reported of an answer that has begun, unless the attempt has failed."""


class Policy(Protocol):
    """How the addon directs the layer. All methods are synchronous."""

    def arrives(self, request: http.Request) -> http.Response | None:
        """Called with the headers as the client sent them: before any hook runs, mitmproxy overwrites
        the `Host` header of requests on the reverse listener with the upstream's. A response is a refusal
        of a request that no hook will see."""

    def opens(self, flow: http.HTTPFlow) -> bool:
        """Whether a CONNECT request may have its tunnel."""

    def stands(self, flow: http.HTTPFlow) -> None:
        """A request has turned its client's connection into a tunnel or a WebSocket."""

    def exchange(self, flow: http.HTTPFlow) -> Exchange | http.Response | None:
        """None for a request that passes through unchanged. A response is a refusal: a request that
        was not admitted is never sent."""

    def rejects(self, flow: http.HTTPFlow) -> None:
        """Called when the layer refuses a request itself, with `flow.response`."""

    def passthrough(self, flow: http.HTTPFlow) -> http.Request:
        """A copy of the request with the client's own credential restored."""
