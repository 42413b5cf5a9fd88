"""What the proxy of `claude-route run` has to say to whoever started it: that a provider failed.

Its log goes to a file that is removed in the end, and the program may wait for minutes without a word.
The proxy writes its warnings about requests to a second file, and the command shows each once.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from pathlib import Path

FILE = "notices.txt"

LOGGER = "claude_route.watch.log"

INTERVAL = 0.2
"""Seconds between looks at the file."""

MOST = 5
"""How many notices are shown once the program has ended."""


def write_to(folder: Path) -> logging.Handler:
    """Have the warnings about requests written to the file in this folder."""
    handler = logging.FileHandler(folder / FILE, encoding="utf-8", delay=True)
    handler.setLevel(logging.WARNING)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logging.getLogger(LOGGER).addHandler(handler)
    return handler


class Notices:
    """Shows the notices while the program runs or, if they would disturb what it shows in the terminal,
    the last of them when it has ended."""

    def __init__(self, folder: Path, show: Callable[[str], None], *, is_live: bool) -> None:
        self._path = folder / FILE
        self._show = show
        self._is_live = is_live
        self._lines: dict[str, None] = {}
        """Those that were read, each once."""
        self._has_ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._has_ended.set()
        self._thread.join()
        if not self._is_live:
            for line in [*self._lines][-MOST:]:
                self._show(line)

    def _watch(self) -> None:
        while not self._has_ended.wait(INTERVAL):
            self.look()
        self.look()

    def look(self) -> None:
        try:
            text = self._path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return
        # A line that is being written comes the next time.
        for line in text[: text.rfind("\n") + 1].splitlines():
            if line not in self._lines:
                self._lines[line] = None
                if self._is_live:
                    self._show(line)


def may_disturb(arguments: list[str]) -> bool:
    """Whether the program may draw on the terminal: Claude Code does, except with --print."""
    return sys.stderr.isatty() and sys.stdin.isatty() and not {"-p", "--print"} & {*arguments}
