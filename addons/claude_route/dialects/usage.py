"""The tokens that an answer used, or that a stream has used so far."""

from __future__ import annotations

from typing import Any
from typing import NamedTuple

BYTES_PER_TOKEN = 4


class Usage(NamedTuple):
    """Numbers of tokens. `input` excludes those read from a cache or written to one."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    """For five minutes and for an hour."""
    cache_write_1h: int = 0
    """The part of cache_write that is cached for an hour."""

    @property
    def prompt(self) -> int:
        """All tokens of the prompt, cached or not."""
        return self.input + self.cache_read + self.cache_write


NONE = Usage()


def number(value: Any) -> int | None:
    """A number of tokens, as providers write it; None if it can't be one. A double can't represent all whole
    numbers from 2^53 on."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**53:
        return None
    return int(value)


class Meter:
    """Counts the tokens of a stream. Its rewriter updates it with each event.

    A stream reports its output tokens only at its end. Until then they are estimated from the size of
    its deltas, so that nearly all events need not be decoded. Signatures count too, standing in for
    thinking that isn't shown.
    """

    def __init__(self) -> None:
        self.usage = NONE
        """The part that the provider has reported so far."""
        self.is_final = False
        """Whether `usage` includes all output."""
        self.written = 0
        """Bytes of text."""

    @property
    def output(self) -> int:
        """Tokens written so far."""
        if self.is_final:
            return self.usage.output
        return max(self.usage.output, self.written // BYTES_PER_TOKEN)
