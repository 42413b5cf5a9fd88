"""Decides what a refused request can go without, so that it can be sent to the same target again."""

from __future__ import annotations

from claude_route import targets
from claude_route.dialects import refusals
from claude_route.dialects import registry
from claude_route.dialects.messages import requests
from claude_route.routing import lessons

MAX = 3
"""For each request. A provider that refuses more than that is better served by a profile."""


def omissions(
    error: bytes,
    request: requests.Request,
    target: targets.Target,
    left_out: tuple[str, ...],
    sent: bytes,
) -> list[lessons.Lesson]:
    """What the target refuses and the request contains, from the body of its error. `sent` is the body
    that was refused, which went without `left_out`."""
    dialect = registry.of(target.provider)
    omitted: list[lessons.Lesson] = []
    if refusals.wants_thinking(error) and targets.BARE_CALLS not in left_out:
        names = (*left_out, targets.BARE_CALLS)
        if _written(request, target.without(names)) not in (sent, None):
            return [lessons.Lesson(targets.BARE_CALLS)]
    for refusal in refusals.read(error):
        for names in refusal.choices:
            if not set(names).isdisjoint(dialect.required):
                continue
            shorter = _written(request, target.without((*left_out, *names)))
            if shorter not in (sent, None):
                settings = None if refusal.is_general else requests.settings(request)
                omitted += [lessons.Lesson(name, settings) for name in names]
                left_out, sent = (*left_out, *names), shorter
                break
    return omitted


def _written(request: requests.Request, target: targets.Target) -> bytes | None:
    """The request as the target would get it, or None if it can't be written so: to leave something out is to
    read what contains it, and that may be invalid."""
    try:
        return registry.of(target.provider).request(request, target).body
    except ValueError:
        return None
