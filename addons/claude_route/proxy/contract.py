"""What the HTTP layer in `failover`, and those who tell it what to send, are to each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple
from typing import Protocol

from mitmproxy import http

from claude_route.dialects import usage
from claude_route.routing import failures


class Limits(NamedTuple):
    """Seconds that an attempt may take."""

    connect: float
    first_byte: float
    """Silence until the first event."""
    idle: float
    """Silence later on."""


@dataclass(frozen=True)
class Failure:
    """Why an attempt gave no answer."""

    kind: failures.Kind
    detail: str
    response: http.Response | None = None
    """The head, if it came that far. Its content is what there is of an error body, or the event
    that is an error."""


class Reply(Protocol):
    """An upstream's answer on its way to the client. Never raises."""

    response: http.Response
    """The head that the client gets."""
    good: bool
    """Known to be an answer: from here on nothing can be replaced."""
    failure: Failure | None
    """Known to be none."""
    complete: bool
    """It has come whole, whether or not the upstream has ended it."""

    @property
    def usage(self) -> usage.Usage | None:
        """The tokens that it reports, as far as it has come; None where it reports none."""

    @property
    def output(self) -> int:
        """Tokens written so far, estimated until they are reported."""

    @property
    def error(self) -> str:
        """The type of the error that ended it after it had begun, "" where none did."""

    def feed(self, data: bytes) -> bytes: ...
    def end(self) -> bytes: ...
    def broken(self, why: str) -> bytes:
        """What ends the answer in good form after the upstream died, whatever was sent before."""


class Attempt(Protocol):
    """One try at answering a request."""

    address: tuple[str, int]
    tls: bool
    limits: Limits

    def request(self, address: tuple[str, int]) -> http.Request:
        """The request with the real credential, for that address only; raises ValueError."""

    def reply(self, response: http.Response) -> Reply: ...


class Exchange(Protocol):
    """One client's request, until it is answered."""

    def begin(self) -> Attempt | http.Response:
        """The first attempt, or an answer of our own."""

    def failed(self, failure: Failure) -> Attempt | http.Response:
        """The attempt after the one that failed, or what the client gets when there is none."""

    def committed(self, response: http.Response) -> None:
        """The answer is good; `response` is the head that the client gets, still to be changed."""

    def broke_off(self, why: str) -> None:
        """The upstream died in the middle of the answer."""

    def closed(self, why: str | None) -> None:
        """The stream is over; `why` it ended early, if it did."""


class Policy(Protocol):
    """What the addon tells the layer. Called synchronously."""

    def arrives(self, request: http.Request) -> None:
        """A head as the client sent it, before a hook sees it. At a reverse door mitmproxy writes
        the upstream's name over its Host first."""

    def exchange(self, flow: http.HTTPFlow) -> Exchange | http.Response | None:
        """None for a request that passes through as it is. The response is a refusal: whatever was
        not admitted goes nowhere."""

    def passthrough(self, flow: http.HTTPFlow) -> http.Request:
        """The request with the client's own credential put back."""
