"""Has mitmproxy's own connections to upstreams trust what ours trust: the system's roots besides
certifi's, and those that SSL_CERT_FILE and SSL_CERT_DIR name.

Replaces: `mitmproxy.net.tls.create_proxy_server_context`.
Why: a company that reads what its proxy passes on signs it with a CA of its own. mitmproxy's options
name one CA in place of all others.
Upstream: https://github.com/mitmproxy/mitmproxy/issues/5741 asks for the roots of the system.
Remove when: mitmproxy trusts them.
"""

from __future__ import annotations

import functools
import logging
import ssl
import weakref
from collections.abc import Callable
from typing import Any

from mitmproxy.net import tls
from OpenSSL import SSL

logger = logging.getLogger(__name__)


def install() -> Callable[[], None]:
    """For every connection from now on; the callable undoes it."""
    stock = tls.create_proxy_server_context
    complete = weakref.WeakSet[SSL.Context]()
    # It keeps contexts, and those that were used take no more roots.
    stock.cache_clear()

    @functools.wraps(stock)
    def create_proxy_server_context(**how: Any) -> SSL.Context:
        context = stock(**how)
        if how["ca_path"] is None and how["ca_pemfile"] is None and context not in complete:
            complete.add(context)
            add_roots(context)
        return context

    def uninstall() -> None:
        tls.create_proxy_server_context = stock
        stock.cache_clear()

    tls.create_proxy_server_context = create_proxy_server_context  # type: ignore[assignment]
    return uninstall


def add_roots(context: SSL.Context) -> None:
    paths = ssl.get_default_verify_paths()
    if not (paths.cafile or paths.capath):
        return
    try:
        context.load_verify_locations(paths.cafile, paths.capath)
    except SSL.Error:
        logger.warning(f"Cannot read CA certificates in {paths.cafile or paths.capath}")
