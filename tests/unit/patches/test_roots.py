from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
import trustme
from mitmproxy.net import tls
from OpenSSL import SSL

from claude_route.patches import roots


def make(**changes: Any) -> SSL.Context:
    how: dict[str, Any] = {
        "method": tls.Method.TLS_CLIENT_METHOD,
        "min_version": tls.Version.TLS1_2,
        "max_version": tls.Version.UNBOUNDED,
        "cipher_list": None,
        "ecdh_curve": None,
        "verify": tls.Verify.VERIFY_PEER,
        "ca_path": None,
        "ca_pemfile": None,
        "client_cert": None,
        "legacy_server_connect": False,
    }
    return tls.create_proxy_server_context(**how | changes)


def trusts(context: SSL.Context, company: trustme.CA) -> bool:
    """Whether a handshake succeeds with a server that the company vouches for."""
    serving = SSL.Context(SSL.TLS_SERVER_METHOD)
    company.issue_cert("provider.example").configure_cert(serving)
    client, server = SSL.Connection(context), SSL.Connection(serving)
    client.set_connect_state()
    server.set_accept_state()
    for _ in range(4):
        for one, other in ((client, server), (server, client)):
            try:
                one.do_handshake()
            except SSL.WantReadError:
                pass
            except SSL.Error:
                return False
            with contextlib.suppress(SSL.WantReadError):
                other.bio_write(one.bio_read(65536))
    return True


def test_a_companys_root_counts_besides_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    company = trustme.CA()
    company.cert_pem.write_to_path(tmp_path / "company.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "company.pem"))
    before = tls.create_proxy_server_context
    assert not trusts(make(), company)
    uninstall = roots.install()
    assert trusts(make(), company)
    assert trusts(make(), company), "the same context, which is in use"
    other = trustme.CA()
    other.cert_pem.write_to_path(tmp_path / "other.pem")
    assert not trusts(make(ca_pemfile=str(tmp_path / "other.pem")), company)
    uninstall()
    assert not trusts(make(), company)
    assert tls.create_proxy_server_context is before


def test_a_file_that_is_no_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "none.pem").write_text("nothing")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    uninstall = roots.install()
    make()
    uninstall()
    assert "none.pem" in caplog.text
