"""A turn that is still being answered, from what has come of it so far."""

from __future__ import annotations

from claude_route.access import identity
from claude_route.pages import asking
from claude_route.pages.sessions import bodies
from claude_route.sessions import summaries
from claude_route.sessions import tree
from claude_route.wire import rawjson


def entry(
    kept: asking.Kept, session: str, entries: tuple[tree.Entry, ...], now: float
) -> tree.Entry:
    """`entries` are the session's turns so far, `now` is in Unix seconds."""
    flow = kept.flow
    sender = identity.read(flow.request.headers.fields)
    request, answer = bodies.plain(flow.request), bodies.plain(flow.response)
    content_type = flow.response.headers.get("content-type", "") if flow.response else ""
    turn = summaries.make(
        summaries.Wire(
            flow=flow.id,
            at=flow.request.timestamp_start,
            request=request,
            answer=answer,
            is_stream=content_type.startswith("text/event-stream"),
            session=session,
            agent=sender.agent,
            parent=sender.parent_agent,
            model=_model(request),
            target=kept.target,
            seconds=max(0.0, now - flow.request.timestamp_start),
        )
    )
    before = next((each for each in reversed(entries) if each.turn.chain == turn.chain), None)
    earlier = before.conversation if before else ()
    return tree.Entry(
        turn,
        before.turn if before else None,
        turn.blocks,
        earlier,
        None,
    )


def unread(flow: str, at: float, session: str, now: float) -> tree.Entry:
    """Where nothing is kept of a request before it ends. `at` and `now` are in Unix seconds."""
    wire = summaries.Wire(flow=flow, at=at, session=session, seconds=max(0.0, now - at))
    return tree.Entry(summaries.make(wire), None, (), (), None)


def _model(request: bytes) -> str:
    try:
        fields = rawjson.decode_mended(request, dict)
    except ValueError:
        return ""
    return str(fields.get("model") or "")[:200]
