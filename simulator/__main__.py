"""Run as follows: python -m simulator --port 9100 --log"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys

from simulator import server


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m simulator", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9100, help="0 lets the system choose")
    parser.add_argument("--tls", action="store_true", help="with a CA of its own, named at start")
    parser.add_argument("--no-http2", action="store_true")
    parser.add_argument("--role", choices=("anthropic", "provider"), default="anthropic")
    parser.add_argument("--lenient", action="store_true", help="refuse only what cannot be read")
    parser.add_argument("--reasoning-required", action="store_true")
    parser.add_argument("--keep", type=int, default=100, help="requests to remember")
    parser.add_argument("--log", action="store_true", help="a line for each request")
    options = parser.parse_args()
    level = logging.INFO if options.log else logging.WARNING
    logging.basicConfig(level=level, format="%(asctime)s %(message)s", stream=sys.stderr)
    simulator = server.Simulator(
        host=options.host,
        port=options.port,
        tls=options.tls,
        http2=not options.no_http2,
        role=options.role,
        strict=not options.lenient,
        reasoning_required=options.reasoning_required,
        keep=options.keep,
    )
    try:
        asyncio.run(_serve(simulator))
    except OSError as e:
        print(f"cannot listen on {options.host}:{options.port}: {e}", file=sys.stderr)
        return 1
    return 0


async def _serve(simulator: server.Simulator) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await simulator.run(stop, lambda: print(_welcome(simulator), flush=True))


def _welcome(simulator: server.Simulator) -> str:
    trust = f", trust {simulator.ca}" if simulator.url.startswith("https") else ""
    return f"simulator at {simulator.url}{trust}"


if __name__ == "__main__":
    sys.exit(main())
