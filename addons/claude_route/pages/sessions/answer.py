"""`GET /sessions` and `/sessions/ID`: what this process has seen of each session.

`?search=WORDS` at `/sessions` finds turns. Behind a named client's key it shows that client's sessions only.
"""

from __future__ import annotations

from claude_route.pages import asking
from claude_route.pages import content
from claude_route.profile import profiles
from claude_route.proxy import state
from claude_route.proxy import work
from claude_route.sessions import report

PATH = "/sessions"


async def answer(
    question: asking.Question, in_force: state.State, sources: asking.Sources
) -> content.Content:
    """Raises:
    LookupError: there is no such session, or it isn't the viewer's.
    """
    viewer = question.viewer
    client = viewer.name if viewer and not question.sees_all else None
    book = sources.sessions
    id = question.path.removeprefix(PATH).strip("/")
    if id:
        session = book.session(id, client)
        if session is None:
            raise LookupError("This proxy has seen no such session")
        return await work.aside(lambda: content.json(report.whole(session)))
    if words := question.query.get("search", ""):
        searched = book.sessions(client)
        return await work.aside(lambda: content.json(report.hits(report.find(words, searched))))
    sessions, version = book.sessions(client), book.version
    return await work.aside(lambda: content.json(report.listing(sessions, version)))


def has(path: str, profile: profiles.Profile) -> bool:
    """Whether a path below `/sessions` is this page's."""
    return path.count("/") == 2
