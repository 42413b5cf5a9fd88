"""Another program in our terminal, with signals and exit status passed on."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Mapping
from collections.abc import Sequence
from types import FrameType

FORWARDED = ("SIGTERM", "SIGHUP", "SIGWINCH")
"""What somebody sends to us is meant for the program. Names: Windows has only the first."""

SHARED = ("SIGINT", "SIGQUIT")
"""What the terminal sends to all of its foreground group, so to the program too. It decides."""


class Signals:
    """Takes this process's signals, for a program that runs or is about to."""

    def __init__(self) -> None:
        self.program: subprocess.Popen[bytes] | None = None
        self.ended_by: int | None = None
        """The signal that came to end us while there was no program."""
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

    def check(self) -> None:
        """Raises InterruptedError where one came before the program was started."""
        if self.ended_by is not None:
            raise InterruptedError(signal.Signals(self.ended_by).name)

    def run(self, command: Sequence[str], environ: Mapping[str, str]) -> int:
        """Run a program to its end.

        Returns its exit status: 128 and the signal's number where a signal ended it, as in a shell.
        Raises OSError where it can't be started.
        """
        self.check()
        program = subprocess.Popen(command, env=dict(environ))  # noqa: S603 - the user's own command
        self.program = program
        if self.ended_by is not None:  # in the moment before
            program.send_signal(self.ended_by)
        status = program.wait()
        return 128 - status if status < 0 else status
