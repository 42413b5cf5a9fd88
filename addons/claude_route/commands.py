"""Commands for mitmweb's command bar, the console and mitmproxy's API."""

from __future__ import annotations

import logging
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence

from mitmproxy import command
from mitmproxy import ctx
from mitmproxy import exceptions
from mitmproxy import flow
from mitmproxy.utils import human

from claude_route import announcement
from claude_route import explain
from claude_route.pages import mitmweb
from claude_route.profile import profiles
from claude_route.proxy import state
from claude_route.routing import pool_tokens
from claude_route.routing import rotation
from claude_route.watch import comparison
from claude_route.watch import labels
from claude_route.watch import readonly

logger = logging.getLogger(__name__)


class Commands:
    def __init__(self, state_in_force: Callable[[], state.State | None]) -> None:
        self.state_in_force = state_in_force

    @command.command("pool.status")  # type: ignore[untyped-decorator]
    def pool_status(self) -> Sequence[str]:
        """List the Claude tokens with their state, waiting time, utilisation and sessions."""
        return pool_table(self.pool())

    @command.command("pool.rest")  # type: ignore[untyped-decorator]
    def pool_rest(self, place: int, seconds: int) -> str:
        """Rest the token at this position for this many seconds. Never shortens a rest."""
        return self.by_hand(lambda pool: pool.rest(place, seconds), f"rests {seconds} s")

    @command.command("pool.wake")  # type: ignore[untyped-decorator]
    def pool_wake(self, place: int) -> str:
        """Make the token at this position available again, whether it was resting or disabled."""
        return self.by_hand(lambda pool: pool.wake(place), "is available again")

    @command.command("route.explain")  # type: ignore[untyped-decorator]
    def route_explain(self, model: str, client: str = "") -> Sequence[str]:
        """Say which targets the proxy would try for a model now, if this client of the profile asked."""
        now = self.in_force()
        try:
            who = now.profile.client(client) if client else None
        except ValueError as e:
            raise exceptions.CommandError(str(e)) from e
        text = explain.route(now.profile, now.pool, now.breaker, now.lessons, model, who)
        # mitmweb shows results as JSON: of a list each line can be told apart, of a text no line break.
        return text.splitlines()

    @command.command("route.compare")  # type: ignore[untyped-decorator]
    def route_compare(self, original: flow.Flow, models: Sequence[str]) -> Sequence[str]:
        """Send a request again, to each of these models of the profile, to compare their answers. It costs
        what their answers cost."""
        if readonly.is_on():
            raise exceptions.CommandError(readonly.REFUSAL.strip())
        profile = self.in_force().profile
        try:
            targets = [comparable(profile, model) for model in models]
            copies = comparison.copies(original, models)
        except ValueError as e:
            raise exceptions.CommandError(str(e)) from e
        view = ctx.master.addons.get("view")
        if view is not None:  # an empty one is false
            view.add(copies)
        ctx.master.commands.call("replay.client", copies)
        return [
            f"Asks {', '.join(targets)} the same, at what each answer costs; see the rows `compare`",
            *side_by_side(original, copies),
        ]

    def pool(self) -> rotation.Pool:
        return self.in_force().pool

    def by_hand(self, change: Callable[[rotation.Pool], pool_tokens.Token], what: str) -> str:
        """Change a token, and return its line of `pool.status`."""
        pool = self.pool()
        try:
            token = change(pool)
        except ValueError as e:
            raise exceptions.CommandError(str(e)) from e
        logger.info(f"{token.label} {what} (set by a user)")
        return pool_table(pool)[pool.tokens.index(token)]

    def in_force(self) -> state.State:
        if in_force := self.state_in_force():
            return in_force
        raise exceptions.CommandError("no profile is loaded")


def comparable(profile: profiles.Profile, model: str) -> str:
    """The target of a model that is to be asked.

    Raises:
        ValueError: nobody can be asked.
    """
    target = profile.target(model)
    if target is None:
        names = ", ".join(profile.models)
        raise ValueError(f"models: expected some of {names}, got {model!r}")
    if target.provider.missing:
        raise ValueError(f"models: {model!r} can't be asked: {target.provider.unset}")
    return str(target)


def side_by_side(original: flow.Flow, copies: Sequence[flow.Flow]) -> Iterator[str]:
    """In mitmweb, where the answers can be seen side by side."""
    if getattr(ctx.master, "app", None):
        session = labels.read(original.metadata).session or mitmweb.NO_SESSION
        turns = ",".join(copy.id for copy in copies)
        address = human.format_address((ctx.options.web_host, ctx.options.web_port))
        path = f"{mitmweb.session_path(session)}/{original.id}?with={turns}"
        yield f"Once they have answered, side by side: http://{address}{path}"


def pool_table(pool: rotation.Pool) -> list[str]:
    """A line for each token. Shows only the position and the last four characters of the token."""
    if not len(pool):
        return [f"The pool has {announcement.tokens(pool)}"]
    return [_row(row) for row in pool.status()]


def _row(row: pool_tokens.Row) -> str:
    parts = [f"{row.label} ({row.kind}): {row.state}"]
    if row.left:
        parts.append(f"for {row.left:.0f} s")
    parts += [f"{family} rests for {left:.0f} s" for family, left in row.families.items()]
    for window, used in (("5 h", row.five_hour), ("7 d", row.seven_day)):
        parts.append(f"{window} {'?' if used is None else f'{used:.0%}'}")
    parts.append(f"sessions {row.sessions}")
    parts.append(f"requests {row.requests}")
    if row.reason:
        parts.append(row.reason)
    return ", ".join(parts)
