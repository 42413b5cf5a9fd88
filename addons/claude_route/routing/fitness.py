"""Which targets can't take a request, as far as the profile knows their models beforehand."""

from __future__ import annotations

from claude_route import targets
from claude_route.dialects import capability
from claude_route.dialects import overflow
from claude_route.dialects.messages import contents
from claude_route.dialects.messages import requests

_CLASSES: dict[targets.Capability, str] = {
    "images": "image_block",
    "documents": "document_block",
    "effort": "effort_unsupported",
    "structured_outputs": "structured_outputs_unsupported",
}
"""What a model lacks -> the class that Claude Code knows."""


def takes_more(
    target: targets.Target, request: requests.Request, than: targets.Target, size: int
) -> bool:
    """Whether a target is known to have room for a conversation that is too long for another. `size` is
    how many tokens that one counted; 0 if it didn't say."""
    context = target.abilities.context or 0
    return context > max(than.abilities.context or 0, size or requests.estimate(request))


def has_limits(target: targets.Target) -> bool:
    """Whether there may be a request that the target can't take."""
    context, lacks = target.abilities
    return context is not None or bool(lacks)


def refusal(request: requests.Request, target: targets.Target) -> str:
    """What the client would get from a target that can't take the request; empty if it may take it.

    Claude Code then takes out what the model lacks, or compacts the conversation.
    """
    context, lacks = target.abilities
    if context is not None and requests.least(request) > context:
        return overflow.counted(requests.estimate(request), context)
    for name in lacks:
        if contents.has(request, name):
            words = f"{target} has no {name.replace('_', ' ')}, says the proxy's profile"
            return capability.rejected(_CLASSES[name], words)
    return ""
