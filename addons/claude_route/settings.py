"""The settings in force: the profile, what requests share under it, and which clients may connect."""

from __future__ import annotations

import dataclasses
import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mitmproxy import addonmanager
from mitmproxy import ctx
from mitmproxy.utils import human

from claude_route import installation
from claude_route import options
from claude_route import reload
from claude_route.access import guard
from claude_route.access import listener_modes
from claude_route.access import listeners
from claude_route.access import live_secrets
from claude_route.access import loops
from claude_route.access import operator_secrets
from claude_route.profile import files
from claude_route.profile import profiles
from claude_route.proxy import gate
from claude_route.proxy import state
from claude_route.routing import breaker
from claude_route.routing import lessons
from claude_route.routing import rotation
from claude_route.routing import stats

logger = logging.getLogger(__name__)


class Settings:
    """Reads the profile at start and whenever it changes. Logs an invalid one and keeps the
    previous one. Without a profile, nothing passes."""

    def __init__(self, entry: listeners.Listeners, gates: gate.Gate | None = None) -> None:
        self.state: state.State | None = None
        self.entry = entry
        self._gate = gates or gate.Gate()
        self._is_start = False
        self._is_running = False
        self._intercepted: list[str] = []
        """The `allow_hosts` that we set. We don't change a value that the user set."""
        self._watch: reload.Watch | None = None

    def load(self, loader: addonmanager.Loader) -> None:
        self._is_start = options.is_start()
        loader.add_option(
            "profile", str, "default", "Profile to use: a name in profiles/, or a path."
        )
        loader.add_option(
            "reverse_port",
            int,
            listener_modes.REVERSE_PORT,
            "Port of the default reverse listener.",
        )
        for name, value in options.DEFAULTS.items():
            options.set_default(name, value)

    def configure(self, updated: set[str]) -> None:
        try:
            options.check()
            live_secrets.keep(options.secrets())
            if "profile" in updated:
                self._follow()
            elif self.state and updated & {"mode", "listen_host", "listen_port"}:
                self._check_loops(self.state.profile)
            if updated & {"mode", "profile"}:
                self._open_hosts()
            if updated & {"listen_host", "mode", "profile"}:
                hosts = listener_modes.listen_hosts(options.modes(), ctx.options.listen_host)
                keyless = listener_modes.keyless(options.modes(), ctx.options.listen_host)
                if not self.entry.guard.is_closed:
                    for warning in self.entry.guard.check_keyless(keyless):
                        logger.warning(warning)
                    self.entry.guard.check_listeners(hosts)
        except ValueError as e:
            if self._is_running or self._is_start:
                options.refuse(str(e))
            # If a script that is loaded again raised this, mitmproxy would log a traceback.
            logger.error(str(e))

    def _follow(self) -> None:
        """Read the profile that the options name, and again whenever it changes.

        Raises:
            ValueError: as `_read`.
        """
        path = files.locate(ctx.options.profile, installation.PROFILES)
        # Before the files are read, or a change between the two would never be noticed.
        watch = reload.Watch([path, Path(".env")], self._reload)
        self._read()
        if self._watch:
            self._watch.stop()
        self._watch = watch
        if self._is_running:
            watch.start()

    def _read(self) -> None:
        """Raises:
        ValueError: the profile can't be read or is invalid; nothing has changed then.
        """
        environ = files.environment(Path.cwd(), os.environ)
        # Before the profile is read: what is wrong with it will be in the log.
        live_secrets.keep(operator_secrets.of_environment(environ))
        profile = profiles.read(files.locate(ctx.options.profile, installation.PROFILES), environ)
        live_secrets.keep(operator_secrets.of_profile(profile))
        self._check_loops(profile)
        self.state = next_state(self.state, profile, self._gate)
        guarded = guard_of(profile, environ)
        before = self.entry.last_guard
        if before.needs_key and not guarded.needs_key:
            # More likely a mistake than an intention, and it would open the proxy. But a client that
            # was taken out of the profile has lost its key.
            logger.warning(
                f"PROXY_STATIC_TOKEN is gone, from {Path('.env').absolute()} too: the previous key "
                "stays in force until the proxy starts again"
                if before.key or before.next_key
                else "The profile has no clients any more: nobody has a valid key until it has, or until "
                "the proxy starts again"
            )
            guarded = dataclasses.replace(
                guarded, key=before.key, next_key=before.next_key, is_locked=True
            )
        self.entry.put_in_force(guarded)
        for warning in profile.warnings:
            logger.warning(warning)

    def _check_loops(self, profile: profiles.Profile) -> None:
        host, port = ctx.options.listen_host, ctx.options.listen_port
        ours = listener_modes.listening(options.modes() if ctx.options.server else [], host, port)
        loops.check(profile.providers.values(), ours, profile.path)
        for address in listener_modes.upstream_proxies(ctx.options.mode):
            if loops.is_own(address, ours):
                raise ValueError(
                    "mode: expected another upstream proxy than this proxy's own listener, got "
                    f"{human.format_address(address)}"
                )

    def _open_hosts(self) -> None:
        """Make mitmproxy decrypt TLS only for the profile's hosts."""
        if self.state and ctx.options.allow_hosts == self._intercepted:
            if not ctx.options.ignore_hosts:
                hosts = self.state.profile.intercept
                self._intercepted = listener_modes.allow_hosts(hosts, options.modes())
                ctx.options.update(allow_hosts=self._intercepted)

    def running(self) -> None:
        self._is_running = True
        if self._watch:
            self._watch.start()

    def _reload(self) -> None:
        try:
            self._read()
        except (OSError, ValueError) as e:  # OSError: the working directory is gone
            logger.error(f"{e}; keeping the previous profile")
            return
        self._open_hosts()
        assert self.state
        logger.info(f"Reloaded profile {self.state.profile.name}")

    def done(self) -> None:
        if self._watch:
            self._watch.stop()


def next_state(
    before: state.State | None, profile: profiles.Profile, gates: gate.Gate
) -> state.State:
    """What requests share under a profile. Keeps what is known about tokens and targets."""
    how: dict[str, Any] = {
        "strategy": profile.pool.strategy,
        "cooldown": profile.pool.cooldown,
        "names": profile.pool.names,
    }
    if before:
        pool = before.pool.reloaded(profile.pool.tokens, **how)
        return dataclasses.replace(before, profile=profile, pool=pool)
    pool = rotation.Pool(profile.pool.tokens, clock=time.time, **how)
    return state.State(
        profile,
        pool,
        breaker.Breaker(time.monotonic),
        stats.Stats(time.time),
        lessons.Lessons(time.monotonic),
        gate=gates,
    )


def guard_of(profile: profiles.Profile, environ: Mapping[str, str]) -> guard.Guard:
    """The guard for a profile and an environment."""
    providers = profile.providers.values()
    return guard.Guard(
        key=environ.get(guard.KEYS[0]) or None,
        is_open=profile.open,
        provider_addresses=frozenset((provider.host, provider.port) for provider in providers),
        next_key=environ.get(guard.KEYS[1]) or None,
        named=tuple(profile.clients.values()),
    )
