"""Rate-limit headers as Anthropic sends them, for subscriptions and for API keys."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

CLAIMS = {"5h": "five_hour", "7d": "seven_day", "7d_oi": "seven_day_overage_included"}


def unified(
    *,
    five_hour: float,
    seven_day: float,
    five_hour_reset: int,
    seven_day_reset: int,
    rejected: Iterable[str] = (),
) -> tuple[tuple[str, str], ...]:
    """The headers of an answer to a subscription's token.

    Utilisation is a fraction that may pass 1, a reset is in unix seconds, and `rejected` names
    windows (`5h`, `7d`) that have run out.
    """
    rejected = tuple(rejected)
    windows = {"5h": (five_hour, five_hour_reset), "7d": (seven_day, seven_day_reset)}
    claim = max(rejected or windows, key=lambda name: windows[name][bool(rejected)])
    lines = {
        "status": "rejected" if rejected else "allowed",
        "reset": str(windows[claim][1]),
        "representative-claim": CLAIMS[claim],
        "fallback-percentage": "0.5",
        "overage-status": "rejected",
        "overage-disabled-reason": "org_level_disabled",
    }
    for name, (utilization, reset) in windows.items():
        lines[f"{name}-status"] = "rejected" if name in rejected else "allowed"
        lines[f"{name}-reset"] = str(reset)
        lines[f"{name}-utilization"] = f"{utilization:g}"
    return tuple((f"anthropic-ratelimit-unified-{name}", value) for name, value in lines.items())


def rejected(
    *windows: str, now: float, five_hour_in: int = 3600, seven_day_in: int = 86400
) -> tuple[tuple[str, str], ...]:
    """The headers of a 429: the named windows have run out and reset in that many seconds."""
    resets = {"5h": int(now) + five_hour_in, "7d": int(now) + seven_day_in}
    latest = max(resets[name] for name in windows)
    return (
        *unified(
            five_hour=1.0 if "5h" in windows else 0.4,
            seven_day=1.0 if "7d" in windows else 0.4,
            five_hour_reset=resets["5h"],
            seven_day_reset=resets["7d"],
            rejected=windows,
        ),
        ("retry-after", str(latest - int(now))),
    )


def api_key(
    *, now: float, remaining: int = 49, limit: int = 50, reset_in: int = 60
) -> tuple[tuple[str, str], ...]:
    """The headers of an answer to an API key: requests and tokens, resets as RFC 3339."""
    moment = datetime.datetime.fromtimestamp(int(now) + reset_in, datetime.UTC)
    reset = moment.isoformat().replace("+00:00", "Z")
    lines = []
    for name, unit in (("requests", 1), ("input-tokens", 1000), ("output-tokens", 200)):
        prefix = f"anthropic-ratelimit-{name}"
        lines.append((f"{prefix}-limit", str(limit * unit)))
        lines.append((f"{prefix}-remaining", str(remaining * unit)))
        lines.append((f"{prefix}-reset", reset))
    return tuple(lines)
