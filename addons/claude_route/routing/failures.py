"""The ways in which an attempt fails."""

from __future__ import annotations

import enum


class Kind(enum.StrEnum):
    CONNECT = "connect"
    """No connection was made."""
    ABSENT = "absent"
    """No connection was made, since no program listens there: it would have to run on this machine."""
    BARRED = "barred"
    """No connection will be made until somebody changes a setting: a certificate isn't trusted, or a proxy
    on the way lets nothing through."""
    TIMEOUT = "timeout"
    """The upstream was silent for longer than its limit."""
    RESET = "reset"
    """The connection was lost, or sent invalid data, before the answer began."""
    STATUS = "status"
    """Response headers arrived, and their status is an error."""
    EVENT = "event"
    """The status is 200, but the first event, or the whole body, is an error."""
    CROWDED = "crowded"
    """No connection was made, since this process can open no more."""
    LOCAL = "local"
    """We did not send the request, or could not read its answer."""

    @property
    def is_silence(self) -> bool:
        """Whether the upstream was unreachable, so that another credential wouldn't help."""
        return self in (Kind.CONNECT, Kind.ABSENT, Kind.BARRED, Kind.TIMEOUT)

    @property
    def awaits_user(self) -> bool:
        """Whether there is no connection until somebody starts a server or changes a setting."""
        return self in (Kind.ABSENT, Kind.BARRED)

    @property
    def is_answer(self) -> bool:
        """Whether the upstream itself reported the error."""
        return self in (Kind.STATUS, Kind.EVENT)
