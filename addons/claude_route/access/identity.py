"""Which agent of which session sends a request, as Claude Code's headers say.

https://code.claude.com/docs/en/llm-gateway-protocol, and `traceparent` of https://www.w3.org/TR/trace-context/
"""

from __future__ import annotations

from typing import NamedTuple

from claude_route.wire import http_message

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


_FIELDS = {
    b"x-claude-code-session-id": "session",
    b"x-claude-code-agent-id": "agent",
    b"x-claude-code-parent-agent-id": "parent_agent",
    b"x-client-request-id": "request",
    b"traceparent": "trace",
}


def read(fields: http_message.Fields) -> Identity:
    found = {_FIELDS[key]: _id(value) for name, value in fields if (key := name.lower()) in _FIELDS}
    return Identity(**found)


def _id(value: bytes) -> str:
    text = value.decode("utf-8", "surrogateescape").strip()
    return text[:MAX_LENGTH] if text.isprintable() else ""
