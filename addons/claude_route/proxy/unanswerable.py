"""What a request is told that none of its targets can answer, in the forms that Claude Code understands."""

from __future__ import annotations

from collections.abc import Sequence

from mitmproxy import http

from claude_route import responses
from claude_route import targets


def keeps_no_threads(target: targets.Target) -> http.Response:
    """Claude Code sends all of the conversation, and begins no more threads with this model."""
    code = "thread_unsupported_request"
    return responses.error(400, f"{code}: {target} keeps no threads", code=code)


def lacks_thread(target: targets.Target) -> http.Response:
    """Claude Code sends all of the conversation, and begins another thread with it."""
    code = "thread_not_found"
    return responses.error(404, f"{code}: {target} doesn't have this thread", code=code)


def lacks_tools(tools: Sequence[str], model: str) -> http.Response:
    """Claude Code reports the words as the tool's error. Without the code it would ask twice."""
    return responses.error(
        400,
        f"{' and '.join(tools)}: only Anthropic's servers have this tool, and this proxy sends {model} to "
        "another provider. Under server_tools, its profile can name a Claude model to use instead",
        code="policy_blocked",
    )
