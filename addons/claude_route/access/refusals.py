"""What clients are told that came to the wrong listener, or without the right key."""

from __future__ import annotations

import logging

from mitmproxy import connection
from mitmproxy import http

from claude_route import responses
from claude_route.access import addresses
from claude_route.access import clients
from claude_route.access import listener_modes
from claude_route.access import listeners
from claude_route.profile import clients as profile_clients

logger = logging.getLogger(__name__)


def no_tunnel(client: connection.Client) -> http.Response:
    """The answer to CONNECT on the reverse listener. Claude Code can't show its words, so the log says
    what is wrong. It gives up within seconds after 407, and after minutes for any other error."""
    port = client.sockname[1] if client.sockname else listener_modes.REVERSE_PORT
    logger.warning(
        f"A client has the reverse listener as HTTPS_PROXY: port {port} is for ANTHROPIC_BASE_URL. "
        f"HTTPS_PROXY needs the forward listener, whose port is {listener_modes.FORWARD_PORT} by default"
    )
    return http.Response.make(407, b"", {"connection": "close"})


def wrong_key(
    key: clients.Key | None, expired: profile_clients.Client | None = None
) -> http.Response:
    """The refusal of a request that presents this key, which is wrong, or none. `expired` is the client
    whose key it was."""
    if expired:
        # With 401 Claude Code runs its apiKeyHelper again, which may print another one.
        return responses.error(
            401,
            f"The key of {expired.name} for this proxy expired on {expired.expires}. Ask whoever runs the "
            "proxy for another",
        )
    problem = (
        "but this request presents none"
        if key is None
        else f"but the {_PLACES[key.kind]} is a different one"
    )
    return responses.error(
        401,
        f"This proxy requires its key, {problem}. Set ANTHROPIC_AUTH_TOKEN to KEY or, beside a login of "
        'your own, ANTHROPIC_CUSTOM_HEADERS to "x-litellm-api-key: KEY", or use KEY as the password in '
        "HTTPS_PROXY",
    )


_PLACES: dict[clients.KeyKind, str] = {
    "header": "one in x-litellm-api-key",
    "proxy password": "proxy password",
    # Not by the name of its header: for some errors that name it, Claude Code shows words of its own.
    "bearer": "credential in Authorization",
    "x-api-key": "API key",
    "basic": "password",
}


def misdirected(request: http.Request, source: connection.Client) -> http.Response | None:
    """The refusal of a request whose destination is the forward listener itself: its client has that
    address as a base URL. mitmproxy would answer 502, which clients repeat."""
    if listeners.is_reverse(source) or source.sockname is None:
        return None
    host, port = source.sockname[:2]
    is_here = request.host == host or (
        addresses.is_loopback(request.host) and addresses.is_loopback(host)
    )
    if request.port != port or not is_here:
        return None
    # Not 404, for which Claude Code shows words of its own about the model.
    return responses.error(
        421,
        f"Port {port} is this proxy's forward listener, for HTTPS_PROXY. ANTHROPIC_BASE_URL needs the "
        f"reverse listener, whose port is {listener_modes.REVERSE_PORT} by default",
    )
