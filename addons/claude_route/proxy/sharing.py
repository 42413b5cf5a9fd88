"""What a request has to ask other instances for, before its plan is made: usually nothing."""

from __future__ import annotations

from typing import NamedTuple
from typing import Protocol

from claude_route.routing import rotation
from claude_route.routing import threads


class Question(NamedTuple):
    pool: rotation.Pool
    session: str
    """Empty if it has none."""
    model: str
    threads: threads.Threads
    thread: threads.Thread


class Store(Protocol):
    """What instances share, for `Sharing`."""

    def is_due(self, question: Question) -> bool:
        """Whether others may know more."""

    async def ask(self, question: Question) -> None:
        """Have the pool and the threads learn what others know. Takes 50 ms at most, and never fails."""


class Sharing:
    """The store in force; None if this process is alone."""

    def __init__(self) -> None:
        self.store: Store | None = None

    def is_due(self, question: Question) -> bool:
        return self.store is not None and self.store.is_due(question)

    async def ask(self, question: Question) -> None:
        if self.store:
            await self.store.ask(question)
