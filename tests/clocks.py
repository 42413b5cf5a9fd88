"""Clocks that stand still until a test moves them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field


@dataclass
class Clock:
    now: float = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Timer:
    when: float
    callback: Callable[[], object]
    is_cancelled: bool = False

    def cancel(self) -> None:
        self.is_cancelled = True


@dataclass
class Timers:
    """What an event loop knows of time, and calls when a test moves it."""

    now: float = 1000.0
    pending: list[Timer] = field(default_factory=list)

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], object], /) -> Timer:
        self.pending.append(Timer(when, callback))
        return self.pending[-1]

    def advance(self, seconds: float) -> None:
        until = self.now + seconds
        while due := [timer for timer in self.active if timer.when <= until]:
            timer = min(due, key=lambda timer: timer.when)
            timer.cancel()
            self.now = max(self.now, timer.when)
            timer.callback()
        self.now = until

    @property
    def active(self) -> list[Timer]:
        self.pending = [timer for timer in self.pending if not timer.is_cancelled]
        return self.pending
