"""TLS towards upstreams.

An upstream is trusted by certifi's roots and the system's together, OpenSSL's SSL_CERT_FILE and
SSL_CERT_DIR included, which is where a company puts its own CA. truststore would add macOS's keychain,
but replaces certifi's roots where it works, and asks the system in the middle of a handshake, which
stops the event loop while the system asks the network.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass

import certifi

ADVICE = (
    "if a company's proxy or a private CA signs it, set SSL_CERT_FILE, or "
    "ssl_verify_upstream_trusted_ca, to that CA's certificate"
)
"""What to do about an unknown CA."""

MAX_SESSIONS = 256
"""Of upstreams whose handshakes are resumed: some kilobytes each."""


@dataclass(frozen=True)
class Settings:
    """What two connections have to agree on to stand for each other."""

    insecure: bool = False
    """Any certificate is taken."""
    ca_file: str | None = None
    """PEM; takes the place of all other roots, as `ca_folder` does."""
    ca_folder: str | None = None
    """With names as `openssl rehash` makes them."""
    client_cert: str | None = None
    """PEM with a certificate and its key."""
    minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    maximum: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED
    ciphers: str | None = None
    """OpenSSL's list; those of TLS 1.3 are always on."""
    curve: str | None = None
    """The only one that is offered, by OpenSSL's name."""
    keylog_file: str | None = None


class Context(ssl.SSLContext):
    """A context that resumes the last session with each host.

    asyncio knows no sessions: what it calls to begin a handshake is where they come in.
    """

    sessions: dict[str, ssl.SSLSession]

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        if isinstance(server_hostname, str):
            session = session or self.sessions.get(server_hostname)
        return super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)

    def remember(self, connection: ssl.SSLObject) -> None:
        """Called when some of a response has come: TLS 1.3 sends its tickets after the handshake."""
        session, name = connection.session, connection.server_hostname
        if session is None or name is None or not session.has_ticket:
            return
        self.sessions.pop(name, None)
        self.sessions[name] = session
        if len(self.sessions) > MAX_SESSIONS:
            del self.sessions[next(iter(self.sessions))]


def context(settings: Settings) -> Context:
    """Reads files, some 10 ms: made once for all connections of these settings. ValueError."""
    made = Context(ssl.PROTOCOL_TLS_CLIENT)
    made.sessions = {}
    if settings.insecure:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    try:
        if settings.ca_file or settings.ca_folder:
            made.load_verify_locations(settings.ca_file, settings.ca_folder)
        else:
            made.load_verify_locations(certifi.where())
            made.load_default_certs()
    except OSError as e:
        raise ValueError(f"cannot read CA certificates ({_words(e)})") from e
    try:
        made.minimum_version = settings.minimum
        made.maximum_version = settings.maximum
        if settings.ciphers:
            made.set_ciphers(settings.ciphers)
        if settings.curve:
            made.set_ecdh_curve(settings.curve)
    except (ValueError, ssl.SSLError) as e:
        raise ValueError(f"OpenSSL refuses TLS settings ({_words(e)})") from e
    if settings.client_cert:
        try:
            made.load_cert_chain(settings.client_cert)
        except OSError as e:
            raise ValueError(f"cannot read client certificate ({_words(e)})") from e
        made.post_handshake_auth = True
    made.set_alpn_protocols(["http/1.1"])
    if settings.keylog_file:
        made.keylog_filename = settings.keylog_file
    return made


def explain(error: ssl.SSLError, host: str) -> str:
    """What a failed handshake means, and what to set."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS handshake with {host} failed: {_words(error)}"
    why = error.verify_message
    if error.verify_code in (18, 19, 20, 21):  # self-signed, or signed by someone unknown
        return f"certificate of {host} not trusted: {why}; {ADVICE}"
    if error.verify_code in (9, 10):
        return f"certificate of {host} not valid now: {why}; check this machine's clock"
    return f"certificate of {host} not accepted: {why}"


def _words(error: Exception) -> str:
    return (
        getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
    ).lower()
