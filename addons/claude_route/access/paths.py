"""Which paths on the reverse listener are the Messages API, and which are other paths of Anthropic's.

A base URL with a path of its own (`http://localhost:4000/anthropic`, `…/v1`, `…/`) puts that path before
`/v1/messages`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

MESSAGES = "/v1/messages"
COUNT_TOKENS = "/v1/messages/count_tokens"

_SEGMENT = re.compile(r"[A-Za-z0-9._~@:+-]+")
"""A part of a path that all servers read alike: nothing in it is encoded, so none takes it for more."""

_DOTS = (".", "..")

_ENCODED_SEPARATOR = re.compile(r"%(25)*(2e|2f|5c|00)|[\\;]|[\x00-\x20\x7f]", re.IGNORECASE)
"""What some servers decode to a separator or to dots, an encoded `%` before it included."""

# What Claude Code and Anthropic's SDKs ask of api.anthropic.com, by the first parts of the path.
_ANTHROPICS = (
    ("api",),
    *(
        ("v1", name)
        for name in (
            *("agents", "code", "complete", "design", "environment_providers", "environments"),
            *("files", "mcp", "mcp_servers", "memory_stores", "messages", "models", "oauth"),
            *("organizations", "session_ingress", "sessions", "skills", "toolbox", "traces"),
            *("ultrareview", "user_profiles", "vaults"),
        )
    ),
)


def without_query(path: str) -> str:
    """The path for a provider that isn't Anthropic, or beside a credential of ours: of the query, which may
    hold credentials of the client's, only the `beta=true` that Claude Code sends stays."""
    path, _, query = path.partition("?")
    return f"{path}?beta=true" if "beta=true" in query.split("&") else path


def endpoint(path: str) -> str | None:
    """The endpoint of the Messages API that a path, without its query, ends in: MESSAGES or
    COUNT_TOKENS. None for any other path, and for one that another server could read as another."""
    parts = [part for part in path.split("/") if part]
    if not path.startswith("/") or not all(map(_is_plain, parts)):
        return None
    for endpoint in (MESSAGES, COUNT_TOKENS):
        end = endpoint.split("/")[1:]
        if parts[-len(end) :] == end:
            return endpoint
    return None


def is_anthropics(path: str) -> bool:
    """Whether Claude Code asks for such a path, without its query, at api.anthropic.com."""
    root, *parts = path.split("/")
    if parts and not parts[-1]:
        parts.pop()  # a trailing slash
    if root or _ENCODED_SEPARATOR.search(path) or not all(parts) or not _is_straight(parts):
        return False
    return any(tuple(parts[: len(known)]) == known for known in _ANTHROPICS)


def _is_plain(part: str) -> bool:
    return part not in _DOTS and bool(_SEGMENT.fullmatch(part))


def _is_straight(parts: Sequence[str]) -> bool:
    return not any(part in _DOTS for part in parts)
