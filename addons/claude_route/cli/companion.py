"""The addon of the proxy that `claude-route run` starts: it ends the proxy with that command.

The command waits for the file that `ready` describes, and holds the other end of the proxy's standard
input.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from pathlib import Path

from mitmproxy import ctx

from claude_route import options
from claude_route.cli import notices
from claude_route.cli import ready


class Companion:
    """Reports where the proxy listens, and ends it when the command that started it has ended."""

    def running(self) -> None:
        loop = asyncio.get_running_loop()
        path = Path(os.environ[ready.READY])
        notices.write_to(path.parent)
        self._reporting = loop.create_task(self._report(path))
        threading.Thread(target=self._wait_for_end, args=(loop, path.parent), daemon=True).start()

    async def _report(self, path: Path) -> None:
        if await options.closed_listeners():
            return  # `Announcement` logs the reason and ends the start.
        (server,) = ctx.master.addons.get("proxyserver").servers
        ready.write(
            path, ready.Address(server.listen_addrs[0][1], getattr(ctx.master, "web_url", None))
        )

    def _wait_for_end(self, loop: asyncio.AbstractEventLoop, folder: Path) -> None:
        # Nobody writes to it. It closes when the command ends, even if the command was killed and
        # couldn't run any code. os.read, because a thread that reads from sys.stdin would hold its
        # lock when the interpreter exits.
        while os.read(0, 1):
            pass
        # The command may not have been able to remove the folder with our CA's key.
        shutil.rmtree(folder, ignore_errors=True)
        loop.call_soon_threadsafe(ctx.master.shutdown)
