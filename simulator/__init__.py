"""A small scriptable provider, for tests, demo and benchmarks.

It offers the Messages API as Anthropic does and, at any path that ends in
/chat/completions, OpenAI's Chat Completions. It refuses what they refuse, and fails on demand.
In a test:

    with Simulator() as sim:
        sim.script(answers.failure(429, headers=limits.rejected("5h", now=time.time())), Answer())
        ...  # two requests to sim.url: the first is refused, the second answered
        assert [request.credential for request in sim.wait_for(2)] == [...]

On a command line: `python -m simulator --port 9100 --log`. Another process scripts it with
`POST /_simulator/script` (`Script.load`), and reads the requests with `GET /_simulator/requests`.

What it says without a script is "You said: …", and what a prompt can make it do, tool calls for
instance, is in `conversation`. Whom it plays: Anthropic, or under `/provider/` (or with
`role="provider"`) a provider with an API like Anthropic's and signatures of its own.

A model's name asks for a fault, with `claude-` before it or not, in streams and whole answers:

    sim-429, sim-500, sim-…    that status; 429 with Anthropic's headers, resting 30 s
    sim-slow                   1 s before the headers, 0.2 s before each event
    sim-silent, sim-stall      no data at all; none after 5 events
    sim-reset, sim-close       the connection ends before the headers
    sim-cut                    … is reset after 5 events
    sim-cut-event              … is closed in the middle of the 6th
    sim-cut-character          … is closed within a multi-byte character
    sim-no-stop                the stream's last event is missing
    sim-error, sim-late-error  an error as the first event; as the 7th
    sim-html, sim-empty        a 502 page; an answer without content
    sim-noise, sim-crlf        comments, pings and unknown events; \\r\\n
    sim-drip                   byte by byte
    sim-gzip, -deflate, -br, -zstd
    sim-tool                   calls Bash with `echo sim`, once
    sim-redacted               thinking, redacted thinking, text
    sim-long                   some 900 deltas
"""

from __future__ import annotations

from simulator import answers as answers
from simulator import limits as limits
from simulator import ports as ports
from simulator.answers import Answer as Answer
from simulator.answers import RedactedThinking as RedactedThinking
from simulator.answers import ServerToolUse as ServerToolUse
from simulator.answers import Text as Text
from simulator.answers import Thinking as Thinking
from simulator.answers import ToolUse as ToolUse
from simulator.answers import WebSearchResult as WebSearchResult
from simulator.recorded import Recorded as Recorded
from simulator.server import Simulator as Simulator
