"""What a page is asked that needs more than the state, and what it is made of."""

from __future__ import annotations

from collections.abc import Awaitable
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field

from mitmproxy import http

from claude_route.access import clients
from claude_route.ledger import reports
from claude_route.sessions import book


@dataclass(frozen=True)
class Question:
    query: Mapping[str, str]
    """The URL's parameters."""
    accept: str
    """The Accept header."""
    viewer: clients.Client | None
    """Whose key came with it; None where none is needed, as in mitmweb, behind its login."""
    in_mitmweb: bool = False
    path: str = ""
    """The URL's path, as it came."""

    @property
    def sees_all(self) -> bool:
        """Whether the viewer may see the usage of all clients, rather than its own."""
        return self.viewer is None or self.viewer.is_admin


@dataclass(frozen=True)
class Kept:
    """The flow of a request, and what was sent upstream where that differs. Bodies may be gone."""

    flow: http.HTTPFlow
    upstream: http.Request | None = None
    target: str = ""
    """Who answers it: `zai/glm-5`."""


async def _nobody() -> None:
    pass


@dataclass(frozen=True)
class Sources:
    report: Callable[[reports.Query], Awaitable[reports.Report | None]]
    """Asks the ledger. None: there is none. Raises ConnectionError: it doesn't answer."""
    metrics: Callable[[], bytes]
    """All metrics, in Prometheus's text format."""
    clock: Callable[[], float]
    """Unix seconds."""
    sessions: book.Book = field(default_factory=book.Book)
    kept: Callable[[str, bool], Kept | None] = lambda flow, in_mitmweb: None
    """The flow with an id, for mitmweb or for the reverse listener; None if it isn't kept for it. May wait for
    another process."""
    saved: Callable[[str], Kept | None] = lambda flow: None
    """The flow with an id out of the file that flows are saved to; None if it has none. Reads the file."""
    catch_up: Callable[[], Awaitable[None]] = _nobody
    """Adds what other processes have seen to `sessions`."""
