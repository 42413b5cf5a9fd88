from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from claude_route.cli import export

IDS = ("abc-2", "abc-1", "x y")


@pytest.fixture
def server() -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = 200, f"exported {self.path}".encode()
            if self.path == "/sessions":
                body = json.dumps({"sessions": [{"id": id} for id in IDS]}).encode()
            elif "abc-1" in self.path:
                status, body = 404, b'{"error": {"message": "no such session"}}'
            elif "strange" in self.path:
                body = b"<html>"
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("session", "path"),
    [
        ("abc-2", "/sessions/abc-2.har"),
        ("last", "/sessions/abc-2.har"),
        ("x", "/sessions/x%20y.har"),
    ],
)
def test_fetch(server: str, session: str, path: str) -> None:
    assert export.fetch(server, session, "har", None) == f"exported {path}".encode()


@pytest.mark.parametrize(
    ("session", "why"),
    [
        ("abc", "2 sessions begin so"),
        ("other", "no session 'other'"),
        ("abc-1", "no such session"),
    ],
)
def test_what_is_wrong(server: str, session: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        export.fetch(server, session, "html", None)


def test_another_server(server: str) -> None:
    with pytest.raises(ValueError, match="is not claude-route"):
        export.fetch(f"{server}/strange", "last", "html", None)
    with pytest.raises(ValueError, match="no proxy answers"):
        export.fetch("http://127.0.0.1:9", "last", "html", None)


def test_write(tmp_path: Path) -> None:
    export.write(b"x", tmp_path / "a.html")
    assert (tmp_path / "a.html").read_bytes() == b"x"
    with pytest.raises(ValueError, match="no such file or directory"):
        export.write(b"x", tmp_path / "none" / "a.html")
