"""What the proxy adds to the time to first byte, against bare mitmdump with a streaming addon.

Run as follows, after `uv sync --dev`: uv run python -m bench.overhead

Requests go to the two in turn over a kept connection each, so that a machine whose speed drifts does
so for both.
"""

from __future__ import annotations

from bench import measure

SIZES = {"50 KB": (50_000, 300), "4 MB": (4_000_000, 60)}
"""Bytes of a request, and how many are timed."""

MEMORY_REQUESTS = 2000


def main() -> None:
    with (
        measure.simulator() as behind,
        measure.bare(behind) as (bare_port, _),
        measure.ours(behind) as (our_port, our_pid),
    ):
        bare, ours = measure.Client(bare_port), measure.Client(our_port)
        print("time to first byte, ms, p50          bare    ours   added   ratio")
        for name, (size, count) in SIZES.items():
            body = measure.conversation(size)
            for client in (bare, ours):
                for _ in range(10):
                    client.first_byte(body)
            pairs = [(bare.first_byte(body), ours.first_byte(body)) for _ in range(count)]
            without, through = (measure.median_ms(times) for times in zip(*pairs, strict=True))
            print(
                f"request of {name} ({len(body):,} bytes)".ljust(34)
                + f"{without:7.2f} {through:7.2f} {through - without:7.2f} {through / without:7.2f}"
            )
        body = measure.conversation(50_000)
        print("\nrequests      memory, MB")
        for done in range(0, MEMORY_REQUESTS + 1, 500):
            if done:
                for _ in range(500):
                    ours.first_byte(body)
            print(f"{done:8}      {measure.rss_megabytes(our_pid):.0f}")


if __name__ == "__main__":
    main()
