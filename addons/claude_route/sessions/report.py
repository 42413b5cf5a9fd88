"""Sessions and turns as JSON values, for programs. Keys may be added, but never removed."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from claude_route.dialects import usage
from claude_route.sessions import search
from claude_route.sessions import tree
from claude_route.sessions import turns

MAIN = "main"


def listing(sessions: Iterable[tree.Session], version: int) -> dict[str, Any]:
    return {"sessions": [_about(session) for session in sessions], "version": version}


def whole(session: tree.Session) -> dict[str, Any]:
    """A session with its turns, in order of time, and apart from them the copies that were sent to compare
    models."""
    parents = _parents(session)
    return {
        **_about(session),
        "turns": [_turn(entry, parents) for entry in session.entries],
        "copies": [_turn(copy, parents) for copy in session.copies],
        "agents_started": [
            {
                "id": agent.id,
                "name": agent.name,
                "type": agent.type,
                "call": agent.call,
                "parent": agent.parent or MAIN,
            }
            for agent in session.agents
        ],
    }


def find(words: str, sessions: Iterable[tree.Session]) -> list[search.Hit]:
    """The turns that have all these words in what was asked, answered, called or returned, the newest first
    in each session."""
    return search.find(words, (turn for each in sessions for turn in _newest_first(each)))


def _newest_first(session: tree.Session) -> list[turns.Turn]:
    every = [*session.turns, *(copy.turn for copy in session.copies)]
    return sorted(every, key=lambda turn: turn.at, reverse=True)


def hits(found: Iterable[search.Hit]) -> dict[str, Any]:
    return {"hits": [hit._asdict() for hit in found]}


def _about(session: tree.Session) -> dict[str, Any]:
    return {
        "id": session.id,
        "title": session.title,
        "started": session.started,
        "ended": session.ended,
        "running": session.running,
        "turns": len(session.entries),
        "agents": len(session.agents),
        "failed_attempts": session.failed_attempts,
        "tokens": _tokens(session.tokens),
        "cost": session.cost,
        "cache_share": round(session.cache_share, 4),
        "lost": session.lost,
        "saved": session.saved,
        "targets": session.targets,
        "kinds": dict(session.kinds),
        "clients": sorted({turn.client for turn in session.turns if turn.client}),
        "compared": {"number": len(session.copies), "cost": session.copies_cost},
    }


def _tokens(used: usage.Usage) -> dict[str, int]:
    """`input` is what was neither read from the cache nor written to it, as in Anthropic's usage."""
    return {
        "input": used.input,
        "output": used.output,
        "cache_read": used.cache_read,
        "cache_write": used.cache_write,
    }


def one(entry: tree.Entry, session: tree.Session) -> dict[str, Any]:
    return _turn(entry, _parents(session))


def _parents(session: tree.Session) -> dict[str, str]:
    """By the ids of agents."""
    return {agent.id: agent.parent or MAIN for agent in session.agents}


def _turn(entry: tree.Entry, parents: Mapping[str, str]) -> dict[str, Any]:
    turn, counts = entry.turn, entry.counts
    return {
        "flow": turn.flow,
        "at": turn.at,
        "client": turn.client or None,
        "agent": turn.agent or MAIN,
        "parent": parents.get(turn.agent),
        "kind": turn.kind,
        "prompt": turn.prompt,
        "results": turn.results,
        "text": turn.text,
        "calls": [
            {"id": call.id, "name": call.name, "brief": call.brief, "agent": call.agent}
            for call in turn.calls
        ],
        "stop": turn.stop,
        "model": turn.model,
        "target": turn.target,
        "token": turn.token,
        "tokens": _tokens(turn.tokens),
        "cost": turn.cost,
        "first_byte": turn.first_byte,
        "seconds": turn.seconds,
        "error": turn.error,
        "failed": [
            {
                "target": failed.target,
                "why": failed.why,
                "token": failed.token,
                "then": failed.then,
                "flow": failed.flow,
            }
            for failed in turn.failed
        ],
        "passed_over": [passed._asdict() for passed in turn.passed_over],
        "compares": turn.compares or None,
        "copies": [copy.turn.flow for copy in entry.copies],
        "new_blocks": counts.new,
        "unchanged_blocks": counts.unchanged,
        "removed_blocks": counts.removed,
        "cache_miss": entry.miss
        and {
            "cause": entry.miss.cause,
            "at": entry.miss.at,
            "cost": entry.miss.cost,
            "tokens": entry.miss.lost,
            "reason": entry.miss.reason,
        },
        "window": entry.window,
    }
