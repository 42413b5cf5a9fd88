"""Where providers and models depart from Chat Completions.

A quirk of some models is a field of `Quirks`, which `of` sets by their name and host. A quirk that does
no harm elsewhere is a constant and applies to all: a gateway's host and model name don't show which
provider it calls. (For the same reason `dialects.errors` and `dialects.overflow` know the error messages
of all providers.)
"""

from __future__ import annotations

import re
from typing import Any
from typing import Literal
from typing import NamedTuple

from claude_route import targets
from claude_route.dialects import call_ids
from claude_route.dialects import parameters

_OPENAI = re.compile(r"(?:chatgpt-|gpt-\d|o\d)")
_REASONING = re.compile(r"(?:o\d|gpt-(?:[5-9]|\d\d))")
_TOOLS_WITHOUT_EFFORT = re.compile(r"gpt-5\.(?:[2-9]|\d\d)")
_XAI_EFFORT = re.compile(r"grok-(?:3-mini|4\.20-multi-agent|4\.[3-9](?!\d))")
_MISTRAL = re.compile(r"(?:mistral|ministral|magistral|codestral|devstral|pixtral)")

REFUSED_IN_SCHEMAS = ("$schema",)
"""Keys at the top of a tool's schema that Gemini refuses."""

CACHED_TOKENS = ("prompt_cache_hit_tokens", "cached_tokens")
"""The names of DeepSeek and Kimi for cached prompt tokens, which others report in
prompt_tokens_details."""

LEAST_SCHEMA: dict[str, Any] = {"type": "object", "properties": {}}
"""The minimum of a schema: OpenAI refuses an object without properties."""


class Quirks(NamedTuple):
    reasons: bool = False
    """An OpenAI reasoning model: it uses `developer` and max_completion_tokens, and refuses temperature,
    top_p and stop."""
    effort: bool = True
    """Whether it accepts reasoning_effort. OpenAI's older models refuse it, and Mistral refuses most of
    its values."""
    least: Literal["none", "minimal", "low"] = "low"
    """The lowest reasoning_effort that it accepts."""
    tools_with_effort: bool = True
    """Whether it accepts tools together with an effort other than `none`, in Chat Completions."""
    cache: Literal["no", "texts", "all"] = "no"
    """The parts that may be cache points: none, texts of the system prompt and of user messages, or
    tool results as well."""
    ids: Literal["any", "anthropic", "openai", "mistral"] = "any"
    in_turn: bool = False
    """Whether it requires an assistant message between tool results and a user message."""
    refused: tuple[str, ...] = ()
    """Fields that it refuses, whatever the model."""
    gemini: bool = False
    """Whether it requires the thought signature in its own tool calls, and the tool's name in results."""
    few_keywords: bool = False
    """Whether it refuses schemas with keywords that OpenAPI 3.0 doesn't have."""
    think_tags: bool = False
    """Whether its text may begin with its reasoning, in tags."""

    def caches(self, type: str) -> bool:
        """Whether a block of this type in a user's turn may be a cache point."""
        return self.cache == "all" or (self.cache == "texts" and type != "tool_result")

    @property
    def foreign_call(self) -> dict[str, Any] | None:
        """The extra_content for a call that another model made, as Google documents it for Gemini."""
        if not self.gemini:
            return None
        return {"google": {"thought_signature": "skip_thought_signature_validator"}}

    def call_id(self, id: str) -> str:
        """A tool call's id in a form that this model accepts."""
        own = call_ids.decode(id)
        # Whoever serves Claude: "String should match pattern '^[a-zA-Z0-9_-]+$'"
        if self.ids == "anthropic":
            return call_ids.short(own)
        # "must be a-z, A-Z, 0-9, with a length of 9"
        if self.ids == "mistral" and not (len(own) == 9 and own.isalnum() and own.isascii()):
            return call_ids.hashed(own, 9)
        # "string too long. Expected a string with maximum length 40"
        if self.ids == "openai" and len(own) > 40:
            return call_ids.hashed(own, 40)
        return own


def of(target: targets.Target) -> Quirks:
    return _of(target)._replace(cache=_cache(target))


def _of(target: targets.Target) -> Quirks:
    # OpenRouter and gateways put the vendor before a slash.
    model = target.model.rpartition("/")[2].lower()
    host = target.provider.host
    if host.endswith("mistral.ai"):
        refused = ("stream_options", "user")
        return Quirks(effort=False, ids="mistral", in_turn=True, refused=refused)
    if _MISTRAL.match(model):
        return Quirks(ids="mistral", in_turn=True)
    if _OPENAI.match(model):
        reasons = _REASONING.match(model) is not None
        # OpenRouter itself uses OpenAI's Responses API, which has no such limit.
        is_limited = _TOOLS_WITHOUT_EFFORT.match(model) and not _is_openrouter(target.provider)
        return Quirks(
            reasons=reasons,
            effort=reasons,
            least=_least(model),
            tools_with_effort=not is_limited,
            ids="openai",
        )
    if host.endswith("groq.com"):
        # Its Qwen models accept only `none` and `default`, its other models nothing.
        return Quirks(effort=model.startswith("gpt-oss"))
    if host == "x.ai" or host.endswith(".x.ai"):
        return Quirks(effort=_XAI_EFFORT.match(model) is not None)
    if "claude" in model:
        return Quirks(ids="anthropic")
    if model.startswith("minimax-m"):
        return Quirks(think_tags=True)
    gemini = model.startswith("gemini")
    return Quirks(gemini=gemini and host.endswith(".googleapis.com"), few_keywords=gemini)


def _cache(target: targets.Target) -> Literal["no", "texts", "all"]:
    """Which cache points reach a model that caches nothing without them.

    https://openrouter.ai/docs/features/prompt-caching
    """
    vendor = target.model.lower().rpartition("/")[0]
    if parameters.CACHE in target.provider.drop:
        return "no"
    if _is_openrouter(target.provider):
        return "all" if vendor in ("anthropic", "google", "qwen") else "no"
    # Other gateways may pass the parts of a tool's message on unchanged, which Claude refuses.
    return "texts" if vendor.endswith("anthropic") else "no"


def _is_openrouter(provider: targets.Provider) -> bool:
    return provider.host.endswith("openrouter.ai") or provider.name == "openrouter"


def _least(model: str) -> Literal["none", "minimal", "low"]:
    version = re.fullmatch(r"gpt-5(\.\d+)?(?:-(?!pro|codex|chat)[a-z]+)?(?:-\d[\d-]*)?", model)
    if version is None:
        return "low"
    return "none" if version[1] else "minimal"


def output_tokens(prompt: int, completion: int, total: int) -> int:
    """The output tokens. xAI and Gemini count thinking only in the total."""
    return max(completion, total - prompt) if prompt else completion
