"""`GET /metrics`, for Prometheus: https://prometheus.io/docs/instrumenting/exposition_formats/"""

from __future__ import annotations

from claude_route.access import live_secrets
from claude_route.pages import asking
from claude_route.pages import content
from claude_route.proxy import state

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


async def answer(
    question: asking.Question, in_force: state.State, sources: asking.Sources
) -> content.Content:
    """Raises:
    PermissionError: the viewer may only see its own usage, and these are everybody's.
    """
    if not question.sees_all:
        raise PermissionError("This key sees its own requests only, at /usage and /sessions")
    return content.Content(MEDIA_TYPE, live_secrets.hide(sources.metrics()))
