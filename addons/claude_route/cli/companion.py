"""Part of the proxy that `claude-route run` starts: it belongs to that command, and ends with it.

The command waits for the file of `ready`, and holds the other end of the proxy's standard input.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from pathlib import Path

from mitmproxy import ctx

from claude_route import options
from claude_route.cli import ready


class Companion:
    """Says where the proxy listens, and ends it when the command that started it is gone."""

    def running(self) -> None:
        loop = asyncio.get_running_loop()
        path = Path(os.environ[ready.READY])
        self._reporting = loop.create_task(self._report(path))
        threading.Thread(target=self._wait_for_end, args=(loop, path.parent), daemon=True).start()

    async def _report(self, path: Path) -> None:
        if await options.closed_listeners():
            return  # `Announcement` ends the start, and says why.
        (server,) = ctx.master.addons.get("proxyserver").servers
        ready.write(
            path, ready.Address(server.listen_addrs[0][1], getattr(ctx.master, "web_url", None))
        )

    def _wait_for_end(self, loop: asyncio.AbstractEventLoop, folder: Path) -> None:
        # Nothing is ever written to it. It ends with the command that holds the other end, however
        # that ends: a killed command can't run any code of its own. os.read, since a thread that
        # reads from sys.stdin would hold its lock when the interpreter ends.
        while os.read(0, 1):
            pass
        # It would have removed the folder with our CA's key.
        shutil.rmtree(folder, ignore_errors=True)
        loop.call_soon_threadsafe(ctx.master.shutdown)
