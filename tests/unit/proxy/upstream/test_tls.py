from __future__ import annotations

import ssl
from pathlib import Path

import certifi
import pytest
from OpenSSL import crypto

from claude_route.proxy.upstream import tls
from tests.unit.proxy.upstream import certificates


def shake(
    client: ssl.SSLContext, server: ssl.SSLContext, name: str = "localhost"
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """A handshake in memory. Raises what the client's side raises."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname=name)
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    is_done = dict.fromkeys((ours, theirs), False)
    for _ in range(10):
        for side in (ours, theirs):
            try:
                side.do_handshake()
                is_done[side] = True
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError:
                if side is ours:
                    raise
    assert all(is_done.values())
    theirs.write(b"x")
    ours.read(1)  # the tickets come first
    return ours, theirs


def explained(context: ssl.SSLContext, server: ssl.SSLContext, name: str = "localhost") -> str:
    with pytest.raises(ssl.SSLError) as error:
        shake(context, server, name)
    return tls.explain(error.value, name)


def test_a_private_ca_is_trusted_where_it_is_named(authority: certificates.Authority) -> None:
    context = tls.context(tls.Settings(ca_file=authority.ca_file))
    ours, _ = shake(context, authority.server())
    assert ours.version() == "TLSv1.3"


def test_a_stranger_is_refused_with_what_to_set(authority: certificates.Authority) -> None:
    words = explained(tls.context(tls.Settings()), authority.server())
    assert "localhost not trusted: unable to get local issuer certificate" in words
    assert "SSL_CERT_FILE" in words
    assert "ssl_verify_upstream_trusted_ca" in words


def test_another_name_is_refused(authority: certificates.Authority) -> None:
    context = tls.context(tls.Settings(ca_file=authority.ca_file))
    words = explained(context, authority.server("other.example"))
    assert "not accepted" in words
    assert "mismatch" in words.lower()
    assert "SSL_CERT_FILE" not in words


def test_insecure_takes_anything(authority: certificates.Authority) -> None:
    shake(tls.context(tls.Settings(insecure=True)), authority.server("other.example"))


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_the_systems_roots_count_beside_certifis(
    name: str, authority: certificates.Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if name == "SSL_CERT_DIR":
        pem = Path(authority.ca_file).read_bytes()
        digest = crypto.load_certificate(crypto.FILETYPE_PEM, pem).subject_name_hash()
        (tmp_path / f"{digest:08x}.0").write_bytes(pem)
        monkeypatch.setenv(name, str(tmp_path))
    else:
        monkeypatch.setenv(name, authority.ca_file)
    context = tls.context(tls.Settings())
    shake(context, authority.server())
    roots = Path(certifi.where()).read_text()
    assert len(context.get_ca_certs()) > roots.count("BEGIN CERTIFICATE")


def test_a_client_certificate_is_shown(authority: certificates.Authority) -> None:
    server = authority.server(client_cert=True)
    settings = tls.Settings(ca_file=authority.ca_file, client_cert=authority.client_cert())
    _, theirs = shake(tls.context(settings), server)
    assert theirs.getpeercert()


def test_versions_ciphers_and_curves(authority: certificates.Authority) -> None:
    settings = tls.Settings(
        ca_file=authority.ca_file,
        maximum=ssl.TLSVersion.TLSv1_2,
        ciphers="ECDHE-ECDSA-AES256-GCM-SHA384",
        curve="prime256v1",
    )
    ours, _ = shake(tls.context(settings), authority.server())
    cipher = ours.cipher()
    assert cipher
    assert (ours.version(), cipher[0]) == ("TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384")
    server = authority.server()
    server.maximum_version = ssl.TLSVersion.TLSv1_2
    newer = tls.Settings(ca_file=authority.ca_file, minimum=ssl.TLSVersion.TLSv1_3)
    assert "TLS handshake with localhost failed" in explained(tls.context(newer), server)


def test_only_http_1_is_offered(authority: certificates.Authority) -> None:
    server = authority.server()
    server.set_alpn_protocols(["h2", "http/1.1"])
    ours, _ = shake(tls.context(tls.Settings(ca_file=authority.ca_file)), server)
    assert ours.selected_alpn_protocol() == "http/1.1"


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (tls.Settings(ca_file="/nowhere/ca.pem"), "cannot read CA certificates"),
        (tls.Settings(client_cert="/nowhere/me.pem"), "cannot read client certificate"),
        (tls.Settings(ciphers="none of these"), "OpenSSL refuses TLS settings"),
        (tls.Settings(curve="none"), "OpenSSL refuses TLS settings"),
    ],
)
def test_settings_that_can_not_be(settings: tls.Settings, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        tls.context(settings)


def test_keys_are_logged_where_it_is_asked_for(
    authority: certificates.Authority, tmp_path: Path
) -> None:
    path = tmp_path / "keys"
    settings = tls.Settings(ca_file=authority.ca_file, keylog_file=str(path))
    shake(tls.context(settings), authority.server())
    assert "CLIENT_HANDSHAKE_TRAFFIC_SECRET" in path.read_text()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_are_resumed_host_by_host(
    authority: certificates.Authority, version: ssl.TLSVersion
) -> None:
    context = tls.context(tls.Settings(ca_file=authority.ca_file, maximum=version))
    server = authority.server("localhost", "other.example")
    first, _ = shake(context, server)
    assert not first.session_reused
    context.remember(first)
    again, _ = shake(context, server)
    assert again.session_reused
    other, _ = shake(context, server, "other.example")
    assert not other.session_reused


def test_few_sessions_are_kept(
    authority: certificates.Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls, "MAX_SESSIONS", 2)
    context = tls.context(tls.Settings(ca_file=authority.ca_file))
    names = ["a.example", "b.example", "c.example"]
    server = authority.server(*names)
    for name in names:
        context.remember(shake(context, server, name)[0])
    assert list(context.sessions) == names[1:]


def test_what_is_expired_has_to_do_with_clocks() -> None:
    error = ssl.SSLCertVerificationError("expired")
    error.verify_code, error.verify_message = 10, "certificate has expired"
    assert tls.explain(error, "a").endswith("certificate has expired; check this machine's clock")
