"""Helpers for tests of access: connections of clients."""

from __future__ import annotations

from mitmproxy import connection
from mitmproxy.proxy import mode_specs
from mitmproxy.test import tflow

INSIDE = "127.0.0.1"
OUTSIDE = "203.0.113.5"


def client(came_in_on: str = INSIDE, mode: str = "regular") -> connection.Client:
    """A client's connection, by the address that it came in on: `INSIDE` is this machine's own."""
    made = tflow.tclient_conn()
    made.sockname = (came_in_on, 8080)
    made.proxy_mode = mode_specs.ProxyMode.parse(mode)
    return made
