"""The ways in which an attempt fails."""

from __future__ import annotations

import enum


class Kind(enum.StrEnum):
    CONNECT = "connect"
    """No connection was made."""
    TIMEOUT = "timeout"
    """The upstream was silent for longer than its limit."""
    RESET = "reset"
    """The connection broke off, or what came made no sense, before the answer began."""
    STATUS = "status"
    """Headers came, and their status is an error."""
    EVENT = "event"
    """The status is 200, but the first event, or the whole body, is an error."""
    LOCAL = "local"
    """We did not send the request, or could not read its answer."""

    @property
    def is_silence(self) -> bool:
        """Nobody was there, so no other credential will find anybody either."""
        return self in (Kind.CONNECT, Kind.TIMEOUT)

    @property
    def is_answer(self) -> bool:
        """The upstream itself said no."""
        return self in (Kind.STATUS, Kind.EVENT)
