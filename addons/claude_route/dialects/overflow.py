"""Recognises each provider's message that a conversation is too long, and rewords it for Claude
Code.

After `prompt is too long` Claude Code compacts the conversation; after `input length and max_tokens
exceed context limit` it requests a shorter answer.
"""

from __future__ import annotations

import re

from claude_route.dialects import echo

_SENTENCES = [
    re.compile(re.sub("<([a-z]+)>", r"(?P<\1>\\d[\\d,]{0,19})", sentence), re.IGNORECASE)
    for sentence in (
        # Anthropic, wrapped by a gateway
        "prompt is too long: <input> tokens > <limit> maximum",
        "input length and `max_tokens` exceed context limit: <input> \\+ <output> > <limit>",
        # OpenAI, and many after it
        "context length is <limit> tokens.*messages resulted in <input> tokens",
        "limit of <limit> tokens.*messages resulted in <input> tokens",
        r"context length is <limit> tokens.*requested (?:about )?<total> tokens \(.*?<output> in the (?:completion|output)",
        # vLLM
        "too large: <output>.*context length is <limit> tokens and your request has <input> input",
        "passed <input> input tokens and requested <output> output.*context length is only <limit>",
        "context length is <limit> tokens.*requested <output> output tokens.*prompt contains (?:at least )?<input>",
        "context length is <limit> tokens.*(?:request|prompt) (?:has|contains) (?:at least )?<input> input tokens",
        r"\(length <input>\) is longer than the maximum model length of <limit>",
        # SGLang
        r"input \(<input> tokens\) is longer than the model's context length \(<limit>",
        "context length of <limit> tokens.*?<input> tokens from the input messages and <output> tokens for the completion",
        # Gemini
        r"token count \(<input>\) exceeds the maximum number of tokens allowed \(<limit>",
        "token count is <input> but model only supports up to <limit>",
        # GitHub Copilot
        "token count of <input> exceeds the limit of <limit>",
        # Kimi
        r"exceeded model token limit:? <limit> \(requested:? <input>",
        # xAI, Cerebras, Mistral, llama.cpp
        "maximum prompt length is <limit> but the request contains <input> tokens",
        "current length is <input> while limit is <limit>",
        "prompt contains <input> tokens.*model with <limit> maximum context length",
        "n_prompt_tokens: <input>, n_ctx: <limit>",
        r"request \(<input> tokens\) exceeds the available context size \(<limit>",
        # LM Studio
        r"n_keep: <input>\s?>=\s?n_ctx: <limit>",
        "keep the first <input> tokens.*context length of only <limit>",
        # Text Generation Inference, and Together
        r"max_new_tokens`? must be <= <limit>\. given: <input> `?inputs`? tokens and <output>",
        r"inputs`? must have less than <limit> tokens\. given: <input>",
        # Fireworks, Poolside
        r"prompt is too long: <input>, model maximum context length: <limit>",
        "input length <input> exceeds the maximum allowed (?:input )?length (?:of )?<limit>",
        # SiliconFlow, Cloudflare, oMLX
        r"length of prompt_tokens \(<input>\) must be less than max_seq_len \(<limit>",
        r"input and maximum output tokens \(<total>\) exceeded this model context window limit \(<limit>",
        "too long: <input> tokens exceeds max context window of <limit>",
    )
]

_PHRASES = re.compile(
    "|".join(
        (
            "(?:prompt|input|conversation|request) (?:is )?too long",
            "maximum (?:context|prompt|model) (?:length|limit|size)",
            "context[_ ]length[_ ]exceeded",
            "context_?window_?exceeded",
            "exceeds? (?:the|this|its|your) (?:model's |maximum |available )*context",
            "exceeds? (?:the )?(?:limit of|maximum) [^.]{0,20}context",
            "exceed(?:s|ed)? (?:max(?:imum)? )?context",
            "exceed_context_size",
            "context (?:size|length|window|limit) (?:has been |is |was )?(?:exceed|overflow|reached)",
            "context length is only",
            "context window exceeds",
            "context overflow",
            "(?:greater|longer|larger) than the (?:maximum |model's )*(?:context|model) (?:length|size|window)",
            "length of prompt_tokens .*must be less than",
            "exceed(?:s|ed) (?:the|this) model context",
            "context shift is disabled",
            "too many tokens: size limit exceeded",
            "tokens_limit_reached",
            "exceeded model token limit",
            "model_max_prompt_tokens_exceeded",
            "prompt token count of .*exceeds",
            "input (?:token )?length too long",
            "input tokens? (?:count .*|length .*|limit )?exceed",
            "input length .*exceeds? the (?:maximum|context|model)",
            "exceeds? the max(?:imum)? (?:allowed )?(?:input|number of tokens|prompt)",
            "maximum (?:allowed )?number of input tokens",
            "too many (?:input|prompt) tokens|too many tokens in the (?:prompt|input|request)",
            "tokens in the prompt cannot exceed",
            "tokens exceeds? the model's max",
            "prompt exceeds (?:the )?(?:max|length|model)",
            "range of input length should be",
            "tokens in request more than max tokens allowed",
            "but model only supports up to",
            "too large for model with",
            "reduce the length of (?:the|your) (?:input )?(?:messages|input|prompt)",
            "inputs`? tokens \\+ `?max_new_tokens|inputs`? must have less than",
            "n_keep: .*n_ctx|when context the overflows",
            "max message tokens",
            "string_above_max_length.*messages",
            "(?:输入|上下文|消息|prompt|提示词).{0,8}(?:过长|超长|超出|超过)|超(?:出|过).{0,10}(?:上下文|输入长度|token)",
        )
    ),
    re.IGNORECASE,
)

_CODES = re.compile(r"\b1261\b")
"""Z.ai, whose text may be in Chinese."""

_TOO_LONG = "prompt is too long: "
_NUMBERED = re.compile(r"\b\d{1,15} tokens > \d{1,15} maximum")

_LONGEST = 4000
"""The characters of a message in which we look for numbers: some sentences are read again from each place where they
may begin."""

_ROOM = 5000
"""The fewest tokens of room for an answer that make it worth requesting a shorter one."""


def reworded(code: str, message: str) -> str | None:
    """The message in Claude Code's terms; None if the error is about something else."""
    if not (_CODES.search(code) or _PHRASES.search(f"{code} {echo.removed(message)}")):
        return None
    for sentence in _SENTENCES:
        if match := sentence.search(message[:_LONGEST]):
            return _counted(
                **{key: int(n.replace(",", "")) for key, n in match.groupdict().items()}
            )
    return message if message.startswith("prompt is too long") else _TOO_LONG + message


def counted(tokens: int, limit: int) -> str:
    """The message for a conversation that doesn't fit. After it, Claude Code drops as much as the numbers
    show."""
    return f"{_TOO_LONG}{max(tokens, limit + 1)} tokens > {limit} maximum"


def lacks_numbers(message: str) -> bool:
    """Whether a message says that a conversation is too long, but not by how much. Then Claude Code has to
    guess how much to drop, and asks several times."""
    return message.startswith(_TOO_LONG) and not _NUMBERED.search(message)


def size(message: str) -> int | None:
    """How many tokens a conversation has that a message in these terms is about: 0 if it doesn't say, None
    if it is about something else."""
    if not message.startswith(_TOO_LONG):
        return None
    numbers = _NUMBERED.search(message)
    return int(numbers[0].partition(" ")[0]) if numbers else 0


def _counted(limit: int, input: int = 0, output: int = 0, total: int = 0) -> str:
    input = input or total - output
    if input + _ROOM <= limit < input + output:
        return f"input length and `max_tokens` exceed context limit: {input} + {output} > {limit}"
    return f"{_TOO_LONG}{input + output} tokens > {limit} maximum"
