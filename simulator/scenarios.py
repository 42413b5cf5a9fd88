"""Answers that a model's name requests, so that faults can be tried from a command line."""

from __future__ import annotations

import re
import time

from simulator import answers
from simulator import limits

_STATUS = re.compile(r"[45]\d\d")
LONG = " ".join(f"{number} sheep," for number in range(1, 1001)) + " and I sleep."
SHELL = answers.ToolUse("Bash", {"command": "echo sim", "description": "Say so"})
SHOWN = answers.Thinking("Two thoughts: one is shown – “naïve” – and one is not.")

NAMED = {
    "slow": answers.Answer(head_delay=1.0, event_delay=0.2),
    "silent": answers.Answer(before_head="silence"),
    "reset": answers.Answer(before_head="reset"),
    "close": answers.Answer(before_head="close"),
    "cut": answers.Answer(cut_events=5, end="reset"),
    "cut-event": answers.Answer(cut_events=5, cut_bytes=30, end="close"),
    "cut-character": answers.Answer(
        content=(answers.Text("naïve café, 考え"),), cut_character=True, end="close"
    ),
    "stall": answers.Answer(cut_events=5, end="hang"),
    "no-stop": answers.Answer(drop=("message_stop", "[DONE]")),
    "error": answers.Answer(error_at=0),
    "late-error": answers.Answer(error_at=6, error="api_error"),
    "noise": answers.Answer(noise=("comment", "ping", "unknown")),
    "crlf": answers.Answer(crlf=True),
    "drip": answers.Answer(chunk_size=1),
    "gzip": answers.Answer(encoding="gzip"),
    "deflate": answers.Answer(encoding="deflate"),
    "br": answers.Answer(encoding="br"),
    "zstd": answers.Answer(encoding="zstd"),
    "html": answers.html(502),
    "empty": answers.Answer(content=()),
    "redacted": answers.Answer(
        content=(SHOWN, answers.RedactedThinking(), answers.Text("Both thoughts are signed."))
    ),
    "long": answers.Answer(content=(answers.Text(LONG),)),
}


def named(model: str, *, results: bool, now: float | None = None) -> answers.Answer | None:
    """The answer for `sim-NAME` or `claude-sim-NAME`; None for any other name.

    `results`: the conversation ends with a tool's result, so `sim-tool` calls no more.
    """
    name = model.removeprefix("claude-")
    if not name.startswith("sim-"):
        return None
    name = name.removeprefix("sim-")
    if name == "tool" and not results:
        return answers.Answer(content=(SHELL,))
    if name == "429":
        now = time.time() if now is None else now
        return answers.failure(429, headers=limits.rejected("5h", now=now, five_hour_in=30))
    if _STATUS.fullmatch(name):
        return answers.failure(int(name))
    return NAMED.get(name)
