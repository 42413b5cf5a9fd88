"""What a model wants otherwise than Chat Completions says, as far as its name and host tell."""

from __future__ import annotations

import re
from typing import Literal
from typing import NamedTuple

from claude_route.dialects.chat import tool_names
from claude_route.profile import profiles

_OPENAI = re.compile(r"(?:chatgpt-|gpt-\d|o\d)")
_REASONING = re.compile(r"(?:o\d|gpt-(?:[5-9]|\d\d))")
_MISTRAL = re.compile(r"(?:mistral|ministral|magistral|codestral|devstral|pixtral)")


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


def of(target: profiles.Target) -> Quirks:
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
