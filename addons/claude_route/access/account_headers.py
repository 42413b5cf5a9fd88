"""Headers of an answer that describe an account: which one it is, and how much of its limits is used.

A client gets those of its own account only. It would take any other's for its own: Claude Code shows
them in its status line and in /usage.
"""

from __future__ import annotations

import re

from claude_route.wire import http_message

_OF_ACCOUNT = re.compile(
    rb"anthropic-(ratelimit|priority|fast)-.+|anthropic-(organization|workspace)-id"
    rb"|openai-(organization|project)|(x-)?ratelimit(-.+)?"
)
"""In lower case. https://platform.claude.com/docs/en/api/rate-limits, and what other providers send."""


def without(fields: http_message.Fields) -> tuple[http_message.Field, ...]:
    return tuple(field for field in fields if not _OF_ACCOUNT.fullmatch(field[0].lower()))
