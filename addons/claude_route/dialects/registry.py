"""The dialects by name. A new one is one more line in BY_NAME, and its folder."""

from __future__ import annotations

from claude_route import targets
from claude_route.dialects import dialect
from claude_route.dialects.chat import dialect as chat
from claude_route.dialects.messages import dialect as messages

MESSAGES: dialect.Dialect = messages.Messages()
"""The dialect of clients."""

BY_NAME: dict[str, dialect.Dialect] = {
    entry.name: entry
    for entry in (
        MESSAGES,
        chat.Chat(),
    )
}
"""`api` in a profile -> dialect."""

PATHS = tuple(path for entry in BY_NAME.values() for path in entry.paths)
"""The endings of request paths in all dialects."""


def of(provider: targets.Provider) -> dialect.Dialect:
    """The dialect of a provider."""
    return BY_NAME[provider.api]


def at(path: str) -> dialect.Dialect:
    """The dialect of a request, for example in a saved flow, by its path without the query."""
    return next((entry for entry in BY_NAME.values() if path.endswith(entry.paths)), MESSAGES)
