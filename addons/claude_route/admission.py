"""Admission: decides which requests the proxy answers, passes through or refuses."""

from __future__ import annotations

import logging
import re
import time
import weakref
from collections.abc import Awaitable
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mitmproxy import connection
from mitmproxy import http

from claude_route import responses
from claude_route import settings
from claude_route import targets
from claude_route.access import admissions
from claude_route.access import clients
from claude_route.access import credentials
from claude_route.access import fronts
from claude_route.access import identity
from claude_route.access import keys
from claude_route.access import listeners
from claude_route.access import live_secrets
from claude_route.access import loops
from claude_route.access import paths
from claude_route.access import places
from claude_route.access import refusals
from claude_route.pages import asking
from claude_route.pages import browser
from claude_route.pages import table
from claude_route.profile import clients as profile_clients
from claude_route.profile import profiles
from claude_route.proxy import attempt
from claude_route.proxy import contract
from claude_route.proxy import exchange
from claude_route.proxy import state
from claude_route.wire import http_message

logger = logging.getLogger(__name__)

type Kind = Literal["routed", "passing", "absent", "unknown"] | table.Page
"""What a request asks for: `routed` is answered by a provider of the profile, `passing` is forwarded
unchanged to the host that it is for, `absent` is for Anthropic though the profile doesn't have it, a page
is one of our own, and nobody has what is `unknown`."""

NOTHING_HERE = (
    "This is claude-route, a proxy for Claude Code, and it has nothing at this path. It answers POST "
    "/v1/messages, and has pages such as /status. Set ANTHROPIC_BASE_URL to its address without a path"
)
NOT_ADMITTED = "The proxy did not admit this request; see its log"
NO_HOOKS = "The proxy's script is not loaded; see its log"
MISPLACED_KEY = "The proxy's own key stands in the address of this request: it is for a header"
ABSENT = "This proxy asks nothing of Anthropic: its profile has no provider named anthropic"

METHOD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""RFC 9110, 9.1: a token (5.6.2)."""


class Route:
    """Admits requests and directs the layer. Implements `contract.Policy`.

    The layer sends only requests admitted here, so if a hook raises, nothing gets through.
    """

    def __init__(
        self,
        in_force: settings.Settings,
        entry: listeners.Listeners,
        observer: contract.Observer,
        sources: asking.Sources,
    ) -> None:
        self.sources = sources
        self.in_force = in_force
        self.entry = entry
        self.observer = observer
        self.admissions: weakref.WeakKeyDictionary[http.HTTPFlow, admissions.Admission] = (
            weakref.WeakKeyDictionary()
        )
        self.hosts: weakref.WeakKeyDictionary[http.Request, str | None] = (
            weakref.WeakKeyDictionary()
        )
        """The Host headers that clients sent."""
        self.presented: weakref.WeakKeyDictionary[http.HTTPFlow, Sequence[clients.Key]] = (
            weakref.WeakKeyDictionary()
        )
        """The keys that requests present, right or wrong."""
        self.is_done = False

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        if not flow.live:  # loaded from a file
            return
        try:
            self.receive(flow)
        except Exception:
            # mitmproxy would go on, and show the credentials to people.
            logger.exception("Internal error while admitting a request")
            disarm(flow)
            flow.response = responses.error(500, NOT_ADMITTED)

    def receive(self, flow: http.HTTPFlow) -> None:
        # mitmproxy's own `proxyauth`, if it is in use, stores the password here.
        flow.metadata.pop("proxyauth", None)
        if listeners.is_reverse(flow.client_conn):
            receive(flow.request)
        headers = flow.request.headers
        # Before `hide` replaces the key with a placeholder.
        key, mode = headers.get(clients.KEY_HEADER), headers.get(clients.MODE_HEADER)
        password = clients.basic_password(headers.pop("proxy-authorization", None))
        presented: list[clients.Key] = []
        is_misplaced = False
        if self.entry.guard.needs_key:
            presented = keys.presented(headers, proxy_password=password)
            search = self.entry.search(flow.client_conn, presented)
            is_misplaced = search.take_out(flow.request)
        secrets = credentials.hide(headers, is_new=not flow.is_replay)
        if flow.is_replay:
            # Anyone who may replay a flow may also read all of them. Its headers contain
            # placeholders; we know their values only if this process saw the original request.
            logger.info(f"A user replayed {flow.request.method} {flow.request.path}")
        if is_misplaced:
            flow.response = responses.error(400, MISPLACED_KEY)
        elif flow not in self.admissions:
            self.presented[flow] = presented
            flow.response = self.admit(flow, key, mode, presented, secrets)
        admission = self.admissions.get(flow)
        if admission:
            whose = clients.whose(admission.client, flow.client_conn.peername)
            live_secrets.remember(keys.secrets(secrets.values()), whose)
            # The profile has only the hashes of named clients' keys.
            live_secrets.remember((key.secret for key in presented), whose)
        if flow.response:
            headers.pop("expect", None)
            responses.fit(flow.response, flow.request)
        elif admission and not admission.is_routed:
            # Don't read or keep the body of a request that passes through: it may contain
            # credentials.
            flow.request.stream = True

    def admit(
        self,
        flow: http.HTTPFlow,
        key: str | None,
        mode: str | None,
        presented_keys: Sequence[clients.Key],
        secrets: credentials.Secrets,
    ) -> http.Response | None:
        """Admit a request, or return the refusal."""
        assert self.in_force.state
        request, source, profile = flow.request, flow.client_conn, self.in_force.state.profile
        is_reverse = listeners.is_reverse(source)
        kind = classify(request, profile, is_reverse=is_reverse)
        try:
            presented, mode_error = clients.presented(key, mode), ""
        except ValueError as e:
            # An empty mode, so that an invalid one in the key header isn't parsed again.
            presented, mode_error = clients.presented(key, ""), str(e)
        if not (isinstance(kind, table.Page) and kind.has_html):
            # A browser sends it by itself, also where another site has made it send the request.
            presented_keys = [key for key in presented_keys if key.kind != "basic"]
        client = self.entry.client(source, presented_keys)
        if place := places.current.get(None):
            place.serves(clients.own_name(client) or None, time.monotonic())
        candidate = Candidate(
            request=request,
            source=source,
            client=client,
            mode_error=mode_error,
            host=self.hosts.get(request),
            is_replay=bool(flow.is_replay),
            key=presented_keys[0] if presented_keys else None,
            expired=self.entry.expired(source, presented_keys) if client is None else None,
        )
        if response := refusal(kind, candidate, self.entry):
            # Whoever shows no valid key, and any web page, could fill the ledger with refusals.
            if kind == "routed" and response.status_code not in (401, 403):
                self._reject(flow, client, response)
            return response
        if response := malformed(request, secrets):
            return response
        self.admissions[flow] = admissions.Admission(
            client=client,
            is_routed=kind == "routed",
            is_reverse=is_reverse,
            rotates=rotates(client, presented.mode, profile),
            secrets=secrets,
            origin=admissions.origin(request),
            login="own" if flow.is_replay else login(request, secrets),
        )
        return None

    def request(self, flow: http.HTTPFlow) -> Awaitable[None] | None:
        """A coroutine only where there is something to wait for: it would cost each request a task."""
        if not flow.live:
            return None
        # Trailers are optional, and mitmproxy can't forward them over HTTP/1; a credential in them
        # would be visible.
        flow.request.trailers = None
        if flow.response or flow.error or not self.in_force.state:
            return None
        admission = self.admissions.get(flow)
        in_force = self.in_force.state
        if admission and admission.is_reverse:
            if page := table.find(flow.request, in_force.profile):
                if table.is_later(page, http_message.path(flow.request)):
                    return self._answer_later(flow, page, admission, in_force)
                flow.response = table.answer(page, flow.request, in_force, admission.client)
        return None

    async def _answer_later(
        self,
        flow: http.HTTPFlow,
        page: table.Page,
        admission: admissions.Admission,
        in_force: state.State,
    ) -> None:
        # A request that isn't answered here would go on to the listener's own destination.
        flow.response = responses.error(500, "Internal error in the proxy; see its log")
        flow.response = await table.answer_later(
            page, flow.request, admission.client, in_force, self.sources
        )

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        admission = self.admissions.get(flow)
        if flow.response and flow.request.stream and admission and not admission.is_routed:
            flow.response.stream = True

    # Called by the layer (`contract.Policy`)

    def done(self) -> None:
        self.is_done = True

    def arrives(self, request: http.Request) -> http.Response | None:
        if self.is_done or self.in_force.state is None:
            return responses.error(500, NO_HOOKS)
        self.hosts[request] = request.host_header
        return None

    def opens(self, flow: http.HTTPFlow) -> bool:
        return not self.is_done and self.entry.has_opened(flow)

    def stands(self, flow: http.HTTPFlow) -> None:
        self.entry.stands(flow.client_conn, self.presented.get(flow, ()))

    def exchange(self, flow: http.HTTPFlow) -> contract.Exchange | http.Response | None:
        admission = self.admissions.get(flow)
        if admission is None or self.in_force.state is None:
            disarm(flow)
            return responses.error(500, NOT_ADMITTED)
        if not admission.is_routed:
            return None
        return exchange.Exchange(
            self.in_force.state, flow, admission, observer=self.observer, clock=time.time
        )

    def rejects(self, flow: http.HTTPFlow) -> None:
        admission = self.admissions.get(flow)
        if admission and admission.is_routed and flow.response:
            self._reject(flow, admission.client, flow.response)

    def _reject(
        self, flow: http.HTTPFlow, client: clients.Client | None, response: http.Response
    ) -> None:
        counts_tokens = http_message.path(flow.request) == paths.COUNT_TOKENS
        who = identity.read(flow.request.headers.fields)
        self.observer.rejected(contract.Rejected(flow, client, response, "", counts_tokens, who))

    def passthrough(self, flow: http.HTTPFlow) -> http.Request:
        admission = self.admissions.get(flow)
        request = flow.request.copy()
        request.headers.fields = fronts.passing(request.headers.fields)
        for name in (clients.KEY_HEADER, clients.MODE_HEADER, loops.HEADER):
            request.headers.pop(name, None)
        is_meant = admission is not None and admission.origin == admissions.origin(request)
        credentials.reveal(request.headers, admission.secrets if admission and is_meant else {})
        return request


def rotates(
    client: clients.Client | None, mode: targets.TokenMode | None, profile: profiles.Profile
) -> bool:
    """Whether a request may have a token of the pool. `mode` is what it asks for."""
    entry = clients.entry(client)
    own = entry.token_mode if entry else None
    # A client that the profile keeps from the pool can't ask for it.
    return own != "passthrough" and (mode or own or profile.pool.mode) == "rotate"


@dataclass(frozen=True)
class Candidate:
    """A request whose headers have arrived, with everything else that its admission depends on."""

    request: http.Request
    source: connection.Client
    client: clients.Client | None
    mode_error: str
    """What is wrong with its token mode; empty if nothing is."""
    host: str | None
    """The Host header that the client sent."""
    is_replay: bool
    """Whether a user replays it."""
    key: clients.Key | None = None
    """The key that the client presents, right or wrong."""
    expired: profile_clients.Client | None = None
    """Whose key it is, if it is no longer valid."""


def login(request: http.Request, secrets: credentials.Secrets) -> admissions.Login:
    """What a request has of a credential of the client's own. Its headers contain placeholders, and no
    key of ours."""
    values = [
        clients.bare(secrets.get(value, value).decode("utf-8", "surrogateescape"))
        for name, value in request.headers.fields
        if name.lower() in (b"authorization", b"x-api-key")
    ]
    if not any(values):
        return "none"
    return "own" if any(map(clients.is_login, values)) else "text"


def disarm(flow: http.HTTPFlow) -> None:
    """Take all that may be a credential out of a flow that was not admitted, without looking at it."""
    flow.request.headers.clear()
    flow.request.trailers = None
    flow.request.path = "/"
    flow.metadata.pop("proxyauth", None)


def receive(request: http.Request) -> None:
    """Reduce a request on the reverse listener to what its client means: without what a front added,
    and for an endpoint without the path that the client's base URL puts before it."""
    if not request.is_http2:
        # In absolute form it may name another host, which a server takes before the Host header.
        request.authority = ""
    endpoint = paths.endpoint(http_message.path(request)) if request.method == "POST" else None
    if endpoint:
        _, mark, query = request.path.partition("?")
        request.path = f"{endpoint}{mark}{query}"
    fields = request.headers.fields
    own = tuple(fronts.from_client(fields, is_routed=endpoint is not None))
    if own != fields:
        request.headers.fields = own


def classify(request: http.Request, profile: profiles.Profile, *, is_reverse: bool) -> Kind:
    """What a request asks for. `is_reverse`: it arrived on the reverse listener, so it is addressed to
    us. A request to another host is routed only if the profile intercepts that host."""
    if is_reverse and (page := table.find(request, profile)):
        return page
    is_ours = is_reverse or request.host.lower() in profile.intercept
    if not is_ours:
        return "passing"
    if attempt.is_wanted(request):
        return "routed"
    if is_reverse and not paths.is_anthropics(http_message.path(request)):
        return "unknown"
    return "passing" if profile.asks_anthropic else "absent"


def refusal(kind: Kind, candidate: Candidate, entry: listeners.Listeners) -> http.Response | None:
    """The refusal of a request; None if it is admitted.

    Security depends on the order of the checks. The key comes first, so that a client without one
    learns nothing else: not whether a model, a mode or a page exists. Next come requests that a web
    page could make an honest user's browser send, since that browser may run where no key is needed.
    Limits on cost come last, but still before any byte of the body is read.
    """
    match kind:
        case table.Page():
            return _page_refusal(kind, candidate, entry)
        case "routed":
            return _routed_refusal(candidate, entry)
        case "passing":
            return _client_refusal(candidate, entry, passes=True) or refusals.misdirected(
                candidate.request, candidate.source
            )
        case "absent":
            return _client_refusal(candidate, entry) or responses.error(404, ABSENT)
        case "unknown":
            return _client_refusal(candidate, entry) or responses.error(404, NOTHING_HERE)


def _page_refusal(
    page: table.Page, candidate: Candidate, entry: listeners.Listeners
) -> http.Response | None:
    # Health checks have no key, and learn only that the proxy is up. A user who replays a flow can
    # already see everything that our pages show.
    if page.is_public or candidate.is_replay:
        return None
    if response := _client_refusal(candidate, entry):
        is_file = http_message.path(candidate.request) in page.files
        return (
            browser.challenge(candidate.request, response, is_file) if page.has_html else response
        )
    # Without a key, only the host name distinguishes our own user from a foreign web page that reads
    # our pages.
    if not entry.answers_to(candidate.source, candidate.host):
        return responses.error(
            403, "Without a key, use an IP address or localhost to see this page"
        )
    return None


def _routed_refusal(candidate: Candidate, entry: listeners.Listeners) -> http.Response | None:
    # A routed request spends pool tokens and the providers' keys.
    if response := _client_refusal(candidate, entry):
        return response
    # A client that misspells `passthrough` must not get a token of the pool. Requests that pass
    # through don't use the mode.
    if candidate.mode_error:
        return responses.error(400, candidate.mode_error)
    # On loopback there may be no key, and any web page can post there. Claude Code sends none of the
    # headers that only browsers send. Replays are refused too: a user can remove the headers first.
    if listeners.is_from_browser(candidate.request):
        return responses.error(403, "This proxy refuses requests from web pages")
    # We hold the whole body in memory. Requests that pass through are streamed instead.
    if declared_size(candidate.request) > responses.MAX_BODY:
        return responses.too_large()
    return None


def malformed(request: http.Request, secrets: credentials.Secrets) -> http.Response | None:
    """The refusal of a request of which some servers would take a part for another header, or another
    request: mitmproxy takes a bare CR, a header that goes on in a second line, and any method."""
    if not METHOD.fullmatch(request.data.method):
        return responses.error(400, "the method must be a token of HTTP")
    real = http.Headers([*request.headers.fields, *secrets.items()])
    try:
        attempt.refuse_injection(request.data.path, real)
    except ValueError as e:
        return responses.error(400, str(e))
    return None


def declared_size(request: http.Request) -> int:
    """The length in the content-length header; 0 if there is none."""
    length = request.headers.get("content-length", "")
    # Python doesn't read a number of thousands of digits.
    return int(length.lstrip("0")[:20] or 0) if length.isascii() and length.isdigit() else 0


def _client_refusal(
    candidate: Candidate, entry: listeners.Listeners, *, passes: bool = False
) -> http.Response | None:
    # A user who replays a flow is logged in to mitmweb or the console, and the flow holds no key.
    if candidate.is_replay or entry.admits(candidate.source, candidate.client, passes=passes):
        return loops.refusal(candidate.request)
    return refusals.wrong_key(candidate.key, candidate.expired)
