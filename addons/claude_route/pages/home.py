"""`GET /`: what this is, for whoever opens the reverse listener's address in a browser."""

from __future__ import annotations

from tornado import template

import claude_route
from claude_route.access import clients
from claude_route.pages import content
from claude_route.proxy import state

PATHS = ("/sessions", "/status", "/usage", "/metrics", "/v1/models", "/health")

TEMPLATE = template.Template((content.STATIC / "home.html").read_text(encoding="utf-8"))


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
    page: bytes = TEMPLATE.generate(
        version=claude_route.__version__, profile=in_force.profile.name, paths=PATHS
    )
    return page
