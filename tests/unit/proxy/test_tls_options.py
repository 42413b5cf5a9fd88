"""Files, and what follows a change, are in test_upstreams.py."""

from __future__ import annotations

import ssl

import pytest
from mitmproxy.addons import tlsconfig
from mitmproxy.test import taddons

from claude_route.proxy import tls_options
from claude_route.proxy.upstream import tls


@pytest.mark.parametrize(
    ("value", "minimum", "maximum"),
    [
        ("TLS1_2", ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2),
        ("TLS1_3", ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3),
        ("UNBOUNDED", ssl.TLSVersion.MINIMUM_SUPPORTED, ssl.TLSVersion.MAXIMUM_SUPPORTED),
    ],
)
def test_versions(value: str, minimum: ssl.TLSVersion, maximum: ssl.TLSVersion) -> None:
    with taddons.context(tlsconfig.TlsConfig()) as tctx:
        tctx.options.update(tls_version_server_min=value, tls_version_server_max=value)
        settings = tls_options.settings("a.example")
    assert (settings.minimum, settings.maximum) == (minimum, maximum)


@pytest.mark.parametrize("curve", ["secp192r1", "secp256r1", "secp384r1", "secp521r1"])
def test_every_curve_that_mitmproxy_has_is_one_of_openssls(curve: str) -> None:
    with taddons.context(tlsconfig.TlsConfig()) as tctx:
        tctx.options.update(tls_ecdh_curve_server=curve)
        tls.context(tls_options.settings("a.example"))


def test_each_is_one_of_mitmproxys() -> None:
    with taddons.context(tlsconfig.TlsConfig()) as tctx:
        assert tls_options.NAMES - set(tctx.options.keys()) == set()
