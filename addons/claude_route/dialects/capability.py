"""Recognises what a provider refuses in a request, and says so in the words that Claude Code knows.

After a 400 with `capability_rejected: <class>` Claude Code repairs its request: it takes an image or a
document out of the conversation, thinking blocks with refused signatures, the effort, the schema for the
answer, `cache_control`; or it changes the type of thinking. The classes, and their order where several
fit, are those of the contract for gateways that ships with the client. Two of them are missing here,
`mid_conv_system` and `beta_header:<value>`, because we send neither to providers other than Anthropic.
`dialects.overflow` has the words about length.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from claude_route.dialects import echo
from claude_route.dialects.messages import contents
from claude_route.dialects.messages import requests

PREFIX = "capability_rejected: "

IMAGE = ("image_block",)
DOCUMENT = ("document_block",)
MEDIA = ("image_block", "document_block")
"""Some content that isn't text: the request shows of which kind."""

_REFUSED = (
    r"(?:(?:is|are|was|were|be) ?(?:not|n't)|do(?:es)? ?(?:not|n't)|can ?not|can't|un|only|not(?: yet)?) ?"
    r"(?:currently |yet |be )?"
    r"(?:support|allow|permit|accept|enabled?\b|available|recogni[sz]|expected|known?\b|process|handle)"
)
"""`is not supported`, `doesn't support`, `unsupported`, `only supported by`, `cannot be processed`."""

_INVALID = rf"{_REFUSED}|invalid|unknown|extra inputs|must be (?:one of|either)|should be|additional propert"

_IMAGE = r"(?:\bimages?\b|\bimage_url\b|\binput_image\b|\bvision\b|\bvisual\b|\bmulti-?modal)"
_DOCUMENT = r"(?:\bpdfs?\b|\bdocuments?\b|[`'\"]file[`'\"]|\bfiles? (?:input|content|part|data|type)s?\b|\binput_file\b)"
_EFFORT = r"(?:\beffort\b|reasoning_effort|reasoningEffort|output_config(?!\.format))"
_FORMAT = (
    r"(?:output_config\.format|response_?format|json_schema|structured[ _]outputs?|guided_json)"
)


def _near(first: str, then: str, gap: int = 60) -> str:
    """Either before the other, in one sentence."""
    between = rf"[^.\n]{{0,{gap}}}?"
    return rf"(?:{first}){between}(?:{then})|(?:{then}){between}(?:{first})"


_CLASSES = tuple(
    (classes, re.compile(pattern, re.IGNORECASE))
    for classes, pattern in (
        (("cache_control_field",), _near("cache_control", _INVALID, 40)),
        (
            ("thinking_signature",),
            r"signature`? in `?thinking`? block|invalid data in `?redacted_thinking"
            r"|thinking\.signature\W{0,3}field required"
            r"|(?:thinking block|redacted_thinking).{0,80}(?:cannot be modified|invalid signature)"
            r"|(?:invalid|corrupt(?:ed)?) thought.?signature|thought.?signature is (?:not valid|invalid|corrupt)"
            r"|encrypted (?:content|reasoning).{0,60}could not be (?:verified|decrypted)",
        ),
        (
            ("thinking_type:adaptive",),
            r"unknown variant [`'\"]adaptive|tag [`'\"]adaptive[`'\"] found"
            r"|adaptive thinking is not supported|thinking\.type[^a-z]{1,8}adaptive.*not supported"
            r"|thinking(?:\.type)?\W{0,3} input should be [`'\"](?:enabled|disabled)[`'\"] or [`'\"](?:enabled|disabled)"
            r"|invalid thinking type[^a-z]{1,5}adaptive",
        ),
        (
            ("thinking_type:enabled",),
            r"thinking\.type[^a-z]{1,8}enabled.*not supported|unknown variant [`'\"]enabled[`'\"], expected",
        ),
        (("structured_outputs_unsupported",), _near(_FORMAT, _INVALID)),
        (
            ("effort_unsupported",),
            rf"{_near(_EFFORT, _INVALID)}"
            # Ollama
            r"|invalid (?:think|reasoning) value|think value .{0,20}not supported",
        ),
        (
            ("media_budget",),
            r"too much media|too many (?:images?|documents?|files|media)\b"
            r"|at most [1-9]\d* (?:images?|image\(s\)|documents?|files?)\b"
            r"|(?:number|count) of (?:images|documents|pages) .{0,30}exceed"
            r"|(?:supports?|exceed\w*|maximum of|limit of|up to) (?:up to |at most )?[1-9]\d* (?:images|documents)\b",
        ),
        # A schema's list of what it knows. `video_url` and the like would be our own mistake.
        (IMAGE, r"(?:variant|tag|type)[ :]{1,3}[`'\"](?:image|image_url|input_image)[`'\"]"),
        (DOCUMENT, r"(?:variant|tag|type)[ :]{1,3}[`'\"](?:document|file|input_file)[`'\"]"),
        # Images and documents that can't be read.
        (
            DOCUMENT,
            r"could not process pdf|pdf (?:specified )?(?:was|is) (?:not valid|invalid|password|encrypted|corrupt)"
            r"|pdf cannot be empty|\bpdf pages\b|invalid (?:pdf|document|file[ _]data)\b",
        ),
        (
            IMAGE,
            r"could not process (?:the )?(?:input )?image|unable to (?:process|decode|resize|read) (?:the )?(?:input )?image"
            r"|image (?:exceeds|dimensions?\b|length and width|size|file is empty|cannot be empty|does not match)"
            r"|(?:invalid|corrupt(?:ed)?|unsupported|malformed) (?:base64 )?(?:image|multimodal)"
            r"|failed to (?:load|decode|process|parse|open|read) (?:the )?image|cannot identify image"
            r"|does not represent a valid image|image is not valid|multimodal data is corrupted"
            r"|image_parse_error|invalid_image|image_too_(?:large|small)",
        ),
        # Content that the model doesn't take.
        (IMAGE, r"at most 0 images?(?:\(s\))?|missing data required for image input|not a (?:vlm|vision|multi-?modal)"),
        (IMAGE, r"endpoints? found that support image input|copilot-vision-request"),
        (DOCUMENT, r"endpoints? found that support (?:pdf|file|document)|at most 0 (?:documents?|files?)"),
        (DOCUMENT, _near(_DOCUMENT, _REFUSED, 40)),
        (IMAGE, _near(_IMAGE, _REFUSED, 40)),
        (
            MEDIA,
            r"content\S{0,8}\.type\b.{0,20}not one of the allowed"
            r"|content(?:\.str)?'?\W{0,3}(?:value )?(?:must|should) be a (?:valid )?string"
            r"|content field's type should be .?str\b|\.type: input should be .?text\b|only accepts (?:plain )?text\b"
            r"|only (?:text|plain text) (?:content|input|messages?)? ?(?:type )?(?:is|are)? ?(?:supported|allowed)"
            r"|(?:only supports?|supports only) (?:plain )?text\b|text-only (?:model|prompts?)"
            r"|(?:unsupported|unknown|unexpected|invalid)(?: item| message)? (?:content|part)\W{0,4}(?:\[\]\.)?(?:type|part)"
            r"|unexpected item type in content|unknown part type|content\.type\b.{0,40}\[.?text.?\]"
            r"|content blocks? (?:type )?(?:is |are )?(?:not supported|that you provided)|内容类型|不支持.{0,4}(?:图片|图像|多模态|文件)",
        ),
    )
)  # fmt: skip


def refused(status: int, message: str) -> tuple[str, ...]:
    """The classes that an error may mean, the likeliest first; none if it is about something else."""
    # 404: OpenRouter finds nobody who takes an image. 500 and 501: llama.cpp and Ollama.
    if status not in (400, 404, 415, 422, 500, 501):
        return ()
    words = echo.removed(message)
    fitting = (classes for classes, pattern in _CLASSES if pattern.search(words))
    names = tuple(dict.fromkeys(name for classes in fitting for name in classes))
    return tuple(name for name in names if name in MEDIA) if status >= 500 else names


def of_request(classes: Collection[str], request: requests.Request) -> str:
    """The class that an error about this request means; empty if it can't have been refused so."""
    if not classes:
        return ""
    has_image = contents.has(request, "images")
    has_document = contents.has(request, "documents")
    impossible = {
        "image_block": not has_image,
        "document_block": not has_document,
        "media_budget": not (has_image or has_document),
    }
    return next((name for name in classes if not impossible.get(name)), "")


def rejected(name: str, words: str) -> str:
    """The message for the client, which shows the words to the model."""
    return f"{PREFIX}{name} ({words})"
