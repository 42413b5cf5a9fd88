"""The APIs that LiteLLM's names of models mean: https://docs.litellm.ai/docs/providers"""

from __future__ import annotations

import re
from typing import NamedTuple


class Style(NamedTuple):
    """How LiteLLM calls the APIs of one dialect."""

    dialect: str
    ends: tuple[str, ...]
    """Endings of an api_base that a profile's base_url doesn't have."""
    auth: str | None = None
    """The profile's `auth` for a key; None if it is the default."""


# LiteLLM sends x-api-key to every provider of the Messages API.
MESSAGES = Style("anthropic", ("/messages", "/v1"), "x-api-key")
CHAT = Style("openai", ("/chat/completions",))


class Api(NamedTuple):
    """The API that a prefix of `litellm_params.model` means."""

    style: Style
    base_url: str | None
    variable: str | None = None
    """The environment variable with the key, for entries that set neither key nor base."""


PREFIXES = {
    "anthropic": Api(MESSAGES, "https://api.anthropic.com"),
    "openai": Api(CHAT, "https://api.openai.com/v1", "OPENAI_API_KEY"),
    "openrouter": Api(CHAT, "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    "cerebras": Api(CHAT, "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY"),
    "dashscope": Api(
        CHAT, "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "DASHSCOPE_API_KEY"
    ),
    "deepseek": Api(CHAT, "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    "fireworks_ai": Api(CHAT, "https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY"),
    "gemini": Api(
        CHAT, "https://generativelanguage.googleapis.com/v1beta/openai", "GEMINI_API_KEY"
    ),
    "groq": Api(CHAT, "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    "minimax": Api(CHAT, "https://api.minimax.io/v1", "MINIMAX_API_KEY"),
    "mistral": Api(CHAT, "https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    "moonshot": Api(CHAT, "https://api.moonshot.ai/v1", "MOONSHOT_API_KEY"),
    "nvidia_nim": Api(CHAT, "https://integrate.api.nvidia.com/v1", "NVIDIA_NIM_API_KEY"),
    "together_ai": Api(CHAT, "https://api.together.xyz/v1", "TOGETHERAI_API_KEY"),
    "xai": Api(CHAT, "https://api.x.ai/v1", "XAI_API_KEY"),
    "zai": Api(CHAT, "https://api.z.ai/api/paas/v4", "ZAI_API_KEY"),
    "hosted_vllm": Api(CHAT, None),
    "lm_studio": Api(CHAT, None),
    # LiteLLM calls Ollama's own API; the Messages API is at the same base.
    "ollama": Api(MESSAGES, "http://localhost:11434"),
    "ollama_chat": Api(MESSAGES, "http://localhost:11434"),
}


OTHER_USES = re.compile(
    r"(^|[-_/.])(embed(ding)?s?|rerank(er)?|whisper|tts|dall-e|moderations?|gpt-image|imagen|transcribe)"
    r"([-_/.]|$|\d)"
)
"""Models that don't answer messages."""

OTHER_MODES = (
    *("embedding", "rerank", "image_generation", "image_edit", "audio_speech"),
    *("audio_transcription", "moderation", "video_generation", "ocr", "realtime"),
)
"""The same, as `model_info.mode` says it."""

# A name without a prefix goes where LiteLLM's list of models has it. We know the families that no one
# else's names look like.
_FAMILIES = (
    (re.compile(r"claude|\*$"), "anthropic"),
    (re.compile(r"gpt-|chatgpt-|o\d|ft:|codex-|computer-use|davinci|babbage"), "openai"),
    (re.compile(r"gemini-"), "gemini"),
)


class NotTakenError(ValueError):
    """A deployment can't be taken; the others can."""


def api_of(model: str, named: str, *, has_base: bool) -> tuple[str, str]:
    """The prefix in PREFIXES that a deployment's model means, and the provider's own name for it.

    `named` is its `custom_llm_provider`; `has_base` is whether it says where to send requests.

    Raises:
        NotTakenError: we don't know its API.
    """
    if named:
        prefix, own = named, model.removeprefix(f"{named}/")
    elif "/" in model:
        prefix, _, own = model.partition("/")
    else:
        prefix, own = _family(model, has_base=has_base), model
    if prefix not in PREFIXES:
        prefixes = ", ".join(f"{prefix}/" for prefix in PREFIXES)
        raise NotTakenError(f"expected a model without a prefix or with one of {prefixes}")
    if OTHER_USES.search(own.lower()):
        raise NotTakenError("expected a model that answers messages")
    return prefix, own


def _family(model: str, *, has_base: bool) -> str:
    for names, prefix in _FAMILIES:
        if names.match(model):
            return prefix
    if has_base:  # the conversation goes where the config says
        return "openai"
    raise NotTakenError(f"expected the provider before the name, as in openai/{model}")
