"""Finds the parameters that a provider refuses in its error message.

A name counts only in a sentence with which the message begins. Whatever else a message contains may be the
request's own words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from claude_route.dialects import parameters


class Name(NamedTuple):
    """What a provider calls the parameter that it refuses."""

    path: str
    is_general: bool
    """Whether it refuses the parameter whatever its value is, and whatever it is combined with."""


class _Sentence(NamedTuple):
    pattern: re.Pattern[str]
    is_general: bool
    paths: tuple[str, ...] = ()
    """The parameters, if the sentence names none."""


_NAME = r"[`'\"\[({]{0,2}(?P<name>[A-Za-z_$][\w$]*(?:(?:\.|\[|\.\[)[\w$]+\]?)*)[`'\"\])}]{0,2}"
_SECOND = _NAME.replace("name", "first")
_MODEL = r"(?:[Mm]odel )?\S+"

_GRAMMAR = ("schemas.pattern", "schemas.format")
"""The keywords that llama.cpp can't always compile."""

_CONDITION = re.compile(
    r"\b(?:when|while|with (?!this model|the model|model)|together|unless|if|in combination|alongside)\b"
)
"""Words after which a refusal is about a combination of parameters."""


def _sentence(text: str, *paths: str, is_general: bool = False) -> _Sentence:
    text = text.replace("<model>", _MODEL).replace("<first>", _SECOND).replace("<name>", _NAME)
    return _Sentence(re.compile(text, re.DOTALL), is_general, paths)


_SENTENCES = (
    *(
        _sentence(text, is_general=True)
        for text in (
            # OpenAI, Azure, Fireworks, and many after them
            r"(?:Unsupported|Unknown|Unrecognized|Unexpected)(?: request| keyword| body)?"
            r" (?:parameter|argument|field|key|property|option)(?:s|\(s\))?(?: supplied)?:? <name>",
            r"Extra inputs are not permitted, field: <name>",
            # Groq, Together, LM Studio
            "<name> (?:is|are) not (?:supported|allowed|permitted|available)",
            "(?:[Pp]roperty|[Pp]arameter|[Ff]ield|[Aa]rgument) <name> (?:is|are) (?:unsupported|not (?:supported|allowed|permitted))",
            # xAI, DeepSeek, LiteLLM
            "Argument not supported on this model: <name>",
            r"<model> does not support (?:the )?(?:parameter|argument|field)s?:? <name>",
            # Bedrock, and Claude's newer models by way of others
            r"#: extraneous key <name> is not permitted",
            "This model (?:doesn't|does not) support the <name> (?:field|parameter)",
            "<name> is deprecated for this model",
            # pydantic, serde, Go
            "<name>: Extra inputs are not permitted",
            r"\d+ validation errors? for [\w.\[\], ]+?\s+<name>\s+Extra inputs are not permitted",
            r"(?:\d+ validation errors?:\s+)?\[?\{'type': 'extra_forbidden', 'loc': \('body', <name>,?\)",
            "(?:json: )?unknown field <name>",
        )
    ),
    # Ollama, Gemini, OpenRouter
    _sentence(
        r"<model> does not support (?:thinking|reasoning)(?: effort)?\b",
        "thinking",
        is_general=True,
    ),
    _sentence(
        "(?:Unable to submit request because )?(?:[Tt]hinking|[Rr]easoning)(?: effort)? is not"
        " (?:supported|enabled|available)",
        "thinking",
        is_general=True,
    ),
    _sentence("Reasoning is mandatory for this endpoint", "thinking.disabled"),
    _sentence(
        r"[Rr]easoning[ _]effort [`'\"]\w+[`'\"] is (?:not supported|invalid)", "reasoning_effort"
    ),
    _sentence("[Aa]daptive thinking is not supported", parameters.ADAPTIVE),
    # llama.cpp, LM Studio: they compile the schemas, and don't name the keyword
    _sentence(r"(?:[\w ]+: )?failed to parse grammar\.?$", *_GRAMMAR, is_general=True),
    _sentence(
        r"(?:Unable to generate parser for this template\. )?(?:Automatic parser generation failed: )?"
        "JSON schema conversion failed",
        *_GRAMMAR,
        is_general=True,
    ),
    *(
        _sentence(text)
        for text in (
            # OpenAI
            r"Invalid (?:value for )?(?:parameter:? )?<name>(?::| of type|\.| ['\"`]|$)",
            "Unsupported value: <name> does not support",
            r"Function tools with <name> are not supported\b",
            "Invalid schema for <name> ",
            # SGLang
            r"(?:\d+ validation errors?:\s+)?\[?\{'type': '(?!missing)\w+', 'loc': \('body', <name>,?\)",
            # Go
            r"json: cannot unmarshal \w+ into Go (?:struct field|value) \w+\.<name> of type ",
            r"(?=\W{0,2}[a-z]+_)<name> [`'\"]?\w+[`'\"]? is not (?:supported|available)",
            # GitHub Copilot
            "<name> [\"'`][\\w-]+[\"'`] was provided, but model ",
            # Claude by way of others, Z.ai
            "<first> and <name> cannot (?:both be specified|be set simultaneously)",
            "<name> may only be set to",
            "<first> ?与 ?<name> ?不能同时设置",
            "<name> ?参数非法",
            "Invalid <name> parameter",
            # Groq, Moonshot, Ollama, DashScope, DeepSeek, OpenRouter
            "<name>:? (?:must be|should be) ",
            "<name>: (?:Input|[Ii]nvalid|[Mm]ust|[Ss]hould|[Ee]xpected|[Uu]nsupported|[Vv]alue|range)\\b",
            r"\d+ validation errors? for [\w.\[\], ]+?\s+<name>\s+Input should be ",
            "invalid <name>: only ",
            "invalid <name> value: ",
            "The <name> parameter does not support being set to",
            "<model> does not support this <name>$",
            "This <name> type is unavailable",
            "Failed to deserialize the JSON body into the target type: <name>: ",
            "No endpoints found that support the provided <name> value",
        )
    ),
)
"""How messages begin that refuse a parameter. The first that matches counts, so those about a parameter
that the provider doesn't have come first."""

_PREFIX = re.compile(
    r"(?:Error code: \d{3} - |litellm\.\w+: |\w+Exception - |\w*[Ee]rror: |<\d{3}> [\w.]+: |\(?HTTP/?[\d.]* \d{3}\)? "
    r"|Error from provider ?\([^()]*\): |(?:Bad|Invalid|bad|invalid) [Rr]equest: |The model returned the following errors: |Provider returned error: )*"
)

# Gemini lists all that it doesn't know, and where: a line for each.
_UNKNOWN = re.compile(
    r"^Invalid JSON payload received\. Unknown name \"(?P<name>[\w$]+)\"(?: at '(?P<at>[\w.\[\]]*)')?:"
    r" Cannot find field",
    re.MULTILINE,
)

# Groq names the message first, and OpenAI the place within the schema.
_AT_MESSAGE = re.compile(
    r"'messages\.\d+[\w.]*' : (?:for '[\w:]+' the following must be satisfied\[\('messages\.\d+[\w.]*' : )?"
    r"property '(?P<name>cache_control)' is unsupported"
)
_IN_SCHEMA = re.compile(
    r"Invalid schema for (?:response_format|function) '[\w-]*': In context=\((?:'[\w$-]*'(?:, )?|\d+(?:, )?)*\),"
    r" '(?P<name>[\w$]+)' is not permitted"
)

# How many tokens an answer may have. A limit for the request as a whole is for `dialects.overflow`.
_LIMIT = r"[`'\"]?max(?:_completion)?_tokens[`'\"]?"
_MOST = re.compile(
    rf"{_LIMIT}: \d+ > (\d{{1,15}}), which is the maximum"  # Anthropic, Bedrock
    rf"|Invalid {_LIMIT} value, the valid range of {_LIMIT} is \[\d+, ?(\d{{1,15}})\]"  # DeepSeek
    rf"|Range of {_LIMIT} should be \[\d+, ?(\d{{1,15}})\]"  # Alibaba
    rf"|{_LIMIT} is too large: \d+\. This model supports at most (\d{{1,15}})"  # OpenAI
    rf"|{_LIMIT} must be less than or equal to [`'\"]?(\d{{1,15}})"  # Groq
    rf"|(?:body\.)?{_LIMIT}: Input should be less than or equal to (\d{{1,15}})"  # pydantic
    r"|The maximum tokens you requested exceeds the model limit of (\d{1,15})"  # Bedrock
    r"|(?:Unable to submit request because )?it has a maxOutputTokens value of \d+ but the supported range is from"
    r" 1 \(inclusive\) to (\d{1,15}) \(exclusive\)"  # Vertex
)

_MAX_SENTENCE = 2000
"""How many characters of a message we match."""


def names(message: str) -> Iterator[Name]:
    """The parameters that a message refuses."""
    text = without_prefix(message)
    unknown = list(_UNKNOWN.finditer(text))
    if unknown and unknown[0].start() == 0:
        for line in unknown:
            yield Name(_path_of_google(line["at"] or "", line["name"]), True)
        return
    text = text[:_MAX_SENTENCE]
    if most := _MOST.match(text):
        yield Name(
            f"{parameters.LIMIT}{int(most[most.lastindex or 0]) - ('exclusive' in most[0])}", False
        )
        return
    if _AT_MESSAGE.match(text):
        yield Name("cache_control", True)
        return
    in_schema = _IN_SCHEMA.match(text)
    if in_schema and in_schema["name"] in parameters.KEYWORDS:
        yield Name(f"schemas.{in_schema['name']}", True)
        return
    for sentence in _SENTENCES:
        if match := sentence.pattern.match(text):
            is_general = sentence.is_general and not _CONDITION.search(text, match.end())
            for path in sentence.paths or (match["name"],):
                yield Name(path, is_general)
            return


def without_prefix(message: str) -> str:
    """A provider's message without what gateways and SDKs put before it."""
    return _PREFIX.sub("", message, count=1)


def _path_of_google(at: str, name: str) -> str:
    """The path of a field that Google's API doesn't know, in our terms: it translates Chat Completions to
    its own requests first."""
    if ".parameters" in at or "schema" in at.lower():
        return f"schemas.{name}"
    if at.startswith(("contents", "system_instruction")):
        return name if name == "cache_control" else f"{at}.{name}"
    return name
