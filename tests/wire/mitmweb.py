"""mitmweb as a separate process with our addons, and its HTTP API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

from simulator import ports
from tests.wire import proxies

PASSWORD = "mitmweb-password"


class Web:
    """A mitmweb that we are logged in to."""

    def __init__(self, start: Callable[..., proxies.Proxy], profile: Any, **options: Any) -> None:
        """`options` are mitmproxy's, but for `environ` and `arguments`, which are the process's."""
        environ, more = options.pop("environ", {}), options.pop("arguments", [])
        self.port = port = ports.free()
        options = {
            "web_port": port,
            "web_open_browser": "false",
            "web_password": PASSWORD,
            **options,
        }
        arguments = [
            part for name, value in options.items() for part in ("--set", f"{name}={value}")
        ]
        self.proxy = start(profile, tool="mitmweb", arguments=[*arguments, *more], environ=environ)
        self.url = f"http://127.0.0.1:{port}"
        self.api = httpx.Client(base_url=self.url, trust_env=False, timeout=proxies.PATIENCE)
        # The form has the token that mitmweb requires with each change.
        self.api.get("/")
        self.api.headers["x-xsrftoken"] = self.api.cookies["_mitmproxy_xsrf"]
        assert self.api.post("/", data={"token": PASSWORD}).status_code == 200

    def flows(self) -> list[dict[str, Any]]:
        """The flows in the list, oldest first, in mitmweb's own form."""
        flows: list[dict[str, Any]] = self.api.get("/flows").json()
        return flows

    def command(self, name: str, *arguments: str) -> Any:
        answer = self.api.post(f"/commands/{name}", json={"arguments": arguments}).json()
        assert "error" not in answer, answer
        return answer["value"]
