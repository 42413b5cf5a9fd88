"""Who may have what: each request is admitted here, or goes nowhere."""

from __future__ import annotations

import logging
import weakref
from typing import NamedTuple

from mitmproxy import http

from claude_route import responses
from claude_route import settings
from claude_route.access import clients
from claude_route.access import credentials
from claude_route.access import listeners
from claude_route.pages import pages
from claude_route.pages import status_pages
from claude_route.proxy import attempt
from claude_route.proxy import contract
from claude_route.proxy import exchange

logger = logging.getLogger(__name__)


class Route:
    """Admits requests, and tells the layer what to do with each. Implements `contract.Policy`.

    The layer sends nothing that was not admitted here, so a hook that raises lets nothing through.
    """

    def __init__(self, in_force: settings.Settings, entry: listeners.Doors) -> None:
        self.in_force = in_force
        self.entry = entry
        self.admissions: weakref.WeakKeyDictionary[http.HTTPFlow, Admission] = (
            weakref.WeakKeyDictionary()
        )
        self.hosts: weakref.WeakKeyDictionary[http.Request, str | None] = (
            weakref.WeakKeyDictionary()
        )
        """What clients came to, by their own words."""

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        if not flow.live:  # it comes from a file
            return
        # Where mitmproxy's own `proxyauth` is in use, it leaves the password here.
        flow.metadata.pop("proxyauth", None)
        headers = flow.request.headers
        key, mode = headers.get(clients.KEY_HEADER), headers.get(clients.MODE_HEADER)
        password = clients.proxy_password(headers.pop("proxy-authorization", None))
        secrets = credentials.hide(headers, is_new=not flow.is_replay)
        if flow.is_replay:
            # Who may replay a flow may look at all of them. Its headers hold placeholders since it
            # was first seen; what they stood for is known only if that was in this process.
            logger.info(f"{flow.request.method} {flow.request.path} is replayed by a user")
        if flow not in self.admissions:
            flow.response = self.admit(flow, key, mode, password, secrets)
        admission = self.admissions.get(flow)
        if flow.response:
            headers.pop("expect", None)
            responses.fit(flow.response, flow.request)
        elif admission and not admission.ours and "upgrade" not in headers:
            # Neither read nor kept: a body that passes through may hold credentials.
            flow.request.stream = True

    def admit(
        self,
        flow: http.HTTPFlow,
        key: str | None,
        mode: str | None,
        password: str | None,
        secrets: credentials.Secrets,
    ) -> http.Response | None:
        """Takes a request in, or says why not."""
        assert self.in_force.state
        request, profile = flow.request, self.in_force.state.profile
        reverse = listeners.is_reverse(flow.client_conn)
        came_to_us = reverse or request.host.lower() in profile.intercept
        ours = came_to_us and attempt.is_wanted(request)
        try:
            presented, error = clients.presented(key, mode), ""
        except ValueError as e:
            # A mode that says nothing, so that the one beside the key is not read again.
            presented, error = clients.presented(key, ""), str(e)
        known = presented.key or password
        if reverse and status_pages.is_page(request):
            known = known or status_pages.presented_key(request, secrets)
        is_public = reverse and pages.is_public(request)
        if not (is_public or flow.is_replay or self.entry.admits(flow, known, ours=ours)):
            return status_pages.challenge(request, listeners.refusal())
        if ours and error:
            return responses.error(400, error)
        if ours and listeners.is_from_browser(request):
            return responses.error(403, "This proxy takes no requests from web pages")
        is_page = reverse and (status_pages.is_page(request) or pages.is_page(request))
        if is_page and not (
            is_public
            or flow.is_replay
            or self.entry.answers_to(flow.client_conn, self.hosts.get(request))
        ):
            return responses.error(
                403, "Without PROXY_STATIC_TOKEN, pages are shown under an IP address or localhost"
            )
        if ours and exchange.declared_size(request) > responses.MAX_BODY:
            return responses.too_large()
        rotates = (presented.mode or profile.pool.mode) == "rotate"
        self.admissions[flow] = Admission(ours, reverse, rotates, secrets, origin(request))
        return None

    def request(self, flow: http.HTTPFlow) -> None:
        if not flow.live:
            return
        # They may be left out, and mitmproxy can't pass them on to HTTP/1; a credential in them
        # would be seen.
        flow.request.trailers = None
        if flow.response or flow.error or not self.in_force.state:
            return
        admission = self.admissions.get(flow)
        if admission and admission.reverse:
            if status_pages.is_page(flow.request):
                flow.response = status_pages.answer(flow.request, self.in_force.report)
            else:
                flow.response = pages.answer(flow.request, self.in_force.state.profile)
            if flow.response:
                responses.fit(flow.response, flow.request)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        admission = self.admissions.get(flow)
        if flow.response and flow.request.stream and admission and not admission.ours:
            flow.response.stream = True

    # What the layer asks

    def arrives(self, request: http.Request) -> None:
        self.hosts[request] = request.host_header

    def exchange(self, flow: http.HTTPFlow) -> contract.Exchange | http.Response | None:
        admission = self.admissions.get(flow)
        if admission is None or self.in_force.state is None:
            return responses.error(500, "The proxy could not admit this request")
        if not admission.ours:
            return None
        return exchange.Exchange(
            self.in_force.state,
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
        is_meant = admission is not None and admission.origin == origin(request)
        credentials.reveal(request.headers, admission.secrets if admission and is_meant else {})
        return request


class Admission(NamedTuple):
    """What was found out about a request when its headers came."""

    ours: bool
    """It asks for what we route; all else passes through as it is."""
    reverse: bool
    """It came to us, not through us."""
    rotates: bool
    """Pool tokens may answer it, not only the client's own credential."""
    secrets: credentials.Secrets
    """The client's own, by their placeholders."""
    origin: tuple[str, str, int]
    """Where it was meant to go, and where alone these may go when it passes through."""


def origin(request: http.Request) -> tuple[str, str, int]:
    return request.scheme, request.host, request.port
