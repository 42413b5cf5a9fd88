"""Numbers as people read them."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """`45 s`, `12 min`, `3 h 5 min`, `2 d 4 h`: no finer than people want to know."""
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


def rate(value: float) -> str:
    """`0`, `0.2`, `12.4`, `140`"""
    return f"{value:.1f}" if 0 < value < 99.95 else f"{value:.0f}"
