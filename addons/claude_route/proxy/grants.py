"""Which targets may answer a request within the limits of its client: those of the model that it asks for, or
those of the model that the profile names for when its budget is spent."""

from __future__ import annotations

from typing import NamedTuple

from mitmproxy import http

from claude_route import targets
from claude_route.proxy import allowance
from claude_route.proxy import candidates
from claude_route.proxy import work


class Grant(NamedTuple):
    able: list[targets.Target]
    """Never empty."""
    rotates: bool
    """Whether pool tokens may be used."""
    instead: str = ""
    """Why another model is asked than the one that the client wants; empty if none is."""


async def ask(
    allowed: allowance.Allowance,
    others: candidates.Candidates,
    wanted: Grant,
    *,
    must: bool,
    is_heavy: bool,
) -> Grant | http.Response:
    """Reserve what an answer may use. The response is a refusal of both models. `must` is as `Allowance.ask`
    has it; `is_heavy`: the request takes long to weigh."""
    if is_heavy:
        await work.aside(allowed.weigh)
    refusal = await allowed.ask(wanted.able, must=must)
    if refusal is None:
        return wanted
    if allowed.other is None:
        return refusal
    try:
        able, rotates = others.find(allowed.other, is_granted=True)
    except (LookupError, PermissionError, ValueError):
        return refusal
    await allowed.ask_instead(able)
    return Grant(able, rotates, allowed.why)
