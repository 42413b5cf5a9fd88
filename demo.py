"""The simulator beside the proxy, so that it can be tried without any key.

Run as follows: mitmweb -s addons/route.py -s demo.py --set profile=demo
"""

from __future__ import annotations

import logging

import simulator

logger = logging.getLogger(__name__)

PORT = 9100
"""Where profiles/demo.yaml expects it."""


class Demo:
    def __init__(self) -> None:
        self.simulator = simulator.Simulator(port=PORT)

    def running(self) -> None:
        self.simulator.__enter__()
        logger.info(
            f"A simulated provider answers at {self.simulator.url}; try: "
            "ANTHROPIC_BASE_URL=http://127.0.0.1:4000 ANTHROPIC_API_KEY=demo claude -p hello"
        )

    def done(self) -> None:
        self.simulator.__exit__(None, None, None)


addons = [Demo()]
