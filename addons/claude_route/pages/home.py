"""`GET /`: what this is, for whoever opens the reverse listener's address in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import claude_route
from claude_route.access import clients
from claude_route.pages import content
from claude_route.pages import models
from claude_route.pages import rendering
from claude_route.profile import expansion
from claude_route.proxy import state

PATHS = ("/sessions", "/status", "/usage", "/metrics", "/v1/models", "/health")

FOR_PROGRAMS = {
    "/v1/messages": "Anthropic’s API, for any of these models",
    "/v1/models": "the models, as in Anthropic’s API",
    "/metrics": "counts for Prometheus",
    "/health": "whether it runs; needs no key",
}

SHOWN = 100
"""Models that the page has."""


class Model(NamedTuple):
    name: str
    target: str
    """`zai/glm-5`"""
    lacks: str
    """Why it can't be used; empty if it can."""


def answer(in_force: state.State, viewer: clients.Client | None = None) -> content.Content:
    return content.json(
        {
            "name": "claude-route",
            "version": claude_route.__version__,
            "profile": in_force.profile.name,
            "pages": PATHS,
        }
    )


def html(in_force: state.State, viewer: clients.Client | None = None, *, in_mitmweb: bool) -> bytes:
    """The page is only at the reverse listener: mitmweb has a page of its own there."""
    rows = list(_models(in_force, viewer))
    return rendering.render(
        "home.html",
        rendering.Frame(in_mitmweb=in_mitmweb),
        release=claude_route.__version__,
        profile=in_force.profile.name,
        models=rows[:SHOWN],
        left_out=max(0, len(rows) - SHOWN),
        paths=FOR_PROGRAMS,
    )


def _models(in_force: state.State, viewer: clients.Client | None) -> Iterator[Model]:
    """Those that the viewer may ask for."""
    may_ask = viewer.may_ask if viewer else models.is_anyones
    for name in expansion.names(in_force.profile, in_force.served.models):
        target = in_force.profile.target(name)
        if target and may_ask(name):
            yield Model(name, str(target), target.provider.unset if target.provider.missing else "")
