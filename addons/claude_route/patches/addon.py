"""Installs all patches, undoes them, and warns if they were not tested with this mitmproxy."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from typing import NamedTuple

from mitmproxy import ctx
from mitmproxy import version
from mitmproxy.proxy import server_hooks
from mitmproxy.proxy.layers import http as layers
from mitmproxy.tools.web import app
from tornado import httpserver

from claude_route.patches import accepting
from claude_route.patches import cancelled_streams
from claude_route.patches import client_tasks
from claude_route.patches import content_views
from claude_route.patches import decoding
from claude_route.patches import dialing
from claude_route.patches import digests
from claude_route.patches import exits
from claude_route.patches import fail_closed
from claude_route.patches import filters
from claude_route.patches import first_bytes
from claude_route.patches import hooktable
from claude_route.patches import http1_server
from claude_route.patches import http_stream
from claude_route.patches import large_reads
from claude_route.patches import log_events
from claude_route.patches import log_quotes
from claude_route.patches import log_records
from claude_route.patches import message_types
from claude_route.patches import mitmweb
from claude_route.patches import redirects
from claude_route.patches import roots
from claude_route.patches import saved_files
from claude_route.patches import slow_viewers
from claude_route.patches import unclosed

logger = logging.getLogger(__name__)


class Bounds(NamedTuple):
    """What keeps clients within limits."""

    accept: accepting.Accept
    """Serves a connection, or refuses it."""
    http1: type[layers.Http1Server]
    """Reads what HTTP/1 clients send."""
    web: type[httpserver.HTTPServer]
    """mitmweb's server."""


class Patches:
    """Patches mitmproxy in its constructor, before any hook is called."""

    def __init__(
        self,
        make_stream: http_stream.MakeStream,
        dial: dialing.Dial,
        refusal: Callable[[app.RequestHandler], str | None],
        is_shown: Callable[[str, Any], bool],
        gate: fail_closed.Gate,
        bounds: Bounds,
        hiding: exits.Hiding,
        *more: Callable[[], Callable[[], None]],
    ) -> None:
        """`make_stream` makes each HTTP stream, `dial` mitmproxy's connections; `refusal` and `is_shown`
        guard mitmweb; `gate` knows what our hooks have accepted; `bounds` keep clients within limits;
        `hiding` takes secrets out of what people see. Each of `more` installs patches that need more
        than that, and returns a callable that undoes them."""
        # Never undone: if a changed script fails to load, no hook admits anything, and mitmproxy must not
        # pass it on without admission.
        for before in [*_installed]:
            before.undo()  # its script could not be loaded, and so nobody has told it to
        _installed.append(self)
        http_stream.install(make_stream)
        fail_closed.install(gate)
        cancelled_streams.install()
        # Nor these: mitmweb would still show the flows.
        log_records.install(hiding.text)
        exits.install(hiding)
        self._undo = [
            # After `exits`, so that secrets are looked for in its thread.
            saved_files.install(),
            message_types.install(),
            log_events.install(),
            accepting.install(bounds.accept),
            http1_server.install(bounds.http1),
            mitmweb.serve_with(bounds.web),
            first_bytes.install(),
            log_quotes.install(),
            dialing.install(dial),
            client_tasks.install(),
            redirects.install(),
            large_reads.install(),
            roots.install(),
            unclosed.install(),
            decoding.install(),
            filters.install(),
            slow_viewers.install(),
            content_views.install(),
            mitmweb.guard_requests(refusal),
            mitmweb.guard_options(is_shown),
            *(install() for install in more),
        ]

    def running(self) -> None:
        # Not before, because now all addons are loaded, including mitmproxy's own.
        self._undo.append(hooktable.HookTable(ctx.master.addons).remove)
        if changed := digests.changed():
            names = ", ".join(code.name for code in changed)
            logger.warning(
                f"mitmproxy {version.VERSION} differs from the versions that this proxy was tested "
                f"with, in code that it relies on: {names}"
            )

    def server_connected(self, data: server_hooks.ServerConnectionHookData) -> None:
        redirects.restore(data.server)

    def done(self) -> None:
        self.undo()

    def undo(self) -> None:
        while self._undo:
            self._undo.pop()()
        if self in _installed:
            _installed.remove(self)


_installed: list[Patches] = []
"""What is not undone yet: one at most."""
