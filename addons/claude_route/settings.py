"""What is in force: the profile, what requests share under it, and mitmproxy's own options."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
import time
from pathlib import Path
from typing import Any

from mitmproxy import addonmanager
from mitmproxy import ctx
from mitmproxy import optmanager

from claude_route import announcement
from claude_route import reload
from claude_route import startup
from claude_route.access import clients
from claude_route.access import listeners
from claude_route.pages import status
from claude_route.profile import profiles
from claude_route.proxy import exchange
from claude_route.routing import breaker
from claude_route.routing import rotation
from claude_route.routing import stats

logger = logging.getLogger(__name__)

PROFILES = Path(__file__).resolve().parents[2] / "profiles"

DEFAULTS: dict[str, Any] = {
    # An eager connection would be made before a request is routed, to where it need not go.
    "connection_strategy": "lazy",
    # The certificate of an intercepted host is made without asking that host.
    "upstream_cert": False,
}
"""What mitmproxy is told unless the user tells it otherwise."""


class Settings:
    """Reads the profile at start and whenever it changes. One that is wrong is reported, and the
    one before stays in force; without any, nothing is let through."""

    def __init__(self, entry: listeners.Doors) -> None:
        self.state: exchange.State | None = None
        self.entry = entry
        self._is_start = False
        self._is_running = False
        self._intercepted: list[str] = []
        """What we told mitmproxy to open; what the user tells it is left alone."""
        self._watch: reload.Watch | None = None

    def report(self) -> status.Status | None:
        return self.state.report() if self.state else None

    def load(self, loader: addonmanager.Loader) -> None:
        self._is_start = startup.is_under_way()
        loader.add_option(
            "profile", str, "default", "How to route: a name in profiles/, or the path of a file."
        )
        for name, value in DEFAULTS.items():
            if not is_set_by_user(ctx.options, name):
                ctx.options.update(**{name: value})

    def configure(self, updated: set[str]) -> None:
        try:
            self._refuse_options()
            if "profile" in updated:
                self._read()
                self._watch_files()
            if updated & {"mode", "profile"}:
                self._open_hosts()
            if updated & {"listen_host", "mode", "profile"}:
                self._check_listeners()
        except ValueError as e:
            if self._is_running or self._is_start:
                startup.refuse(str(e))
            # Raised from a script that loads again, it would be logged with a traceback.
            logger.error(str(e))

    def _refuse_options(self) -> None:
        if ctx.options.proxy_debug:
            raise ValueError("proxy_debug would log credentials: it is refused")
        if ctx.options.stream_large_bodies:
            raise ValueError("stream_large_bodies: a streamed request can't be routed: refused")

    def _read(self) -> None:
        environ = profiles.environment(Path.cwd(), os.environ)
        profile = profiles.read(profiles.locate(ctx.options.profile, PROFILES), environ)
        how: dict[str, Any] = {
            "strategy": profile.pool.strategy,
            "cooldown": profile.pool.cooldown,
        }
        if self.state:
            pool = self.state.pool.reloaded(profile.pool.tokens, **how)
            self.state = dataclasses.replace(self.state, profile=profile, pool=pool)
        else:
            pool = rotation.Pool(profile.pool.tokens, clock=time.time, **how)
            self.state = exchange.State(
                profile, pool, breaker.Breaker(time.monotonic), stats.Stats(time.time)
            )
        self.entry.key = environ.get("PROXY_STATIC_TOKEN") or None
        self.entry.is_open = profile.open
        self.entry.provider_addresses = frozenset(
            (provider.host, provider.port) for provider in profile.providers.values()
        )
        for warning in profile.warnings:
            logger.warning(warning)

    def _open_hosts(self) -> None:
        """Has mitmproxy open the TLS of the profile's hosts only."""
        if self.state and ctx.options.allow_hosts == self._intercepted:
            if not ctx.options.ignore_hosts:
                hosts = self.state.profile.intercept
                self._intercepted = listeners.allow_hosts(hosts, _modes())
                ctx.options.update(allow_hosts=self._intercepted)

    def _check_listeners(self) -> None:
        clients.check_listeners(
            listeners.listen_hosts(_modes(), ctx.options.listen_host),
            has_key=bool(self.entry.key),
            is_open=self.entry.is_open,
        )

    def running(self) -> None:
        self._is_running = True
        if self.state is None:
            return
        if ctx.options.mode != _modes():
            ctx.options.update(mode=_modes())
        self._watch_files()
        self._opening = asyncio.create_task(self._announce())

    async def _announce(self) -> None:
        """Tell how to come in, once the doors are open. One that isn't ends a start: somebody else
        would get what clients send there."""
        closed = await startup.closed_doors()
        if closed and self._is_start:
            startup.leave("\n".join(closed))
            return
        for name in ctx.options.deferred:
            logger.warning(f"--set {name}: no such option")
        assert self.state
        for line in announcement.lines(
            startup.modes(),
            ctx.options.listen_host,
            ctx.options.confdir,
            self.state.profile,
            self.state.pool,
            needs_key=bool(self.entry.key),
        ):
            logger.info(line)

    def _watch_files(self) -> None:
        if self._watch:
            self._watch.stop()
        if self.state and self._is_running:
            self._watch = reload.Watch([self.state.profile.path, Path(".env")], self._reload)
            self._watch.start()

    def _reload(self) -> None:
        try:
            self._read()
        except ValueError as e:
            logger.error(f"{e}; the profile before stays in force")
            return
        self._open_hosts()
        assert self.state
        logger.info(f"Profile {self.state.profile.name} has changed, and is in force")

    def done(self) -> None:
        if self._watch:
            self._watch.stop()


def _modes() -> list[str]:
    """The doors: ours, unless the user chose."""
    modes: list[str] = ctx.options.mode
    if modes == ["regular"]:
        return listeners.default_modes(ctx.options.listen_host, ctx.options.listen_port)
    return modes


def is_set_by_user(options: optmanager.OptManager, name: str) -> bool:
    """Also when it was set to its default, which `has_changed` can't tell."""
    return options._options[name].value is not optmanager.unset
