"""Which agent of which session sends a request, as Claude Code's headers say.

https://code.claude.com/docs/en/llm-gateway-protocol, and `traceparent` of https://www.w3.org/TR/trace-context/
"""

from __future__ import annotations

from typing import NamedTuple

from mitmproxy import http

MAX_LENGTH = 128
"""Characters of an id that we keep; those of Claude Code are under 60."""


class Identity(NamedTuple):
    """Anyone may write anything here: it is to tell requests apart, and no proof of who sends them. An id
    is empty if the request has none."""

    session: str = ""
    agent: str = ""
    """Only subagents have one: new for each, but the same for a member of a team."""
    parent_agent: str = ""
    """The agent that started this one, if that is a subagent too."""
    request: str = ""
    """The client's own id for this request."""
    trace: str = ""
    """The request's place in a trace of the user's (`traceparent`)."""


NOBODY = Identity()


def read(headers: http.Headers) -> Identity:
    return Identity(
        session=_id(headers, "x-claude-code-session-id"),
        agent=_id(headers, "x-claude-code-agent-id"),
        parent_agent=_id(headers, "x-claude-code-parent-agent-id"),
        request=_id(headers, "x-client-request-id"),
        trace=_id(headers, "traceparent"),
    )


def _id(headers: http.Headers, name: str) -> str:
    value = headers.get(name, "").strip()
    return value[:MAX_LENGTH] if value.isprintable() else ""
