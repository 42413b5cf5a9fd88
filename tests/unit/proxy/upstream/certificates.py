"""A private CA, and what it signs."""

from __future__ import annotations

import ssl
from pathlib import Path

import trustme


class Authority:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = trustme.CA()
        self.ca_file = str(folder / "ca.pem")
        self.ca.cert_pem.write_to_path(self.ca_file)

    def server(self, *names: str, client_cert: bool = False) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(*(names or ("127.0.0.1", "localhost"))).configure_cert(context)
        if client_cert:
            context.verify_mode = ssl.CERT_REQUIRED
            self.ca.configure_trust(context)
        return context

    def client_cert(self) -> str:
        path = self.folder / "client.pem"
        self.ca.issue_cert("client@example.com").private_key_and_cert_chain_pem.write_to_path(path)
        return str(path)
