"""Holds the end of an answer back until its calls are checked; see `dialects.messages.safeguards`."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence

from claude_route.dialects import usage
from claude_route.dialects.messages import safeguards
from claude_route.proxy import contract


class Held:
    """Implements `contract.Reply`, by that of the provider's answer."""

    def __init__(self, reply: contract.Reply) -> None:
        self._reply = reply
        self.response = reply.response
        self._parts: list[bytes] = []
        """What the client has got."""
        self._ending = b""
        """What it hasn't."""
        self._is_over = False
        self.unjudged: Sequence[safeguards.Call] | None = None
        """The calls of an answer that is complete, as long as its end waits for verdicts about them."""

    @property
    def started(self) -> bool:
        return self._reply.started

    @property
    def good(self) -> bool:
        return self._reply.good

    @property
    def failure(self) -> contract.Failure | None:
        return self._reply.failure

    @property
    def complete(self) -> bool:
        return self._reply.complete

    @property
    def usage(self) -> usage.Usage | None:
        return self._reply.usage

    @property
    def output(self) -> int:
        return self._reply.output

    @property
    def error(self) -> str:
        return self._reply.error

    @property
    def message_id(self) -> str:
        return self._reply.message_id

    def feed(self, data: bytes) -> bytes:
        return b"" if self._is_over else self._taken(self._reply.feed(data))

    def end(self) -> bytes:
        return b"" if self._is_over else self._taken(self._reply.end())

    def broken(self, why: str) -> bytes:
        return b"" if self._is_over else self._taken(self._reply.broken(why))

    def commit(self) -> None:
        self._reply.commit()

    def _taken(self, out: bytes) -> bytes:
        if not out:
            return b""
        if not self._reply.complete or self._reply.error:
            self._parts.append(out)
            return out
        self._is_over = True
        given, self._ending = safeguards.split(out)
        self._parts.append(out)
        self.unjudged = safeguards.calls(b"".join(self._parts))
        self._parts.clear()
        return given

    def judged(self, verdicts: Mapping[str, safeguards.Verdict] | None) -> bytes:
        self.unjudged = None
        made = safeguards.with_results(self._ending, verdicts)
        headers = self.response.headers
        if "content-length" in headers:
            grown = len(made) - len(self._ending)
            headers["content-length"] = str(int(headers["content-length"]) + grown)
        return made
