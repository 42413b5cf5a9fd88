"""The addon of the proxy that `claude-route run` starts: it ends the proxy with that command, and opens
the page of the session.

The command waits for the file that `ready` describes, and holds the other end of the proxy's standard
input.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
import urllib.parse
from pathlib import Path

from mitmproxy import ctx
from mitmproxy import http
from mitmproxy.tools.web import webaddons

from claude_route import background
from claude_route import options
from claude_route.cli import notices
from claude_route.cli import ready
from claude_route.pages import mitmweb
from claude_route.watch import labels


class Companion:
    """Reports where the proxy listens, opens a browser at the first session, and ends the proxy when the
    command that started it has ended."""

    def __init__(self) -> None:
        self._has_opened = False

    def running(self) -> None:
        loop = asyncio.get_running_loop()
        path = Path(os.environ[ready.READY])
        notices.write_to(path.parent)
        background.start(self._report(path), "the report to the command")
        threading.Thread(target=self._wait_for_end, args=(loop, path.parent), daemon=True).start()

    async def _report(self, path: Path) -> None:
        if await options.closed_listeners():
            return  # `Announcement` logs the reason and ends the start.
        (server,) = ctx.master.addons.get("proxyserver").servers
        ready.write(path, ready.Address(server.listen_addrs[0][1], page_url(mitmweb.SESSIONS)))

    def response(self, flow: http.HTTPFlow) -> None:
        # Now the session has a turn to show.
        session = None if self._has_opened else labels.read(flow.metadata).session
        if session and (url := page_url(mitmweb.session_path(session))):
            self._has_opened = True
            # Some browsers return only when they are closed.
            threading.Thread(target=webaddons.open_browser, args=(url,), daemon=True).start()

    error = response

    def _wait_for_end(self, loop: asyncio.AbstractEventLoop, folder: Path) -> None:
        # Nobody writes to it. It closes when the command ends, even if the command was killed and
        # couldn't run any code. os.read, because a thread that reads from sys.stdin would hold its
        # lock when the interpreter exits.
        while os.read(0, 1):
            pass
        # The command may not have been able to remove the folder with our CA's key.
        shutil.rmtree(folder, ignore_errors=True)
        loop.call_soon_threadsafe(ctx.master.shutdown)


def page_url(path: str) -> str | None:
    """The URL of a page in mitmweb, including its token; None if this isn't mitmweb."""
    url: str | None = getattr(ctx.master, "web_url", None)
    return url and urllib.parse.urlsplit(url)._replace(path=path).geturl()
