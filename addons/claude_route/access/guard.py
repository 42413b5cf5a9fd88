"""Who may come in, and where they may go from there, as the settings in force say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field

from claude_route.access import addresses
from claude_route.access import clients


@dataclass(frozen=True)
class Guard:
    """A changed profile makes a new one, so that no check sees half of a change."""

    key: str | None = field(default=None, repr=False)
    """What clients must present, from PROXY_STATIC_TOKEN; None: no client is asked for a key."""
    is_open: bool = False
    """Other machines may connect without a key, too."""
    provider_addresses: frozenset[tuple[str, int]] = frozenset()
    """Where the profile's providers live. Clients on other machines may reach these even on this
    machine and its network."""

    def client(self, key: clients.Key | None) -> clients.Client | None:
        """Whose key it is; None where it is nobody's, and where no key is set."""
        if key and self.key and clients.is_key(key.secret, self.key):
            return clients.Client("shared", key.kind)
        return None

    def lets_in(self, *, is_outside: bool) -> bool:
        """Whether connections are accepted, from this machine or from outside."""
        return not is_outside or bool(self.key) or self.is_open

    def check_listeners(self, hosts: Iterable[str]) -> None:
        """Raises:
        ValueError: other machines could connect to a listener, and neither a key nor `open` is set.
        """
        for host in hosts:
            if not self.lets_in(is_outside=not addresses.is_loopback(host)):
                raise ValueError(
                    f"mode: expected a loopback address, got {host or '*'!r}: set "
                    "PROXY_STATIC_TOKEN, or `open: true` in the profile, to let other machines in"
                )
