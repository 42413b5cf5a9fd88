"""Which clients may connect, and which addresses they may reach, under the settings in force."""

from __future__ import annotations

import datetime
import hashlib
import hmac
from collections.abc import Callable
from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field
from typing import NamedTuple

from claude_route.access import addresses
from claude_route.access import clients
from claude_route.profile import clients as profile_clients

KEYS = ("PROXY_STATIC_TOKEN", "PROXY_STATIC_TOKEN_NEXT")
"""The variables that keys are read from."""


def today() -> datetime.date:
    """In UTC."""
    return datetime.datetime.now(datetime.UTC).date()


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

    named: tuple[profile_clients.Client, ...] = field(default=(), repr=False)
    """The clients of the profile, which have keys of their own."""
    is_locked: bool = False
    """Whether clients need a key though none is valid: the last client was taken out of the profile, which
    must not open the proxy to all."""
    today: Callable[[], datetime.date] = field(default=today, repr=False, compare=False)
    is_closed: bool = False
    """Whether nobody may connect at all: no settings are in force."""

    @property
    def has_keys(self) -> bool:
        return bool(self.key or self.next_key or self.named)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The keys of ours whose text we know."""
        return tuple(filter(None, (self.key, self.next_key)))

    @property
    def needs_key(self) -> bool:
        return self.has_keys or self.is_locked

    def has(self, secret: str) -> bool:
        """Whether this is a key of ours, though it may have expired."""
        # All are compared in any case, so that the time doesn't tell them apart.
        matches = [clients.is_key(secret, key or "") for key in (self.key, self.next_key)]
        return self._owner(secret) is not None or any(matches)

    def client(self, *presented: clients.Key | None) -> clients.Client | None:
        """The client that the first valid one of these keys identifies; None if all are wrong, or if no
        key is set."""
        found = [client for key in presented if key and (client := self._client(key))]
        return found[0] if found else None

    def expired(self, *presented: clients.Key | None) -> profile_clients.Client | None:
        """The client whose key is among these, but no longer valid."""
        owners = [owner for key in presented if key and (owner := self._owner(key.secret))]
        return next((owner for owner in owners if owner.has_expired(self.today())), None)

    def _client(self, key: clients.Key) -> clients.Client | None:
        shared = [clients.is_key(key.secret, ours or "") for ours in (self.key, self.next_key)]
        owner = self._owner(key.secret)
        if any(shared):
            return clients.Client(profile_clients.SHARED, key.kind)
        if owner is None or owner.has_expired(self.today()):
            return None
        return clients.Client(owner.name, key.kind, owner)

    def _owner(self, secret: str) -> profile_clients.Client | None:
        """The client of the profile that has this key, compared with every key of all of them."""
        if not secret or not self.named:
            return None
        digest = hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
        owner = None
        for client in self.named:
            for own in client.digests:
                if hmac.compare_digest(own, digest):
                    owner = client
        return owner

    def accepts(self, *, is_outside: bool) -> bool:
        """Whether connections are accepted, from this machine or from outside."""
        return not self.is_closed and (not is_outside or self.needs_key or self.is_open)

    def accepts_keyless(self, *, is_outside: bool) -> bool:
        """The same at a listener whose mode can't ask for a key."""
        return self.accepts(is_outside=is_outside) and (not is_outside or self.is_open)

    def check_keyless(self, listeners: Iterable[Keyless]) -> list[str]:
        """Warnings about those to which other machines can connect in vain.

        Raises:
            ValueError: other machines could send something to one, and `open` is not set.
        """
        warnings = []
        for mode, host, is_tcp in listeners:
            if self.accepts_keyless(is_outside=not addresses.is_loopback(host)):
                continue
            why = (
                f"mode: {mode} can't ask clients for a key: expected a loopback address, got "
                f"{host or '*'!r} (such as {mode}@127.0.0.1:PORT)"
            )
            if not is_tcp:
                # Datagrams come without a connection that could be refused.
                raise ValueError(why)
            warnings.append(f"{why}: connections from other machines are refused")
        return warnings

    def check_listeners(self, hosts: Iterable[str]) -> None:
        """Raises:
        ValueError: other machines could connect to a listener, and there is neither a key nor `open`.
        """
        for host in hosts:
            if not self.accepts(is_outside=not addresses.is_loopback(host)):
                raise ValueError(
                    f"mode: expected a loopback address, got {host or '*'!r}: set "
                    "PROXY_STATIC_TOKEN, or `clients` or `open: true` in the profile, to allow "
                    "connections from other machines"
                )


class Keyless(NamedTuple):
    """A listener that can't ask for a key."""

    mode: str
    host: str
    is_tcp: bool
    """Whether it has connections only."""


CLOSED = Guard(is_closed=True)
"""Before the first profile has been read, and after a script that could not be loaded again."""
