"""What is known about a token beyond one process: other instances, and the next start, take it over."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from claude_route.routing import quota


class Held(NamedTuple):
    """A rest, and how it began."""

    rest: quota.Rest
    since: float
    """Unix seconds."""
    is_by_hand: bool = False


class Health(NamedTuple):
    rests: tuple[Held, ...] = ()
    """One for a model family at most."""
    disabled: str | None = None
    """Why it is; None if it isn't."""
    windows: Mapping[str, quota.Window] = MappingProxyType({})


class Listener:
    """Is called after each change, with the secret of the token that it is about. Times are Unix seconds. By
    default, nothing happens."""

    def rested(self, secret: str, held: Held) -> None:
        """It rests, at least until then."""

    def answered(self, secret: str, families: tuple[str | None, ...], asked: float) -> None:
        """Rests for these families that began before `asked` are over, unless they are by hand."""

    def disabled(self, secret: str, reason: str) -> None:
        """It was refused for good."""

    def enabled(self, secret: str) -> None:
        """It isn't disabled any more."""

    def woken(self, secret: str) -> None:
        """It is neither resting nor disabled any more."""

    def used(self, secret: str, windows: Mapping[str, quota.Window]) -> None:
        """An answer has reported so much use."""

    def moved(self, session: str, before: str | None, after: str) -> None:
        """A session has another token than before; None: it had none."""
