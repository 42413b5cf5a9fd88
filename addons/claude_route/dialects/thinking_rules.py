"""What providers require about thinking in either dialect, by their hosts and models.

From their documentation and their errors:

- https://api-docs.deepseek.com/guides/thinking_mode
- https://platform.moonshot.ai/docs/guide/use-kimi-k2-thinking-model
- https://docs.z.ai/guides/capabilities/thinking-mode
- https://www.alibabacloud.com/help/en/model-studio/deep-thinking
- https://openrouter.ai/docs/use-cases/reasoning-tokens
- https://docs.vllm.ai/en/latest/features/reasoning_outputs.html
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

from claude_route import targets

_DEEPSEEK = ("deepseek.com",)
_KIMI = ("moonshot.ai", "moonshot.cn", "kimi.com")
_MIMO = ("xiaomimimo.com",)
_GLM = ("z.ai", "bigmodel.cn")
_QWEN = ("aliyuncs.com", "siliconflow.cn", "siliconflow.com")
_OPENROUTER = ("openrouter.ai",)

_ALWAYS = re.compile(
    r"kimi-k3|kimi-k2\.7-code|kimi-k2-thinking|kimi-thinking|glm-5\.3|minimax-m|qwq|deepseek-r1"
    r"|deepseek-reasoner|.*-thinking(?:-|$)"
)
_SWITCHES = re.compile(
    r"deepseek-(?:chat-)?v(?:3\.[1-9]|[4-9])|kimi-k2\.|glm-(?:4\.[5-9]|[5-9])|qwen-?3"
)

_DISABLED = {"thinking": {"type": "disabled"}}
_NOT_ENABLED = {"enable_thinking": False}
_NO_REASONING = {"reasoning": {"enabled": False}}
# Chat templates name the same switch differently, and ignore names that they don't know.
_TEMPLATE = {"chat_template_kwargs": {"enable_thinking": False, "thinking": False}}


class Rules(NamedTuple):
    returned: bool = False
    """Whether it requires its thinking back with each call of a tool, if only as an empty block."""
    always: bool = False
    """Whether it always thinks, and refuses to be told not to."""
    unforced: bool = False
    """Whether it refuses to think where a tool must be called: `tool_choice` any or tool."""
    chat_switch: Mapping[str, Any] = {}
    """The fields that switch thinking off in Chat Completions; empty if none is known."""
    messages_switch: Mapping[str, Any] = {}
    """The fields that this requires in Messages besides `thinking: {type: disabled}`."""


def of(target: targets.Target) -> Rules:
    host = target.provider.host
    # OpenRouter and gateways put the vendor before a slash.
    model = target.model.rpartition("/")[2].lower()
    always = _ALWAYS.match(model) is not None
    if _is_at(host, _DEEPSEEK):
        return Rules(True, always, True, _DISABLED)
    if _is_at(host, _KIMI):
        return Rules(True, always, True, {} if always else _DISABLED)
    if _is_at(host, _MIMO):
        return Rules(True, always, False, _DISABLED)
    if _is_at(host, _GLM):
        return Rules(always=always, chat_switch={} if always else _DISABLED)
    if _is_at(host, _QWEN):
        return Rules(always=always, unforced=True, chat_switch={} if always else _NOT_ENABLED)
    if always or not _SWITCHES.match(model):
        return Rules(always=always)
    if _is_at(host, _OPENROUTER):
        return Rules(chat_switch=_NO_REASONING)
    if _is_local(host):
        return Rules(chat_switch=_TEMPLATE, messages_switch=_TEMPLATE)
    # Elsewhere a server may refuse a field that it doesn't know.
    return Rules()


def _is_at(host: str, domains: tuple[str, ...]) -> bool:
    return any(host == domain or host.endswith(f".{domain}") for domain in domains)


def _is_local(host: str) -> bool:
    """Whether a host is someone's own: there, servers such as vLLM, SGLang and llama.cpp run models."""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".lan"))
