"""Numbers as people read them."""

from __future__ import annotations

import datetime


def duration(seconds: float) -> str:
    """`45 s`, `12 min`, `3 h 5 min`, `2 d 4 h`: two units at most."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    hours, minutes = divmod(round(whole / 60), 60)
    if hours == 0:
        return f"{minutes} min"
    days, hours = divmod(hours, 24)
    if days == 0:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{days} d {hours} h" if hours else f"{days} d"


def seconds(value: float) -> str:
    """`850 ms`, `4.1 s`, `12 s`"""
    if value < 0.9995:
        return f"{value * 1000:.0f} ms"
    return f"{value:.1f} s" if value < 9.95 else f"{value:.0f} s"


def percent(fraction: float) -> str:
    return f"{fraction:.0%}".replace("%", " %")


def dollars(value: float) -> str:
    """`$0.0042`, `$12.30`, `$1,250`: two digits that say something."""
    if value >= 999.995:
        return f"${value:,.0f}"
    if value >= 0.09995 or value == 0:
        return f"${value:.2f}"
    return f"${value:.4f}" if value >= 0.00005 else "< $0.0001"


def in_unit(value: float, unit: str) -> str:
    """What a client's limit is about: `$20.00`, `5.0M`"""
    return dollars(value) if unit == "dollars" else short(value)


def rate(value: float) -> str:
    """`0`, `0.2`, `12.4`, `140`"""
    return f"{value:.1f}" if 0 < value < 99.95 else f"{value:.0f}"


def count(number: float) -> str:
    """`21,300`"""
    return f"{number:,.0f}"


def counted(number: int, noun: str) -> str:
    """`1 request`, `2 requests`"""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def short(number: float) -> str:
    """`21.3k`: at most five characters below a billion."""
    for unit, size in (("M", 1_000_000), ("k", 1_000)):
        # 999,500 would be rounded to 1000k, so show 1.0M.
        if number >= size * 0.9995:
            scaled = number / size
            return f"{scaled:.1f}{unit}" if scaled < 99.95 else f"{scaled:.0f}{unit}"
    return f"{number:.0f}"


def size(number: int) -> str:
    """Bytes: `12 KB`."""
    if number < 1000:
        return f"{number} bytes"
    return f"{number / 1000:,.0f} KB" if number < 1_000_000 else f"{number / 1_000_000:,.1f} MB"


def utc(moment: float, timespec: str = "seconds") -> str:
    """`2026-12-01T00:00:00Z`, from Unix seconds. `timespec` as in `datetime.isoformat`."""
    made = datetime.datetime.fromtimestamp(moment, datetime.UTC)
    return made.isoformat(timespec=timespec).replace("+00:00", "Z")
