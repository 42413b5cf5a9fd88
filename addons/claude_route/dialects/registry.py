"""The dialects by name. A new one is one more line in BY_NAME, and its folder."""

from __future__ import annotations

from claude_route import targets
from claude_route.dialects import dialect
from claude_route.dialects.chat import dialect as chat
from claude_route.dialects.messages import dialect as messages

MESSAGES: dialect.Dialect = messages.Messages()
"""What clients speak, too."""

BY_NAME: dict[str, dialect.Dialect] = {
    entry.name: entry
    for entry in (
        MESSAGES,
        chat.Chat(),
    )
}
"""Name, as a profile's `api` has it -> dialect."""

PATHS = tuple(path for entry in BY_NAME.values() for path in entry.paths)
"""What the paths of requests end with, in any dialect."""


def of(provider: targets.Provider) -> dialect.Dialect:
    """What a provider speaks."""
    return BY_NAME[provider.api]


def at(path: str) -> dialect.Dialect:
    """The dialect of a request by its path without its query, such as that of a saved flow."""
    return next((entry for entry in BY_NAME.values() if path.endswith(entry.paths)), MESSAGES)
