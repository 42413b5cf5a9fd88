"""Which clients may connect, and which addresses they may reach, under the settings in force."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field

from claude_route.access import addresses
from claude_route.access import clients

KEYS = ("PROXY_STATIC_TOKEN", "PROXY_STATIC_TOKEN_NEXT")
"""The variables that keys are read from."""


@dataclass(frozen=True)
class Guard:
    """A changed profile creates a new Guard, so that no check sees half of a change."""

    key: str | None = field(default=None, repr=False)
    """The key that clients must present, from PROXY_STATIC_TOKEN; None: they need no key."""
    is_open: bool = False
    """Whether other machines may connect without a key."""
    provider_addresses: frozenset[tuple[str, int]] = frozenset()
    """The addresses of the profile's providers. Clients on other machines may reach these even on
    this machine and its network."""
    next_key: str | None = field(default=None, repr=False)
    """A second key, from PROXY_STATIC_TOKEN_NEXT, so that clients can change to it one by one."""

    @property
    def needs_key(self) -> bool:
        return bool(self.key or self.next_key)

    def has(self, secret: str) -> bool:
        """Whether this is a key of ours."""
        # Both are compared in any case, so that the time doesn't tell them apart.
        matches = [clients.is_key(secret, key or "") for key in (self.key, self.next_key)]
        return any(matches)

    def client(self, *presented: clients.Key | None) -> clients.Client | None:
        """The client that the first valid one of these keys identifies; None if all are wrong, or if no
        key is set."""
        valid = [key for key in presented if key and self.has(key.secret)]
        return clients.Client("shared", valid[0].kind) if valid else None

    def accepts(self, *, is_outside: bool) -> bool:
        """Whether connections are accepted, from this machine or from outside."""
        return not is_outside or self.needs_key or self.is_open

    def check_listeners(self, hosts: Iterable[str]) -> None:
        """Raises:
        ValueError: other machines could connect to a listener, and neither a key nor `open` is set.
        """
        for host in hosts:
            if not self.accepts(is_outside=not addresses.is_loopback(host)):
                raise ValueError(
                    f"mode: expected a loopback address, got {host or '*'!r}: set "
                    "PROXY_STATIC_TOKEN, or `open: true` in the profile, to allow connections from "
                    "other machines"
                )
