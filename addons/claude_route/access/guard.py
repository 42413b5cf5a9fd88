"""Which clients may connect, and which addresses they may reach, under the settings in force."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field

from claude_route.access import addresses
from claude_route.access import clients


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

    def client(self, key: clients.Key | None) -> clients.Client | None:
        """The client that a key identifies; None if the key is wrong, or if no key is set."""
        if key and self.key and clients.is_key(key.secret, self.key):
            return clients.Client("shared", key.kind)
        return None

    def accepts(self, *, is_outside: bool) -> bool:
        """Whether connections are accepted, from this machine or from outside."""
        return not is_outside or bool(self.key) or self.is_open

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
