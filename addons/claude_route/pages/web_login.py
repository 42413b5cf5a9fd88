"""mitmweb's password: how often it may be tried."""

from __future__ import annotations

import time
from collections.abc import Callable

BURST = 5
"""Wrong passwords that are checked one after the other."""

PAUSE = 2.0
"""Seconds until another one is. To check an argon2 hash takes a tenth of a second and 64 MB, in which the
event loop does nothing else; and who tries many passwords is to find none."""


class Login:
    """Checks passwords as mitmweb does, but only so many wrong ones in a time, whoever sends them: it is not
    known from whom a request comes. Those who are logged in need no check."""

    def __init__(
        self,
        is_valid: Callable[[str], bool],
        hit: Callable[[str, str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`hit` counts that a limit was met, by its name, with a line for the log. `clock` gives seconds."""
        self._is_valid = is_valid
        self._hit = hit
        self._clock = clock
        self._left = float(BURST)
        self._since = clock()

    def is_valid(self, password: str) -> bool:
        # Whoever opens the page sends none, and is asked for it.
        if not password:
            return False
        now = self._clock()
        self._left = min(float(BURST), self._left + (now - self._since) / PAUSE)
        self._since = now
        if self._left < 1:
            self._hit("web_login", f"mitmweb checks one wrong password in {PAUSE:.0f} s")
            return False
        try:
            is_right = self._is_valid(password)
        except TypeError:
            # `hmac.compare_digest` takes strings of ASCII only.
            is_right = False
        if not is_right:
            self._left -= 1
        return is_right
