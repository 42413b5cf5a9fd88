"""Maps tool names in both directions: each API accepts some that the other refuses."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container
from collections.abc import Iterable

LONGEST = 64
"""The longest function name in Chat Completions, in characters; Messages accepts 128."""

_FITS = re.compile(r"[a-zA-Z0-9_-]+")
_ODD = re.compile(r"[^a-zA-Z0-9_-]")


class Names:
    """The tool names of one request.

    A name that Chat Completions accepts is unchanged. Any other is shortened and gets a hash. It is the
    same in each request of a conversation, as the provider's prompt cache and the model require.
    """

    def __init__(self, tools: Iterable[str]) -> None:
        self._sent: dict[str, str] = {}
        self._own: dict[str, str] = {}
        for name in sorted(tools, key=_fits, reverse=True):
            self.sent(name)

    def sent(self, name: str) -> str:
        """The provider's name for a tool."""
        if name not in self._sent:
            sent = name if _fits(name) and name not in self._own else _shortened(name, self._own)
            self._sent[name] = sent
            self._own[sent] = name
        return self._sent[name]

    def own(self, name: str) -> str:
        """The client's name for a tool that the provider calls. A name that the model invented is made
        valid."""
        own = self._own.get(name)
        return _ODD.sub("_", name)[:128] if own is None else own


def _fits(name: str) -> bool:
    return len(name) <= LONGEST and _FITS.fullmatch(name) is not None


def _shortened(name: str, taken: Container[str]) -> str:
    start = _ODD.sub("_", name)[: LONGEST - 9]
    digest = name
    while True:
        digest = hashlib.sha256(digest.encode()).hexdigest()
        if (shortened := f"{start}_{digest[:8]}") not in taken:
            return shortened
