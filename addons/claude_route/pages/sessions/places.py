"""The URLs of the pages: `/sessions/SESSION`, `/sessions/SESSION/TURN`, and `/sessions/SESSION.html` for an export."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote
from urllib.parse import unquote

PATH = "/sessions"

ESCAPE = "~"
"""Before an id that browsers would read as this folder or the one above, however it is encoded."""

EXTENSIONS = ("html", "jsonl", "har")
"""The forms in which a session can be exported."""


class Place(NamedTuple):
    session: str = ""
    """Empty for the list of all."""
    turn: str = ""
    """The id of a turn's flow; empty for the whole session."""
    extension: str = ""
    """One of EXTENSIONS; empty for a page."""


def root(path: str) -> str:
    """From a page to the folder of `sessions`: pages have relative links, as mitmweb may be below a path
    of a front end's."""
    return "../" * (path.count("/") - 1)


def read(path: str) -> Place:
    """The place at a URL's path, which is still encoded: clients choose their sessions' ids."""
    parts = path.removeprefix(PATH).strip("/").split("/")
    session, turn = parts[0], unquote(parts[1]) if len(parts) > 1 else ""
    name, dot, extension = session.rpartition(".")
    if dot and not turn and extension in EXTENSIONS:
        return Place(_unescaped(unquote(name)), "", extension)
    return Place(_unescaped(unquote(session)), turn)


def _unescaped(id: str) -> str:
    return id.removeprefix(ESCAPE) if _is_dots(id) else id


def _is_dots(id: str) -> bool:
    return id.lstrip(ESCAPE) in (".", "..")


def is_one(path: str) -> bool:
    """Whether a path below `/sessions` can be a page's."""
    return 2 <= path.count("/") <= 3


def of_session(session: str, extension: str = "") -> str:
    """The URL from the folder of `sessions`."""
    name = quote(f"{ESCAPE}{session}" if _is_dots(session) else session, safe="")
    if not extension and name.endswith(tuple(f".{each}" for each in EXTENSIONS)):
        name = "%2E".join(name.rsplit(".", 1))  # or it would be an export of another session
    return f"sessions/{name}{'.' if extension else ''}{extension}"


def of_turn(session: str, turn: str) -> str:
    return f"{of_session(session)}/{quote(turn, safe='')}"
