"""A certificate authority for one run, and the server context that it vouches for."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from pathlib import Path

import trustme

NAMES = ("localhost", "api.anthropic.com", "provider.example", "127.0.0.1", "::1")


def context(folder: Path, protocols: Sequence[str]) -> ssl.SSLContext:
    """For a server that offers these ALPN protocols. Writes `folder`/ca.pem, for clients to trust."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*NAMES).configure_cert(made)
    made.set_alpn_protocols(list(protocols))
    return made
