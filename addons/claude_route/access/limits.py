"""The limits of what clients may ask of the listeners before anybody knows them, and a count of how often each is met."""

from __future__ import annotations

import collections
import ipaddress
from dataclasses import dataclass

LOG_INTERVAL = 60.0
"""Seconds between two log lines about one limit: whoever meets it on purpose would otherwise fill the log."""

type Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Limits:
    """The defaults are many times what Claude Code does: its heads have some 25 fields in 4 KB, and a session
    with a few agents has some ten connections."""

    connections: int = 2048
    connections_per_address: int = 1024
    """Of one IPv4 address, or one IPv6 network of 64 bits, beyond this machine; 0: no limit. A team behind one
    NAT shares one address."""
    shared_addresses: tuple[Network, ...] = ()
    """Where the limit by address doesn't hold."""
    head_size: int = 64 * 1024
    """Bytes of a request's line and headers. Also of the trailers, of a chunk's line, and of what waits behind
    a request that is being answered."""
    head_fields: int = 200
    head_time: float = 30.0
    """Seconds from the first byte of a TLS handshake, or of a head, to its last."""
    body_time: float = 30.0
    """Seconds that a client may let us wait for its body, in all, and beyond them one for each `body_rate`
    bytes that have come."""
    body_rate: int = 1000
    """Bytes a second."""


class Meter:
    """All limits share one, which the metrics read. Nothing here knows what a limit is about: its name
    is a fixed word of ours, such as `head_size`, never anything that a client sent."""

    def __init__(self) -> None:
        self.counts: collections.Counter[str] = collections.Counter()
        """The name of a limit -> how often it was met since the start."""
        self._logged: dict[str, float] = {}
        """The name of a limit -> when a log line about it was last due."""

    def hit(self, name: str, now: float) -> bool:
        """Count that a limit was met. True if a log line about it is due at `now`, in seconds of any clock
        that never goes back."""
        self.counts[name] += 1
        logged = self._logged.get(name)
        if logged is not None and now - logged < LOG_INTERVAL:
            return False
        self._logged[name] = now
        return True

    def line(self, name: str, message: str, now: float) -> str | None:
        """Count that a limit was met, and return the log line about it, if one is due."""
        if not self.hit(name, now):
            return None
        return f"{message} (limit met {self.counts[name]} times so far)"


meter = Meter()
"""This process's."""
