"""The table of our own pages. To add one, write its module and its row.

All that treats a page unlike other requests goes by its row: who may see it (`admission`), what
answers it (here), whether mitmweb has it (`pages.mitmweb`, `watch.readonly`), and whether requests
for it are in the list of flows (`pages.mitmweb`, and the filter in `watch.rows`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mitmproxy import http

from claude_route import responses
from claude_route.pages import browser
from claude_route.pages import content
from claude_route.pages import health
from claude_route.pages import html
from claude_route.pages import models
from claude_route.pages import status
from claude_route.proxy import state
from claude_route.wire import http_message

METHODS = ("GET", "HEAD")


@dataclass(frozen=True)
class Page:
    """A row: a path at the reverse listener, and how its requests are treated."""

    path: str
    answer: Callable[[state.State], content.Content]
    """What programs get."""
    html: Callable[[state.State], bytes] | None = None
    """What browsers get. A page that has it takes the key as the password of HTTP's basic
    authentication, and has browsers ask for it."""
    files: tuple[str, ...] = ()
    """The paths of what its HTML loads, from `static/`. All else that is said of a page is true of
    them."""
    is_public: bool = False
    """Everyone may see it, without a key and under any name."""
    in_mitmweb: bool = False
    """mitmweb shows it, too, behind its login."""
    is_listed: bool = True
    """Requests for it are in the list of flows, as others are. What is asked for every few seconds
    would soon have pushed out all else; only refusals are listed then."""

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.path, *self.files)


PAGES = (
    Page("/health", health.answer, is_public=True, is_listed=False),
    Page("/v1/models", models.answer),
    Page(
        "/status",
        status.answer,
        html=html.answer,
        files=("/status.css", "/status.js"),
        in_mitmweb=True,
        is_listed=False,
    ),
)

_BY_PATH = {path: page for page in PAGES for path in page.paths}


def find(request: http.Request) -> Page | None:
    """The page that a request at the reverse listener asks for."""
    return _BY_PATH.get(http_message.path(request)) if request.method in METHODS else None


def unlisted() -> list[str]:
    """How the paths begin that are left out of the list of flows."""
    paths = [path for page in PAGES if not page.is_listed for path in page.paths]
    return sorted(path for path in paths if not any(map(path.startswith, {*paths} - {path})))


def read(page: Page, path: str, accept: str, in_force: state.State | None) -> content.Content:
    """What a page holds at one of its paths; `in_force` is None where no profile is."""
    if path in page.files:
        return content.static(path.lstrip("/"))
    if in_force is None:
        return content.text("No profile is loaded.")
    if page.html and browser.wants_html(accept):
        return content.Content("text/html; charset=utf-8", page.html(in_force))
    return page.answer(in_force)


def answer(page: Page, request: http.Request, in_force: state.State) -> http.Response:
    """The response at the reverse listener."""
    accept = request.headers.get("accept", "")
    media_type, body = read(page, http_message.path(request), accept, in_force)
    headers = browser.HEADERS if page.html else {}
    response = http.Response.make(200, body, {"content-type": media_type, **headers})
    responses.fit(response, request)
    return response
