"""Which parts of a request may be left out, and what providers call them.

A part is named as in a profile's `drop`: a field at the top of the request, `output_config.effort` for a
field of such an object, `cache_control` for all cache points, and `schemas.pattern` for a keyword in the
schemas of tools and of the answer.
"""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

type Choices = tuple[tuple[str, ...], ...]
"""Alternatives, each of which is left out as a whole."""

SCHEMAS = "schemas"
CACHE = "cache_control"
LIMITS = ("max_tokens", "max_completion_tokens")
"""What limits the length of an answer, and what OpenAI calls that for models that reason."""

ADAPTIVE = "thinking.adaptive"
"""Without this, a request has a budget for thinking in place of letting the model decide."""

LIMIT = "max_tokens="
"""How the name of a limit begins that is lower than what was asked for: `max_tokens=8192`."""

KEYWORDS = frozenset(
    {
        *("$anchor", "$comment", "$id", "$schema", "additionalProperties", "allOf", "anyOf"),
        *("const", "contains", "contentEncoding", "contentMediaType", "default", "dependencies"),
        *("dependentRequired", "dependentSchemas", "deprecated", "else", "enum", "example"),
        *("examples", "exclusiveMaximum", "exclusiveMinimum", "format", "if", "maxContains"),
        *("maxItems", "maxLength", "maxProperties", "maximum", "minContains", "minItems"),
        *("minLength", "minProperties", "minimum", "multipleOf", "not", "nullable", "oneOf"),
        *("pattern", "patternProperties", "prefixItems", "propertyNames", "readOnly"),
        *("then", "title", "unevaluatedItems", "unevaluatedProperties", "uniqueItems"),
        "writeOnly",
    }
)
"""The keywords without which a schema accepts more, and a tool can still be called."""

ESSENTIAL = ("type", "properties", "required", "items", "description", "$ref", "$defs")
"""Without these a model can't know how to call a tool."""

_EFFORT: Choices = (("reasoning_effort",), ("output_config.effort",), ("thinking",))
_THINKING: Choices = (("thinking",), ("reasoning_effort",), ("output_config.effort",))
_ADAPTIVE: Choices = ((ADAPTIVE,), *_THINKING)
_FORMAT: Choices = (("response_format",), ("output_config.format",), ("output_format",))
_STOP: Choices = (("stop",), ("stop_sequences",))
_USER: Choices = (("user",), ("metadata",))

_OF_ADAPTIVE = ("thinking", "thinking.type", ADAPTIVE)
"""The names of a value that may be `adaptive`."""

_BY_NAME: dict[str, Choices] = {
    **dict.fromkeys(("reasoning_effort", "reasoningEffort", "effort"), _EFFORT),
    **dict.fromkeys(("output_config.effort", "reasoning.effort", "reasoning"), _EFFORT),
    **dict.fromkeys(("thinking", "think", "thinking.type", "thinking.budget_tokens"), _THINKING),
    **dict.fromkeys((ADAPTIVE, "thinking.enabled", "thinking.disabled"), _THINKING),
    **dict.fromkeys(("response_format", "response_format.type", "responseFormat"), _FORMAT),
    **dict.fromkeys(("output_config.format", "output_format"), _FORMAT),
    "output_config": (("output_config",),),
    **dict.fromkeys(("stop", "stop_sequences"), _STOP),
    **dict.fromkeys(("user", "metadata", "metadata.user_id"), _USER),
    **dict.fromkeys(("tool_choice", "tool_choice.type", "toolChoice"), (("tool_choice",),)),
    **dict.fromkeys(("stream_options", "stream_options.include_usage"), (("stream_options",),)),
    **{
        name: ((name,),)
        for name in (
            *("temperature", "top_p", "top_k", "parallel_tool_calls", "service_tier", "store"),
            *("context_management", "inference_geo", "container", "mcp_servers"),
        )
    },
    CACHE: ((CACHE,),),
}
"""What a provider calls a part -> what of ours it may be. A gateway may translate the request first, and
then its provider's name differs from ours."""

# Between a list's index and the field, pydantic puts the type of the block.
_TAG = r"(?:(?:text|image|document|search_result|tool_use|tool_result|thinking|custom|function)\.)?"
_CACHE_POINT = re.compile(
    rf"(?:(?:system|tools|messages\.\d+\.content)\.\d+\.{_TAG}(?:content\.\d+\.{_TAG})?)?"
    r"cache_control(?:\.ephemeral)?(?P<ttl>\.ttl)?"
)
_SCHEMA = re.compile(
    r"(?:tools\.\d+\.(?:custom\.|function\.)?(?:input_schema|parameters)"
    r"|response_format\.json_schema\.schema|output_config\.format\.schema)"
    r"\.(?:(?P<before>.*)\.)?(?P<keyword>[\w$]+)"
)


class Parts(NamedTuple):
    """Parts of a request, sorted by where they are."""

    fields: frozenset[str]
    """Fields at the top."""
    nested: tuple[tuple[str, str], ...]
    """A field at the top that is an object, and a field in it."""
    keywords: frozenset[str]
    """Keywords in schemas."""
    cache: frozenset[str]
    """The fields of cache points; with `type`, the whole points."""


def choices(path: str, *, is_general: bool) -> Choices:
    """What a provider may mean that refuses the field at this path of the request; empty if nothing that
    can be left out. If not `is_general`, it refuses only the field's value.

    >>> choices("body.tools.0.function.parameters.properties.day.pattern", is_general=True)
    (('schemas.pattern',),)
    """
    path = re.sub(r"\.?\[([^\]]*)\]", r".\1", path).strip("`'\" ")
    path = re.sub(r"^(?:body|request|\$)\.", "", path)
    if path in _BY_NAME and (is_general or path != CACHE):
        known = _BY_NAME[path]
        return _ADAPTIVE if path in _OF_ADAPTIVE and not is_general else known
    if path.startswith(LIMIT):
        return (path,), LIMITS
    if path in LIMITS:
        # An unknown name has another; a limit that is too high has none.
        return ((path,),) if is_general else (LIMITS,)
    if not is_general:
        return ((path,),) if _is_keyword(path) else ()
    if point := _CACHE_POINT.fullmatch(path):
        return ((f"{CACHE}.ttl",), (CACHE,)) if point["ttl"] else ((CACHE,),)
    if _is_keyword(path):
        return ((path,),)
    place = _SCHEMA.fullmatch(path)
    if place is None or place["keyword"] not in KEYWORDS or _is_property(place["before"] or ""):
        return ()
    return ((f"{SCHEMAS}.{place['keyword']}",),)


def _is_keyword(path: str) -> bool:
    group, _, keyword = path.partition(".")
    return group == SCHEMAS and keyword in KEYWORDS


def _is_property(before: str) -> bool:
    """Whether what follows is a property's name: `properties.pattern` is no keyword."""
    return before.rpartition(".")[2] in ("properties", "$defs", "definitions")


@functools.lru_cache(maxsize=256)
def sort(names: tuple[str, ...]) -> Parts:
    """The parts that a profile's `drop` names."""
    paths = [name.partition(".")[::2] for name in names]
    return Parts(
        fields=frozenset(group for group, rest in paths if not rest and group != CACHE),
        nested=tuple(path for path in paths if path[1] and path[0] not in (SCHEMAS, CACHE)),
        keywords=frozenset(rest for group, rest in paths if rest and group == SCHEMAS),
        cache=frozenset(rest or "type" for group, rest in paths if group == CACHE),
    )
