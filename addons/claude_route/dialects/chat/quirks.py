"""What a provider or a model wants, or says, otherwise than Chat Completions has it.

A quirk of one is a field of `Quirks`, given to it in `of` as far as its name and host show it. What one
wants and no other minds, and what one says that no other means otherwise, is a constant, for all of them:
a gateway's host and model name do not show who is behind it. (How each words its errors is in `errors`
and `overflow` of `dialects`, for the same reason.)
"""

from __future__ import annotations

import re
from typing import Any
from typing import Literal
from typing import NamedTuple

from claude_route import targets
from claude_route.dialects.chat import tool_names

_OPENAI = re.compile(r"(?:chatgpt-|gpt-\d|o\d)")
_REASONING = re.compile(r"(?:o\d|gpt-(?:[5-9]|\d\d))")
_MISTRAL = re.compile(r"(?:mistral|ministral|magistral|codestral|devstral|pixtral)")

REFUSED_IN_SCHEMAS = ("$schema",)
"""Keys at the top of a tool's schema that Gemini refuses."""

CACHED_TOKENS = ("prompt_cache_hit_tokens", "cached_tokens")
"""How DeepSeek and Kimi name the cached tokens of a prompt, which others count in its details."""

LEAST_SCHEMA: dict[str, Any] = {"type": "object", "properties": {}}
"""What a schema has at the least: OpenAI refuses an object without properties."""


class Quirks(NamedTuple):
    reasons: bool = False
    """An OpenAI reasoning model: `developer` and max_completion_tokens, and it refuses temperature,
    top_p and stop."""
    effort: bool = True
    """Takes reasoning_effort; OpenAI's older models refuse it, and Mistral most values of it."""
    least: Literal["none", "minimal", "low"] = "low"
    """The least reasoning_effort that it takes."""
    ids: Literal["any", "openai", "mistral"] = "any"
    in_turn: bool = False
    """Wants a word of the assistant's between the results of tools and what the user says."""
    refused: tuple[str, ...] = ()
    """Fields that it refuses, whatever the model."""
    gemini: bool = False
    """Refuses a tool call of its own without its thought signature, and a result without the name of
    its tool."""

    @property
    def foreign_call(self) -> dict[str, Any] | None:
        """The extra_content of a call that another model made, as Google documents it for Gemini."""
        if not self.gemini:
            return None
        return {"google": {"thought_signature": "skip_thought_signature_validator"}}

    def call_id(self, id: str) -> str:
        """A tool call's id as this model takes it."""
        own = tool_names.carried_off(id)
        # "must be a-z, A-Z, 0-9, with a length of 9"
        if self.ids == "mistral" and not (len(own) == 9 and own.isalnum() and own.isascii()):
            return tool_names.hashed(own, 9)
        # "string too long. Expected a string with maximum length 40"
        if self.ids == "openai" and len(own) > 40:
            return tool_names.hashed(own, 40)
        return own


def of(target: targets.Target) -> Quirks:
    # OpenRouter and gateways put the vendor before a slash.
    model = target.model.rpartition("/")[2].lower()
    if target.provider.host.endswith("mistral.ai"):
        refused = ("stream_options", "user")
        return Quirks(effort=False, ids="mistral", in_turn=True, refused=refused)
    if _MISTRAL.match(model):
        return Quirks(ids="mistral", in_turn=True)
    if _OPENAI.match(model):
        reasons = _REASONING.match(model) is not None
        return Quirks(reasons=reasons, effort=reasons, least=_least(model), ids="openai")
    google = target.provider.host.endswith(".googleapis.com")
    return Quirks(gemini=google and model.startswith("gemini"))


def _least(model: str) -> Literal["none", "minimal", "low"]:
    version = re.fullmatch(r"gpt-5(\.\d+)?(?:-mini|-nano)?(?:-\d[\d-]*)?", model)
    if version is None:
        return "low"
    return "none" if version[1] else "minimal"


def output_tokens(prompt: int, completion: int, total: int) -> int:
    """What was written: xAI and Gemini count what was thought in the total only."""
    return max(completion, total - prompt) if prompt else completion
