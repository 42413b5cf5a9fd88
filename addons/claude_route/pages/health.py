"""`GET /health`: for programs that supervise the proxy."""

from __future__ import annotations

import claude_route
from claude_route.access import clients
from claude_route.pages import content
from claude_route.proxy import state


def answer(in_force: state.State, viewer: clients.Client | None = None) -> content.Content:
    return content.json({"status": "ok", "version": claude_route.__version__})
