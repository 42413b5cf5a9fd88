"""How many tokens an answer took, and how many a stream has taken so far."""

from __future__ import annotations

from typing import NamedTuple

BYTES_PER_TOKEN = 4


class Usage(NamedTuple):
    """Tokens. Those read from a cache or written to one are not among `input`."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    """Both for five minutes and for an hour."""
    cache_write_1h: int = 0
    """Those of cache_write that are kept for an hour."""

    @property
    def prompt(self) -> int:
        """All tokens of the prompt, cached or not."""
        return self.input + self.cache_read + self.cache_write


NONE = Usage()


class Meter:
    """A stream's tokens; its rewriter moves it as the events pass.

    A stream reports what it wrote only when it ends. Until then it is estimated from the bytes of
    its deltas, so that nearly all events need not be decoded. A signature counts among them, in
    place of the thinking that isn't shown.
    """

    def __init__(self) -> None:
        self.usage = NONE
        """As far as the provider has reported it."""
        self.is_final = False
        """The usage includes all that was written."""
        self.written = 0
        """Bytes of text."""

    @property
    def output(self) -> int:
        """Tokens written so far."""
        if self.is_final:
            return self.usage.output
        return max(self.usage.output, self.written // BYTES_PER_TOKEN)
