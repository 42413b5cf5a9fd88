"""Recognises each provider's message that a conversation is too long, and rewords it for Claude
Code.

After `prompt is too long` Claude Code compacts the conversation; after `input length and max_tokens
exceed context limit` it requests a shorter answer.
"""

from __future__ import annotations

import re

_SENTENCES = [
    re.compile(re.sub("<([a-z]+)>", r"(?P<\1>\\d[\\d,]*)", sentence), re.IGNORECASE)
    for sentence in (
        # OpenAI, and many after it
        "context length is <limit> tokens.*messages resulted in <input> tokens",
        r"context length is <limit> tokens.*requested (?:about )?<total> tokens \(.*?<output> in the (?:completion|output)",
        # vLLM
        "too large: <output>.*context length is <limit> tokens and your request has <input> input",
        "passed <input> input tokens and requested <output> output.*context length is only <limit>",
        # Gemini
        r"token count \(<input>\) exceeds the maximum number of tokens allowed \(<limit>",
        # xAI, Cerebras, Mistral, llama.cpp
        "maximum prompt length is <limit> but the request contains <input> tokens",
        "current length is <input> while limit is <limit>",
        "prompt contains <input> tokens.*model with <limit> maximum context length",
        "n_prompt_tokens: <input>, n_ctx: <limit>",
    )
]

_PHRASES = re.compile(
    "|".join(
        (
            "prompt is too long",
            "maximum (?:context|prompt) length",
            "context_length_exceeded",
            "contextwindowexceeded",
            "exceeds? the (?:available )?context",
            "exceed_context_size",
            "context length is only",
            "context window exceeds",
            "greater than the context length",
            "exceeded model token limit",
            "input token length too long",
            "input token count .*exceeds",
            "prompt exceeds max length",
            "range of input length should be",
            "but model only supports up to",
            "reduce the length of the (?:messages|input|prompt)",
        )
    ),
    re.IGNORECASE,
)

_ROOM = 5000
"""The fewest tokens of room for an answer that make it worth requesting a shorter one."""


def reworded(code: str, message: str) -> str | None:
    """The message in Claude Code's terms; None if the error is about something else."""
    if not _PHRASES.search(f"{code} {message}"):
        return None
    for sentence in _SENTENCES:
        if match := sentence.search(message):
            return _counted(
                **{key: int(n.replace(",", "")) for key, n in match.groupdict().items()}
            )
    return message if message.startswith("prompt is too long") else f"prompt is too long: {message}"


def _counted(limit: int, input: int = 0, output: int = 0, total: int = 0) -> str:
    input = input or total - output
    if input + _ROOM <= limit < input + output:
        return f"input length and `max_tokens` exceed context limit: {input} + {output} > {limit}"
    return f"prompt is too long: {input + output} tokens > {limit} maximum"
