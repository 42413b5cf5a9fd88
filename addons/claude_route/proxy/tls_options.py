"""mitmproxy's options for TLS with upstreams, as settings of our own client's."""

from __future__ import annotations

import ssl
from pathlib import Path

from mitmproxy import ctx
from mitmproxy.net import tls as net_tls

from claude_route.proxy.upstream import tls

NAMES = {
    "ciphers_server",
    "client_certs",
    "ssl_insecure",
    "ssl_verify_upstream_trusted_ca",
    "ssl_verify_upstream_trusted_confdir",
    "tls_ecdh_curve_server",
    "tls_version_server_max",
    "tls_version_server_min",
}

_MINIMUM = {"UNBOUNDED": ssl.TLSVersion.MINIMUM_SUPPORTED}
_MAXIMUM = {"UNBOUNDED": ssl.TLSVersion.MAXIMUM_SUPPORTED}
_VERSIONS = {
    "TLS1": ssl.TLSVersion.TLSv1,
    "TLS1_1": ssl.TLSVersion.TLSv1_1,
    "TLS1_2": ssl.TLSVersion.TLSv1_2,
    "TLS1_3": ssl.TLSVersion.TLSv1_3,
}
"""mitmproxy's names."""

_CURVES = {"secp192r1": "prime192v1", "secp256r1": "prime256v1"}
"""Those that OpenSSL knows by another name than mitmproxy."""


def settings(host: str) -> tls.Settings:
    """The options in force, for a host."""
    options = ctx.options
    curve = options.tls_ecdh_curve_server
    oldest, newest = options.tls_version_server_min, options.tls_version_server_max
    return tls.Settings(
        insecure=options.ssl_insecure,
        ca_file=_path(options.ssl_verify_upstream_trusted_ca),
        ca_folder=_path(options.ssl_verify_upstream_trusted_confdir),
        client_cert=_client_certificate(options.client_certs, host),
        minimum=(_MINIMUM | _VERSIONS)[oldest],
        maximum=(_MAXIMUM | _VERSIONS)[newest],
        ciphers=options.ciphers_server or None,
        curve=_CURVES.get(curve, curve) if curve else None,
        keylog_file=(
            str(net_tls.log_master_secret.filename) if net_tls.log_master_secret else None
        ),
    )


def _client_certificate(given: str | None, host: str) -> str | None:
    """A file, or one in a folder of certificates that is named after the host."""
    if not given:
        return None
    path = Path(given).expanduser()
    if path.is_dir():
        path = path / f"{host}.pem"
    return str(path) if path.is_file() else None


def _path(given: str | None) -> str | None:
    return str(Path(given).expanduser()) if given else None
