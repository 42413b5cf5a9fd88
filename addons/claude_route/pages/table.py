"""The table of our own pages. To add one, write its module and its row.

Code that treats a page differently from other requests reads its row: who may see it (`admission`),
what answers it (here), whether mitmweb has it (`pages.mitmweb`, `watch.readonly`), and whether the
list of flows shows requests for it (`pages.mitmweb`, and the filter in `watch.rows`).
"""

from __future__ import annotations

from collections.abc import Awaitable
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mitmproxy import http

from claude_route import responses
from claude_route.access import clients
from claude_route.access import live_secrets
from claude_route.pages import asking
from claude_route.pages import browser
from claude_route.pages import content
from claude_route.pages import health
from claude_route.pages import home
from claude_route.pages import html
from claude_route.pages import metrics
from claude_route.pages import models
from claude_route.pages import parameters
from claude_route.pages import rendering
from claude_route.pages import standings
from claude_route.pages import status
from claude_route.pages import usage
from claude_route.pages.sessions import answer as sessions
from claude_route.pages.sessions import places
from claude_route.profile import profiles
from claude_route.proxy import state
from claude_route.wire import http_message

METHODS = ("GET", "HEAD")


class Answer(Protocol):
    """Makes a page for programs. `viewer` is who asks; None where no key is needed."""

    def __call__(self, in_force: state.State, viewer: clients.Client | None) -> content.Content: ...


class Html(Protocol):
    """Makes a page for browsers. In mitmweb it may link to the flows."""

    def __call__(
        self, in_force: state.State, viewer: clients.Client | None, *, in_mitmweb: bool
    ) -> bytes: ...


class Later(Protocol):
    """Makes what programs and browsers get, where the state alone doesn't have it.

    Raises:
        ValueError, LookupError, PermissionError, ConnectionError: see `problem`.
    """

    def __call__(
        self, question: asking.Question, in_force: state.State, sources: asking.Sources
    ) -> Awaitable[content.Content]: ...


@dataclass(frozen=True)
class Page:
    """A row: a path on the reverse listener, and how to treat requests for it."""

    path: str
    answer: Answer | None = None
    """Makes what programs get; None for a page that has `later`."""
    response: Callable[[http.Request, state.State, clients.Client | None], http.Response] | None = (
        None
    )
    """Makes the response to a request on the reverse listener, where that depends on the request or on
    who sends it. None: no key is needed."""
    has: Callable[[str, profiles.Profile], bool] | None = None
    """Whether a path below this one belongs to the page too."""
    html: Html | None = None
    """Makes what browsers get. A page with HTML also accepts the key as the password of HTTP basic
    authentication, and makes browsers ask for it."""
    later: Later | None = None
    before: Callable[[state.State], Awaitable[None]] | None = None
    """Is awaited first: what the page shows is found out then."""
    files: tuple[str, ...] = ()
    """The paths of the files in `static/` that its HTML loads. The rest of the row applies to them
    too."""
    is_for_browsers: bool = False
    """Whether `later` has a page for browsers, which is then treated as one with `html`."""
    is_public: bool = False
    """Whether everyone may see it, without a key and under any host name."""
    in_mitmweb: bool = False
    """Whether mitmweb shows it too, behind its login."""
    is_listed: bool = True
    """Whether the list of flows shows requests for it. If a page is requested every few seconds, its
    requests would soon displace all others; then only refusals are listed."""

    @property
    def has_html(self) -> bool:
        return self.html is not None or self.is_for_browsers

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.path, *self.files)


PAGES = (
    Page("/", home.answer, html=home.html),
    Page("/health", health.answer, is_public=True, is_listed=False),
    Page(models.PATH, models.answer, response=models.response, has=models.is_ours),
    Page(
        "/status",
        status.answer,
        html=html.answer,
        before=standings.learn,
        # And what all pages load.
        files=("/status.css", "/status.js", "/base.css", "/base.js"),
        in_mitmweb=True,
        is_listed=False,
    ),
    Page(
        "/usage",
        later=usage.answer,
        before=standings.learn,
        files=("/usage.css",),
        is_for_browsers=True,
        in_mitmweb=True,
        is_listed=False,
    ),
    Page(
        places.PATH,
        later=sessions.answer,
        has=sessions.has,
        files=("/sessions.css", "/sessions.js"),
        is_for_browsers=True,
        in_mitmweb=True,
        is_listed=False,
    ),
    Page("/metrics", later=metrics.answer, before=standings.learn, is_listed=False),
)

_BY_PATH = {path: page for page in PAGES for path in page.paths}


def find(request: http.Request, profile: profiles.Profile | None = None) -> Page | None:
    """The page that a request on the reverse listener asks for; None if none. Without a profile, no page
    has anything below its path."""
    if request.method not in METHODS:
        return None
    path = http_message.path(request)
    page = _BY_PATH.get(path)
    return page if page or profile is None else _above(path, profile)


def _above(path: str, profile: profiles.Profile) -> Page | None:
    for page in PAGES:
        if page.has and path.startswith(f"{page.path}/") and page.has(path, profile):
            return page
    return None


def unlisted() -> list[str]:
    """The beginnings of the paths that the list of flows omits."""
    paths = [path for page in PAGES if not page.is_listed for path in page.paths]
    return sorted(path for path in paths if not any(map(path.startswith, {*paths} - {path})))


def read(
    page: Page,
    path: str,
    accept: str,
    in_force: state.State | None,
    viewer: clients.Client | None = None,
    *,
    in_mitmweb: bool = False,
) -> content.Content:
    """The content of a page at one of its paths. `in_force` is None if no profile is loaded; `viewer`, if no
    key is needed."""
    if path in page.files:
        return content.static(path.lstrip("/"))
    if in_force is None:
        return content.text("No profile is loaded.")
    if page.html and browser.wants_html(accept):
        return content.Content(
            "text/html; charset=utf-8", page.html(in_force, viewer, in_mitmweb=in_mitmweb)
        )
    assert page.answer
    return page.answer(in_force, viewer)


def is_later(page: Page, path: str) -> bool:
    """Whether the page at this path has to be waited for."""
    return (page.later or page.before) is not None and path not in page.files


async def answer_later(
    page: Page,
    request: http.Request,
    viewer: clients.Client | None,
    in_force: state.State,
    sources: asking.Sources,
) -> http.Response:
    """The response on the reverse listener, where it has to be waited for."""
    if page.before:
        await page.before(in_force)
    if page.later is None:
        return answer(page, request, in_force, viewer)
    question = asking.Question(
        parameters.read(request.query.items(multi=True)),
        request.headers.get("accept", ""),
        viewer,
        path=http_message.path(request),
    )
    try:
        shown = await page.later(question, in_force, sources)
    except PROBLEMS as e:
        response = responses.error(*problem(e))
        if page_of_it := problem_page(page, question, e):
            response.content = page_of_it.body
            response.headers.update({**page_of_it.headers, **browser.HEADERS})
    else:
        headers = browser.HEADERS if page.has_html else {}
        response = http.Response.make(200, shown.body, {**shown.headers, **headers})
    responses.fit(response, request)
    return response


PROBLEMS = (ValueError, LookupError, PermissionError, ConnectionError)


def problem(error: Exception) -> tuple[int, str]:
    """The status and the words for what a page's `later` raises."""
    match error:
        case PermissionError():
            return 403, str(error)
        case ConnectionError():
            return 503, str(error)
        case LookupError():
            return 404, str(error.args[0])
        case _:
            return 400, str(error)


def problem_page(page: Page, question: asking.Question, error: Exception) -> content.Content | None:
    """What a browser shows then; None for a program."""
    if not page.is_for_browsers or not browser.wants_html(question.accept):
        return None
    frame = rendering.Frame(places.root(question.path), question.in_mitmweb)
    _, why = problem(error)
    body = rendering.render("problem.html", frame, current=page.path.strip("/"), why=why)
    return content.Content("text/html; charset=utf-8", live_secrets.hide(body))


def answer(
    page: Page,
    request: http.Request,
    in_force: state.State,
    client: clients.Client | None = None,
) -> http.Response:
    """The response on the reverse listener. `client` is None if no key is needed."""
    if page.response:
        response = page.response(request, in_force, client)
    else:
        accept = request.headers.get("accept", "")
        shown = read(page, http_message.path(request), accept, in_force, client)
        headers = browser.HEADERS if page.has_html else {}
        response = http.Response.make(200, shown.body, {**shown.headers, **headers})
    if response.raw_content:
        response.content = live_secrets.hide(response.raw_content)
    responses.fit(response, request)
    return response
