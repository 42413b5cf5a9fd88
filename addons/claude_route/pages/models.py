"""`GET /v1/models` and `/v1/models/NAME`: the profile's models in Anthropic's format.

https://platform.claude.com/docs/en/api/models-list. Claude Code's gateway discovery reads it too. It keeps
only ids that contain `claude` or `anthropic`, so others are listed a second time with a prefix.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple
from urllib.parse import unquote

from mitmproxy import http

from claude_route import responses
from claude_route import targets
from claude_route.access import clients
from claude_route.pages import content
from claude_route.profile import expansion
from claude_route.profile import profiles
from claude_route.proxy import state
from claude_route.text import quantities
from claude_route.wire import http_message

PATH = "/v1/models"

KEPT = re.compile("claude|anthropic", re.IGNORECASE)
"""Claude Code's filter for ids."""

MAX_DESCRIPTION = 100
"""Characters that Claude Code shows of a description."""

MAX_LIMIT = 1000


class Range(NamedTuple):
    """Which part of the list is asked for."""

    limit: int | None = None
    after: str | None = None
    before: str | None = None


def answer(in_force: state.State, viewer: clients.Client | None = None) -> content.Content:
    return content.json(page(entries(in_force), Range()))


def response(
    request: http.Request, in_force: state.State, client: clients.Client | None = None
) -> http.Response:
    """The part of the list, or the one model, that a request asks for. A client sees only those that it may
    ask for."""
    may_ask = client.may_ask if client else is_anyones
    try:
        if name := wanted(http_message.path(request)):
            if not may_ask(name):
                return responses.error(404, f"model: {name!r} is not in this proxy's profile")
            return responses.json(entry(name, in_force.profile))
        return responses.json(page(entries(in_force, may_ask), parse_range(request.query)))
    except ValueError as e:
        return responses.error(400, str(e))


def is_ours(path: str, profile: profiles.Profile) -> bool:
    """Whether a path is that of a model which Anthropic doesn't know. Anthropic says more about its own."""
    name = wanted(path)
    target = profile.target(name) if name else None
    return target is not None and not (target.provider.is_anthropic and target.model == name)


def wanted(path: str) -> str:
    """The name in a path such as `/v1/models/glm`; empty if it has none. SDKs encode a slash in it."""
    return unquote(path.removeprefix(f"{PATH}/")) if path.startswith(f"{PATH}/") else ""


def parse_range(query: Mapping[str, str]) -> Range:
    """Raises:
    ValueError: `<parameter>: expected <what>, got <repr>`.
    """
    limit = query.get("limit")
    if limit is not None and not (limit.isdecimal() and 1 <= int(limit[:9]) <= MAX_LIMIT):
        raise ValueError(f"limit: expected a number from 1 to {MAX_LIMIT}, got {limit!r}")
    return Range(int(limit) if limit else None, query.get("after_id"), query.get("before_id"))


def page(listed: Sequence[dict[str, Any]], part: Range) -> dict[str, Any]:
    """Raises:
    ValueError: the list has no such id.
    """
    ids = [str(each["id"]) for each in listed]
    for name, id in (("after_id", part.after), ("before_id", part.before)):
        if id is not None and id not in ids:
            raise ValueError(f"{name}: expected the id of a model in the list, got {id!r}")
    start = ids.index(part.after) + 1 if part.after is not None else 0
    stop = ids.index(part.before) if part.before is not None else len(ids)
    data = listed[start:stop]
    limit = len(data) if part.limit is None else part.limit
    has_more = len(data) > limit
    if has_more:
        # What comes before an id is counted from there.
        data = data[-limit:] if part.before is not None else data[:limit]
    return {
        "data": list(data),
        "has_more": has_more,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
    }


def is_anyones(name: str) -> bool:
    return True


def entries(
    in_force: state.State, may_ask: Callable[[str], bool] = is_anyones
) -> list[dict[str, Any]]:
    found = expansion.names(in_force.profile, in_force.served.models)
    names = [name for name in found if may_ask(name)]
    prefixed = [f"{targets.PREFIX}{name}" for name in names if not KEPT.search(name)]
    return [entry(name, in_force.profile) for name in (*names, *prefixed)]


def entry(name: str, profile: profiles.Profile) -> dict[str, Any]:
    target = profile.target(name)
    fields: dict[str, Any] = {
        "type": "model",
        "id": name,
        "display_name": display_name(name, target),
        "description": description(target) if target else "",
        "created_at": "1970-01-01T00:00:00Z",
    }
    if target and target.abilities.context:
        fields["max_input_tokens"] = target.abilities.context
    return fields


def display_name(name: str, target: targets.Target | None) -> str:
    if name.startswith(targets.PREFIX):
        return targets.unprefixed(name)  # in Claude Code's list the description says the rest
    return f"{name} ({target})" if target and target.model != name else name


def description(target: targets.Target) -> str:
    """`From gateway: zai/glm-5, 200k tokens`. Claude Code itself says `From gateway` where there is no
    description."""
    text = f"From gateway: {target}"
    if target.provider.missing:
        text += f", which can't be used: {target.provider.unset}"
    elif context := target.abilities.context:
        text += f", {quantities.short(context)} tokens"
    return text if len(text) <= MAX_DESCRIPTION else f"{text[: MAX_DESCRIPTION - 1]}…"
