"""The simulator beside the proxy, so that it can be tried without any key.

Run as follows: mitmweb -s addons/route.py -s demo.py --set profile=demo
"""

from __future__ import annotations

import logging

from mitmproxy import addonmanager
from mitmproxy import ctx
from mitmproxy import http

import simulator
from claude_route import responses
from claude_route.pages import table
from claude_route.proxy import attempt

logger = logging.getLogger(__name__)

PORT = 9100
"""Where profiles/demo.yaml expects it."""


class Demo:
    def __init__(self) -> None:
        self.simulator = simulator.Simulator(port=PORT)
        self._is_up = False

    def load(self, loader: addonmanager.Loader) -> None:
        try:
            self.simulator.__enter__()
        except OSError as e:
            # An error that is logged at start ends the start.
            logger.error(f"The demo's provider can't listen on port {PORT}: {e.strerror or e}")
        else:
            self._is_up = True

    def running(self) -> None:
        logger.info(
            f"A simulated provider answers at {self.simulator.url}; try: "
            f"ANTHROPIC_BASE_URL=http://127.0.0.1:{ctx.options.reverse_port} "
            "ANTHROPIC_API_KEY=demo claude -p hello"
        )

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Answer what Claude Code asks of Anthropic besides, such as its settings: a demo sends nothing to
        Anthropic, and a machine without a network doesn't wait for it."""
        if flow.response or flow.request.host != "api.anthropic.com":
            return
        if table.find(flow.request) is None and not attempt.is_wanted(flow.request):
            flow.request.stream = False
            flow.response = responses.error(404, "The demo answers only requests to models")
            responses.fit(flow.response, flow.request)

    def done(self) -> None:
        if self._is_up:
            self.simulator.__exit__(None, None, None)


addons = [Demo()]
