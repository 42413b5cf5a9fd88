"""Adds our pages to mitmweb, links its own page with them, and keeps requests for them out of its list
of flows."""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

from mitmproxy import ctx
from mitmproxy import exceptions
from mitmproxy import http
from mitmproxy.tools.web import app

from claude_route.access import listeners
from claude_route.pages import asking
from claude_route.pages import content
from claude_route.pages import parameters
from claude_route.pages import rendering
from claude_route.pages import table
from claude_route.pages.sessions import places
from claude_route.patches import mitmweb_page
from claude_route.proxy import state

SESSIONS = "/sessions"
"""Where mitmweb opens a browser."""

LOGIN = "token"
"""The parameter that may have mitmweb's password: no link of a page repeats it."""

NO_SESSION = "none"
"""In the path of what belongs to no session."""

STYLE = "list.css"
"""The style of ours for mitmweb's own page."""

type InForce = Callable[[], state.State | None]
"""Returns None if no profile is loaded."""


class Pages:
    """Adds pages to mitmweb, behind its login, and keeps requests for them out of the list of flows."""

    def __init__(self, in_force: InForce, sources: asking.Sources) -> None:
        self.in_force = in_force
        self.sources = sources

    def running(self) -> None:
        # Only mitmweb's master has an app.
        if web := getattr(ctx.master, "app", None):
            web.add_handlers(r".+", list(handlers(self.in_force, self.sources)))

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        if flow.response is None and self._is_unlisted(flow):
            raise exceptions.AddonHalt

    def response(self, flow: http.HTTPFlow) -> None:
        if flow.response and flow.response.status_code == 200 and self._is_unlisted(flow):
            raise exceptions.AddonHalt

    def _is_unlisted(self, flow: http.HTTPFlow) -> bool:
        if not listeners.is_reverse(flow.client_conn):
            return False
        in_force = self.in_force()
        page = table.find(flow.request, in_force.profile if in_force else None)
        return page is not None and not page.is_listed


def add_to_page() -> Callable[[], None]:
    """Add our style and the links to our pages to mitmweb's own page, and have a browser opened at the
    sessions. Returns a callable that undoes it."""
    nav = f'<nav id="claude-route" aria-label="claude-route">{rendering.links()}</nav>'
    style = f'<link rel="stylesheet" href="./{STYLE}">'
    undo = mitmweb_page.add_to_page(style.encode(), nav.encode()), mitmweb_page.open_at(SESSIONS)

    def undo_both() -> None:
        for each in undo:
            each()

    return undo_both


def session_path(session: str) -> str:
    return f"/{places.of_session(session)}"


def handlers(
    in_force: InForce, sources: asking.Sources
) -> Iterator[tuple[str, type[app.RequestHandler], dict[str, Any]]]:
    """For tornado: a path pattern, its handler, and the arguments of `initialize`."""
    for page in table.PAGES:
        if page.in_mitmweb:
            made = {"page": page, "in_force": in_force, "sources": sources}
            yield re.escape(page.path), PageHandler, made
            if page.has:
                yield rf"{re.escape(page.path)}/.*", PageHandler, made
            for file in page.files:
                yield re.escape(file), FileHandler, {"name": file.lstrip("/")}
    yield re.escape(f"/{STYLE}"), FileHandler, {"name": STYLE}


class Handler(app.RequestHandler):
    def show(self, shown: content.Content) -> None:
        for name, value in shown.headers.items():
            self.set_header(name, value)
        self.set_header("Cache-Control", "no-store")
        self.write(shown.body)


class PageHandler(Handler):
    def initialize(self, page: table.Page, in_force: InForce, sources: asking.Sources) -> None:
        self.page = page
        self.in_force = in_force
        self.sources = sources

    def auth_fail(self, invalid_password: bool) -> None:
        self.render("login.html", invalid_password=invalid_password)

    async def get(self) -> None:
        accept = self.request.headers.get("Accept", "")
        in_force = self.in_force()
        if in_force and self.page.before:
            await self.page.before(in_force)
        if in_force and self.page.later:
            arguments, path = self.request.arguments, self.request.path
            query = parameters.read(
                (name, value.decode("utf-8", "replace"))
                for name, values in arguments.items()
                for value in values
                if name != LOGIN
            )
            question = asking.Question(query, accept, None, in_mitmweb=True, path=path)
            try:
                self.show(await self.page.later(question, in_force, self.sources))
            except table.PROBLEMS as e:
                status, why = table.problem(e)
                self.set_status(status)
                self.show(table.problem_page(self.page, question, e) or content.text(why))
            return
        self.show(table.read(self.page, self.page.path, accept, in_force, in_mitmweb=True))

    def post(self) -> None:
        """The login form posts to the page's own path."""
        # Not without the dot: a session's id may look like the beginning of a URL.
        name, query = self.request.path.rpartition("/")[2], self.request.query
        self.redirect(f"./{name}{'?' if query else ''}{query}")


class FileHandler(Handler):
    def initialize(self, name: str) -> None:
        self.name = name

    def get(self) -> None:
        self.show(content.static(self.name))
