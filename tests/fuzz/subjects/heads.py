"""Heads of requests: whatever they hold, no key of ours is in the flow, or goes on to anybody.

An input is the listener and the target that answers, on one line; below it, the head as a client sends it.
"""

from __future__ import annotations

from mitmproxy import http
from mitmproxy.net.http import validate
from mitmproxy.net.http.http1 import read
from mitmproxy.proxy import mode_specs
from mitmproxy.test import tflow

from claude_route import admission
from claude_route import settings
from claude_route.access import credentials
from claude_route.access import fronts
from claude_route.access import guard
from claude_route.access import identity
from claude_route.access import listeners
from claude_route.proxy import attempt
from claude_route.proxy import contract
from claude_route.proxy import exchange
from claude_route.routing import failures
from tests.fuzz import surroundings
from tests.unit import states

KEY = "static-0123456789-tokn"
KEYS = (KEY, "static-next-456789-tokn")
DEAD = contract.Failure(failures.Kind.CONNECT, "Connect call failed")
MODES = {"forward": "regular", "reverse": "reverse:https://api.anthropic.com"}


def check(data: bytes) -> None:
    first, _, head = data.partition(b"\n")
    mode, name, *_ = [*first.decode("latin-1").split(), "", ""]
    request = parsed(head, name)
    if request is None:
        return
    flow = tflow.tflow(req=request)
    flow.client_conn.sockname = ("127.0.0.1", 4000)
    flow.client_conn.proxy_mode = mode_specs.ProxyMode.parse(MODES.get(mode, MODES["reverse"]))
    route = routes()
    route.arrives(request)
    route.requestheaders(flow)
    route.request(flow)
    check_flow(flow)
    if flow.response:
        return
    identity.read(flow.request.headers.fields)
    made = route.exchange(flow)
    if made is None:
        check_sent(route.passthrough(flow), "passing")
    elif isinstance(made, exchange.Exchange):
        check_routed(made)
    else:
        assert isinstance(made, http.Response)
        surroundings.error_of(made)


def parsed(head: bytes, model: str) -> http.Request | None:
    """The request as mitmproxy reads it; None if it reads none."""
    lines = [line.removesuffix(b"\r") for line in head.split(b"\n")]
    try:
        request = read.read_request_head([line for line in lines if line] or [b""])
        validate.validate_headers(request)
    except ValueError:
        return None
    if not request.host:
        request.data.host, request.data.port = "api.anthropic.com", 443
        request.data.scheme = b"https"
    request.data.content = b'{"model":"%b","messages":[]}' % (model or "m").encode()
    return request


def routes() -> admission.Route:
    entry = listeners.Listeners()
    entry.guard = guard.Guard(KEYS[0], next_key=KEYS[1])
    in_force = settings.Settings(entry)
    in_force.state = surroundings.fresh_state()
    return admission.Route(in_force, entry, contract.Observer(), states.sources())


def check_flow(flow: http.HTTPFlow) -> None:
    assert surroundings.OWN not in hidden(flow.request), "a secret in a flow"
    assert not any(key.encode() in whole(flow.request) for key in KEYS), "a key of ours in a flow"


def check_routed(made: exchange.Exchange) -> None:
    step = made.begin()
    turn = 0
    while not isinstance(step, http.Response):
        turn += 1
        assert turn < 50
        assert isinstance(step, attempt.Attempt)
        check_sent(step.request(step.address), step.shown.host)
        for secret in (*surroundings.POOL, surroundings.KEY):
            assert secret.encode() not in whole(step.shown), "a secret in a flow"
        for secret in (*KEYS, surroundings.OWN.decode()):
            assert secret.encode() not in hidden(step.shown), "a secret in a flow"
        step = made.failed(DEAD)
    made.closed(None)


def check_sent(request: http.Request, to: str) -> None:
    sent = whole(request)
    assert b"\r" not in sent and b"\0" not in sent
    assert not any(key.encode() in sent for key in KEYS), "a key of ours is sent on"
    is_anthropics = to in ("api.anthropic.com", "passing")
    if not is_anthropics:
        assert not any(secret.encode() in sent for secret in surroundings.POOL)
        assert surroundings.OWN not in hidden(request), "a credential goes to another provider"
    assert is_anthropics == (surroundings.KEY.encode() not in sent) or "none" in to
    if to != "passing":
        assert tuple(fronts.end_to_end(request.headers.fields)) == request.headers.fields


def hidden(request: http.Request) -> bytes:
    """The headers whose names are like those of credentials."""
    return b"\n".join(
        value for name, value in request.headers.fields if credentials.is_secret(name)
    )


def whole(request: http.Request) -> bytes:
    """All of a head, as one text."""
    fields = (b"%b: %b" % field for field in request.headers.fields)
    return b"\n".join((request.data.method, request.data.path, request.data.authority, *fields))
