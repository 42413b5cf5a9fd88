"""Runs another program in our terminal, and passes signals and exit status on."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Mapping
from collections.abc import Sequence
from types import FrameType

FORWARDED = ("SIGTERM", "SIGHUP", "SIGWINCH")
"""Signals sent to this process that are meant for the program. Names, because Windows has only the
first."""

SHARED = ("SIGINT", "SIGQUIT")
"""Signals that the terminal sends to its whole foreground group, so also to the program. We ignore
them there and let the program decide."""

GRACE = 0.3
"""Seconds after which a shared signal is passed on if there is no terminal. Whoever sent it to the whole
group, as a terminal would, has sent it to the program too, which may have ended by then."""


class Signals:
    """Handles this process's signals for a program that is running or about to start."""

    def __init__(self) -> None:
        self.program: subprocess.Popen[bytes] | None = None
        self.ended_by: int | None = None
        """The signal that arrived to end us before the program was started."""
        for name in (*FORWARDED, *SHARED):
            if number := getattr(signal, name, None):
                # A function rather than SIG_IGN, which the program would inherit.
                signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        if self.program is None:
            if name != "SIGWINCH":
                self.ended_by = number
        elif name in FORWARDED:
            self.program.send_signal(number)
        elif not is_in_foreground():
            timer = threading.Timer(GRACE, self.program.send_signal, [number])
            timer.daemon = True
            timer.start()

    def check(self) -> None:
        """Raises InterruptedError if a signal arrived before the program was started."""
        if self.ended_by is not None:
            raise InterruptedError(signal.Signals(self.ended_by).name)

    def run(self, command: Sequence[str], environ: Mapping[str, str]) -> int:
        """Run a program to its end.

        Returns its exit status: as in a shell, 128 plus the signal's number if a signal ended it.
        Raises OSError if it can't be started.
        """
        self.check()
        program = subprocess.Popen(command, env=dict(environ))  # noqa: S603 - the user's own command
        self.program = program
        if self.ended_by is not None:  # since check()
            program.send_signal(self.ended_by)
        status = program.wait()
        return 128 - status if status < 0 else status


def is_in_foreground() -> bool:
    """Whether a terminal sends its signals to our process group."""
    if os.name != "posix":
        return True
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
