"""One turn's summary: a request and its answer, in a few hundred bytes and a hash for each block.

It is made once, when the flow ends, and outlives the flow's bodies.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal
from typing import NamedTuple

import msgspec

from claude_route.dialects import usage

type Kind = Literal["main", "subagent", "title", "classifier", "compaction", "count", "other"]
"""What a request is for. `classifier`: whether a tool call may run (auto mode); `other`: what a client asks
beside its conversation, such as a probe of the quota or the summary of a web page."""

type Role = Literal["tools", "system", "user", "assistant"]
"""Where a block is in a request, in the order in which the prompt cache has them. A message with the role
`system` in the middle of a conversation is the user's."""

MESSAGES: tuple[Role, ...] = ("user", "assistant")
"""The roles of blocks in messages."""

MAX_TEXT = 200
"""Characters of a prompt, of an answer, and of a call's argument that a summary has."""


class Block(msgspec.Struct, frozen=True, gc=False):
    """A tool's definition, or a block of the system prompt or of a message. Equal blocks of a session
    are one object, however many turns have them."""

    digest: bytes
    """8 bytes: a hash of the role and the content without `cache_control`."""
    role: Role
    kind: str
    """The block's type: `text`, `tool_use`, `tool_result`, `thinking`, …; `tool` for a definition."""
    name: str = ""
    """The tool that is defined or called, or whose result it is."""
    label: str = ""
    """Its first words, or a call's first argument."""
    sources: tuple[tuple[str, int], ...] = ()
    """The parts that it is made of: a source (see `sources`) and about how many tokens it has."""
    call: str = ""
    """The id of the call or of the call that it answers."""
    is_error: bool = False
    """Whether a tool says that it failed."""

    @property
    def tokens(self) -> int:
        """About how many tokens it has."""
        return sum(tokens for _, tokens in self.sources)


class Call(NamedTuple):
    """A tool call in an answer."""

    id: str
    name: str
    brief: str = ""
    """Its first argument."""
    agent: str = ""
    """The name of the agent that it starts: its description, if it starts one."""
    agent_type: str = ""
    """`Explore`; empty if it doesn't name a type."""
    prompt: bytes = b""
    """A hash of the prompt that the agent gets: see `blocks.digest`."""

    @property
    def starts_agent(self) -> bool:
        return bool(self.prompt)


class Failed(NamedTuple):
    """An attempt that failed, and of which the client has seen nothing."""

    target: str
    """`zai/glm-5`"""
    why: str
    """`529 overloaded_error, rests 60 s`"""
    flow: str = ""
    """The id of its own flow; empty if it has none."""
    token: str = ""
    """The label of the pool's token; empty for any other credential."""
    then: str = ""
    """What came next: a token or a target; empty if nothing did."""
    at: float = 0.0
    """Unix seconds at which it began."""
    words: str = ""
    """What the provider itself said, perhaps of the operator's account; empty if it said nothing, or if `why` says
    enough."""


class PassedOver(NamedTuple):
    """A target or token before the one that answered, and why it was not tried."""

    target: str
    """`zai/glm-5` or `token 1 …wxyz`"""
    why: str


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    flow: str
    """The id of the client's flow."""
    session: str
    """Empty if the client gave none."""
    at: float
    """Unix seconds at which the request began."""
    client: str = ""
    """The name of the client whose key it has; empty if it has none."""
    agent: str = ""
    """Empty for the main agent."""
    parent: str = ""
    """The agent that started this one, if it is known; empty for the main agent."""
    kind: Kind = "other"
    model: str = ""
    """As the client named it."""
    target: str = ""
    """Who answered: `zai/glm-5`; empty if nobody did."""
    token: str = ""
    """The label of the pool's token; empty for any other credential."""
    prompt: str = ""
    """The user's last words without reminders; empty for a turn that only has results of tools."""
    results: tuple[str, ...] = ()
    """The tools whose results are new in the request."""
    text: str = ""
    """The first words of the answer's text."""
    calls: tuple[Call, ...] = ()
    """The tool calls in the answer."""
    stop: str = ""
    """stop_reason"""
    used: usage.Usage | None = None
    """None if nothing was reported."""
    cost: float | None = None
    """Dollars; None if no price is known."""
    first_byte: float | None = None
    """Seconds until the answer's headers came."""
    seconds: float = 0.0
    """Seconds until its end."""
    error: str = ""
    """Why there is no complete answer; empty if there is one."""
    failed: tuple[Failed, ...] = ()
    passed_over: tuple[PassedOver, ...] = ()
    blocks: tuple[Block, ...] = ()
    """All blocks on the wire: tools, system, messages."""
    answer: tuple[Block, ...] = ()
    """The blocks of the answer."""
    begins: bytes = b""
    """A hash of the first message's text, by which an agent is found in the call that started it."""
    launched: tuple[tuple[str, str], ...] = ()
    """The ids of calls, and of the agents that their results in this request say they started."""
    thread: str = ""
    """`create` or `continue` if Anthropic is to keep the conversation."""
    message: str = ""
    """The answer's id."""
    continues: str = ""
    """The id of the answer after which this request continues a thread; then its blocks are only those
    that follow."""
    ttl: int = 0
    """Seconds for which the request asks to cache its newest cached part; 0 if it asks for no cache."""
    cache_miss_reason: str = ""
    """Why Anthropic itself says that its cache missed."""
    words: bytes = b""
    """What can be searched for: see `search`."""
    size: int = 0
    """Bytes of the request's body."""
    check: str = ""
    """Who asks, for a classifier: `client` or `proxy`."""
    compares: str = ""
    """Only of a copy that was sent to compare models: the flow that it was made of. No client asked it."""

    @property
    def tokens(self) -> usage.Usage:
        return self.used or usage.NONE

    @property
    def is_free(self) -> bool:
        """Whether it failed and used nothing."""
        return bool(self.error) and self.tokens == usage.NONE

    @property
    def cache_share(self) -> float:
        """The share of the prompt that the cache had, from 0 to 1."""
        return self.tokens.cache_read / self.tokens.prompt if self.tokens.prompt else 0.0

    @property
    def chain(self) -> tuple[str, Kind]:
        """What the turns have in common that are compared with each other. A compaction continues the
        conversation that it sums up."""
        if self.kind == "compaction":
            return self.agent, "subagent" if self.agent else "main"
        return self.agent, self.kind


type Known = Mapping[bytes, Block]
"""The blocks of a session so far, by digest."""
