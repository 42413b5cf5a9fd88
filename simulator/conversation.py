"""What a conversation requests, in any dialect: text to repeat, or tools to call.

A prompt is a script for the assistant that the simulator plays. Each line with one of these is a
step. The steps are taken in order, one per answer, if the tool is offered:

    run: COMMAND             calls Bash
    read: PATH               calls Read
    call: NAME {"json": …}   calls that tool
    both: run: A, read: B    two or more calls in one answer

When all steps are done, the answer repeats the last results.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field

from simulator import answers

THOUGHT = (
    "The user wants an answer – a short one. I say what I was asked, naïvely and in full. 考え中."
)
PROMPT = 20_000
_REMINDER = re.compile(r"<system-reminder>.*?</system-reminder>", re.DOTALL)
_STEP = re.compile(r"(?:^|\s)(run|read|call|both):\s*(.+)")
_APART = re.compile(r",\s*(?=(?:run|read|call):)")


@dataclass
class Turn:
    """One or more messages of one side. A tool's result belongs to the user's side."""

    user: bool
    texts: list[str] = field(default_factory=list)
    calls: int = 0
    results: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Conversation:
    prompt: str
    """The user's last text, without the client's reminders."""
    rounds: int = 0
    """The number of tool calls since."""
    results: tuple[str, ...] = ()
    """The tools' results, if the conversation ends with them; images last."""


def merged(turns: Iterable[Turn]) -> list[Turn]:
    """Turns that alternate: adjacent turns of one side are merged."""
    whole: list[Turn] = []
    for turn in turns:
        if whole and whole[-1].user == turn.user:
            last = whole[-1]
            last.texts += turn.texts
            last.calls += turn.calls
            last.results += turn.results
            last.images += turn.images
        else:
            whole.append(turn)
    return whole


def read(turns: Sequence[Turn]) -> Conversation:
    rounds = 0
    prompt = ""
    for turn in reversed(turns):
        if turn.user and not turn.results:
            # What we search for is at the beginning, and a prompt may have megabytes.
            text = "\n".join([*turn.texts, *turn.images])[:PROMPT]
            prompt = _REMINDER.sub("", text).strip()
            break
        rounds += not turn.user and turn.calls > 0
    last = turns[-1] if turns else Turn(True)
    results = (*last.results, *last.images) if last.results else ()
    return Conversation(prompt, rounds, results)


def reply(conversation: Conversation, tools: frozenset[str]) -> tuple[answers.Block, ...]:
    """The answer's text or tool calls, without thinking."""
    steps = [
        calls
        for calls in _steps(conversation.prompt)
        if calls and tools.issuperset(call.name for call in calls)
    ]
    if conversation.rounds < len(steps):
        return steps[conversation.rounds]
    if conversation.results:
        return (_text("Result: " + "\n".join(conversation.results)[:2000]),)
    prompt = conversation.prompt
    return (_text("You said: " + (prompt[:200] + "…" if len(prompt) > 200 else prompt)),)


def _text(text: str) -> answers.Text:
    # JSON may contain a lone surrogate, which can't be encoded.
    return answers.Text(text.encode("utf-8", "replace").decode())


def _steps(prompt: str) -> list[tuple[answers.ToolUse, ...]]:
    found = (_STEP.search(line) for line in prompt.splitlines() if ":" in line)
    return [_calls(match[1], match[2].strip()) for match in found if match]


def _calls(verb: str, rest: str) -> tuple[answers.ToolUse, ...]:
    match verb:
        case "run":
            task = {"command": rest, "description": "Run what was asked for"}
            return (answers.ToolUse("Bash", task),)
        case "read":
            return (answers.ToolUse("Read", {"file_path": rest}),)
        case "call":
            name, _, arguments = rest.partition(" ")
            try:
                return (answers.ToolUse(name, json.loads(arguments or "{}")),)
            except ValueError:
                return ()
        case _:
            parts = (part.partition(":") for part in _APART.split(rest))
            return tuple(
                call for verb, _, rest in parts for call in _calls(verb.strip(), rest.strip())
            )
