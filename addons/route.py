"""Routes Claude Code's requests to the providers that a profile names.

Run as follows: mitmdump -s addons/route.py

The way of a request: `doors` admits it, `exchange` reads it and plans who is asked, `failover` sends
the attempts, and `reply` brings the answer back.
"""

from __future__ import annotations

import logging
import os
import time
import weakref
from pathlib import Path
from typing import Any
from typing import NamedTuple

from mitmproxy import addonmanager
from mitmproxy import command
from mitmproxy import connection
from mitmproxy import ctx
from mitmproxy import exceptions
from mitmproxy import http
from mitmproxy import optmanager
from mitmproxy.proxy import server_hooks

import announcement
import breaker
import clients
import credentials
import doors
import exchange
import failover
import pages
import profiles
import reload
import rotation

logger = logging.getLogger(__name__)

PROFILES = Path(__file__).resolve().parent.parent / "profiles"

DEFAULTS: dict[str, Any] = {
    # An eager connection would be made before a request is routed, to where it need not go.
    "connection_strategy": "lazy",
    # The certificate of an intercepted host is made without asking that host.
    "upstream_cert": False,
}
"""What mitmproxy is told unless the user tells it otherwise."""


class Route:
    """Puts a profile in force, and every request under it. Implements `failover.Policy`."""

    def __init__(self) -> None:
        self.state: exchange.State | None = None
        self.doors = doors.Doors()
        self.watch: reload.Watch | None = None
        self.intercepts: list[str] = []
        self.uninstall = failover.install(self)
        self.admissions: weakref.WeakKeyDictionary[http.HTTPFlow, Admission] = (
            weakref.WeakKeyDictionary()
        )

    # The profile

    def load(self, loader: addonmanager.Loader) -> None:
        loader.add_option(
            "profile", str, "default", "How to route: a name in profiles/, or the path of a file."
        )
        for name, value in DEFAULTS.items():
            if not is_set_by_user(ctx.options, name):
                ctx.options.update(**{name: value})

    def configure(self, updated: set[str]) -> None:
        if "proxy_debug" in updated and ctx.options.proxy_debug:
            raise exceptions.OptionsError("proxy_debug would log credentials: it is refused here")
        if "stream_large_bodies" in updated and ctx.options.stream_large_bodies:
            raise exceptions.OptionsError(
                "stream_large_bodies is refused here: a request that was streamed can't be routed"
            )
        if "profile" in updated or self.state is None:
            try:
                self.put_in_force(self.read_profile())
            except ValueError as e:
                raise exceptions.OptionsError(str(e)) from e
            if self.watch:
                self.watch.stop()
                self.watch_files()
        if updated & {"profile", "mode", "listen_host"}:
            self.check_listeners()

    def read_profile(self) -> profiles.Profile:
        """Raises ValueError."""
        self.environ = profiles.environment(Path.cwd(), os.environ)
        return profiles.read(profiles.locate(ctx.options.profile, PROFILES), self.environ)

    def put_in_force(self, profile: profiles.Profile) -> None:
        how: dict[str, Any] = {
            "strategy": profile.pool.strategy,
            "cooldown": profile.pool.cooldown,
        }
        if self.state:
            pool = self.state.pool.reloaded(profile.pool.tokens, **how)
            breakers = self.state.breaker
        else:
            pool = rotation.Pool(profile.pool.tokens, clock=time.time, **how)
            breakers = breaker.Breaker(time.monotonic)
        self.state = exchange.State(profile, pool, breakers)
        self.doors.key = self.environ.get("PROXY_STATIC_TOKEN") or None
        self.doors.is_open = profile.open
        self.doors.provider_addresses = frozenset(
            (provider.host, provider.port) for provider in profile.providers.values()
        )
        self.intercept(profile)
        for warning in profile.warnings:
            logger.warning(warning)

    def intercept(self, profile: profiles.Profile) -> None:
        """Has mitmproxy open the TLS of the profile's hosts only, unless the user chose hosts."""
        if self.intercepts == ctx.options.allow_hosts and not ctx.options.ignore_hosts:
            self.intercepts = doors.allow_hosts(profile.intercept, ctx.options.mode)
            ctx.options.update(allow_hosts=self.intercepts)

    def check_listeners(self) -> None:
        modes = ctx.options.mode
        if modes == ["regular"]:
            modes = doors.default_modes(ctx.options.listen_host, ctx.options.listen_port)
        try:
            clients.check_listeners(
                doors.listen_hosts(modes, ctx.options.listen_host),
                has_key=bool(self.doors.key),
                is_open=self.doors.is_open,
            )
        except ValueError as e:
            raise exceptions.OptionsError(str(e)) from e

    def running(self) -> None:
        if ctx.options.mode == ["regular"]:
            ctx.options.update(
                mode=doors.default_modes(ctx.options.listen_host, ctx.options.listen_port)
            )
        self.watch_files()
        assert self.state
        for line in announcement.lines(
            ctx.options.mode,
            ctx.options.listen_host,
            ctx.options.confdir,
            self.state.profile,
            self.state.pool,
            needs_key=bool(self.doors.key),
        ):
            logger.info(line)

    def watch_files(self) -> None:
        assert self.state
        self.watch = reload.Watch([self.state.profile.path, Path(".env")], self.reload)
        self.watch.start()

    def reload(self) -> None:
        try:
            profile = self.read_profile()
            self.put_in_force(profile)
        except ValueError as e:
            logger.error(f"The profile in force stays as it was: {e}")
        else:
            logger.info(f"Profile {profile.name} has changed, and is in force")

    def done(self) -> None:
        self.uninstall()
        if self.watch:
            self.watch.stop()

    # Connections and tunnels

    def client_connected(self, client: connection.Client) -> None:
        self.doors.client_connected(client)

    def http_connect(self, flow: http.HTTPFlow) -> None:
        self.doors.http_connect(flow)

    async def server_connect(self, data: server_hooks.ServerConnectionHookData) -> None:
        await self.doors.server_connect(data)

    # Requests. The layer sends nothing that was not admitted here, so a hook that raises lets
    # nothing through.

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        headers = flow.request.headers
        key, mode = headers.get(clients.KEY_HEADER), headers.get(clients.MODE_HEADER)
        secrets = credentials.hide(headers)
        # A flow that is known already is a replay: its headers have held placeholders since.
        if flow not in self.admissions:
            flow.response = self.admit(flow, key, mode, secrets)
        admission = self.admissions.get(flow)
        if flow.response:
            headers.pop("expect", None)
        elif admission and not admission.ours and "upgrade" not in headers:
            # Neither read nor kept: a body that passes through may hold credentials.
            flow.request.stream = True

    def admit(
        self, flow: http.HTTPFlow, key: str | None, mode: str | None, secrets: credentials.Secrets
    ) -> http.Response | None:
        """Takes a request in, or says why not."""
        assert self.state
        request, profile = flow.request, self.state.profile
        reverse = doors.is_reverse(flow.client_conn)
        wanted = exchange.is_wanted(request)
        ours = wanted and (reverse or request.host.lower() in profile.intercept)
        try:
            presented, error = clients.presented(key, mode), ""
        except ValueError as e:
            presented, error = clients.presented(key, None), str(e)
        if not (reverse and pages.is_public(request)):
            if not self.doors.admits(flow, presented.key, ours=ours):
                return doors.refusal()
        if ours and error:
            return failover.error_response(400, error)
        if ours and doors.is_from_browser(request):
            return failover.error_response(403, "This proxy takes no requests from web pages")
        if ours and exchange.declared_size(request) > failover.MAX_BODY:
            return failover.too_large()
        rotates = (presented.mode or profile.pool.mode) == "rotate"
        self.admissions[flow] = Admission(ours, reverse, rotates, secrets)
        return None

    def request(self, flow: http.HTTPFlow) -> None:
        if flow.response or flow.error or not self.state:
            return
        admission = self.admissions.get(flow)
        if admission and admission.reverse:
            flow.response = pages.answer(flow.request, self.state.profile)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        admission = self.admissions.get(flow)
        if flow.response and flow.request.stream and admission and not admission.ours:
            flow.response.stream = True

    # What the layer asks

    def exchange(self, flow: http.HTTPFlow) -> failover.Exchange | http.Response | None:
        admission = self.admissions.get(flow)
        if admission is None or self.state is None:
            return failover.error_response(500, "The proxy could not admit this request")
        if not admission.ours:
            return None
        return exchange.Exchange(
            self.state,
            flow,
            secrets=admission.secrets,
            rotates=admission.rotates,
            to_anthropic=not admission.reverse,
        )

    def passthrough(self, flow: http.HTTPFlow) -> http.Request:
        admission = self.admissions.get(flow)
        request = flow.request.copy()
        for name in (clients.KEY_HEADER, clients.MODE_HEADER):
            request.headers.pop(name, None)
        credentials.reveal(request.headers, admission.secrets if admission else {})
        return request

    @command.command("pool.status")  # type: ignore[untyped-decorator]
    def pool_status(self) -> str:
        """The Claude tokens: state, wait, utilisation and sessions of each."""
        return announcement.pool_table(self.state.pool) if self.state else ""


class Admission(NamedTuple):
    """What was found out about a request when its headers came."""

    ours: bool
    """It asks for what we route; all else passes through as it is."""
    reverse: bool
    """It came to us, not through us."""
    rotates: bool
    """Pool tokens may answer it, not only the client's own credential."""
    secrets: credentials.Secrets


def is_set_by_user(options: optmanager.OptManager, name: str) -> bool:
    """Also when it was set to its default, which `has_changed` can't tell."""
    return options._options[name].value is not optmanager.unset


addons = [Route()]
