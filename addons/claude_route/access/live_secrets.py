"""The secrets that this process has, and their removal from what people see.

`hide` (bytes) and `hide_text` (str) are for whatever leaves towards people: log lines, flows, pages,
exports. They cost some milliseconds for a megabyte, however many secrets there are. What goes to
clients and upstreams doesn't pass here: see `redaction`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from claude_route.access import clients
from claude_route.routing import room
from claude_route.text import disguises

MOST = 512
"""How many credentials of clients are remembered, of up to a KB each: those that came last. A longer one takes the
place of several."""

MOST_EACH = 32
"""Of one client. It chooses them, and what it sends then: each may be looked for in all of a text."""

_KB = 1024

SHORTEST = 12
"""Characters. Clients send what they like as a credential, and people are to see their words."""

_NAME = re.compile(r"(?:[a-zA-Z]{1,14}|\d{1,8})(?:[-_./:](?:[a-zA-Z]{1,14}|\d{1,8}))*")
"""What a model or a host may be called. A client must not be able to remove names from the log by
sending them as its credential."""


class LiveSecrets:
    """Those of the operator are kept until the process ends: what a changed profile no longer has may
    still stand in flows. Those of clients are placeholders in their flows' headers anyway."""

    def __init__(self) -> None:
        self._finder = disguises.Finder()
        self._ours = set[str]()
        self._clients = room.Room[str](MOST, MOST_EACH)
        self._senders: dict[str, str] = {}
        """Credential -> the client who sent it first."""

    def keep(self, secrets: Iterable[str | None]) -> None:
        """Tokens, keys and passwords of the operator."""
        for secret in secrets:
            if secret and secret not in self._ours and clients.is_login(secret):
                self._ours.add(secret)
                if sender := self._senders.pop(secret, None):
                    self._clients.pop(sender, secret)
                else:
                    self._finder.add(secret)

    def remember(self, secrets: Iterable[str], whose: str = "@") -> None:
        """Credentials and keys that a client sent. `whose`: see `clients.whose`."""
        for secret in secrets:
            if sender := self._senders.get(secret):
                self._clients.use(sender, secret)
            elif secret not in self._ours and _is_secret(secret):
                self._senders[secret] = whose
                self._finder.add(secret)
                weight = min(-(-len(secret) // _KB), MOST_EACH)
                for gone in self._clients.put(whose, secret, secret, weight):
                    del self._senders[gone]
                    self._finder.remove(gone)

    def hide(self, data: bytes) -> bytes:
        """The same object if there is no secret in it."""
        return self._finder.hide(data)

    def hide_text(self, text: str) -> str:
        """The same object if there is no secret in it."""
        return self._finder.hide_text(text)


def _is_secret(text: str) -> bool:
    return (
        len(text) >= SHORTEST
        and " " not in text
        and clients.is_login(text)
        and not _NAME.fullmatch(text)
    )


LIVE = LiveSecrets()
"""Those of the process. One for all, because its log is one."""

keep = LIVE.keep
remember = LIVE.remember
hide = LIVE.hide
hide_text = LIVE.hide_text
