from __future__ import annotations

from typing import Any

import pytest

from claude_route.profile import clients
from claude_route.profile import ledgers
from claude_route.profile import limits
from claude_route.profile import values


def read(**raw: Any) -> ledgers.Ledger:
    value = values.Value(raw, {"DB": "postgresql://u:p@h/d"})
    return ledgers.read(value["ledger"], value["ledger_days"])


@pytest.mark.parametrize(
    ("raw", "url"),
    [
        (None, None),
        (False, ""),
        ("off", ""),
        ("${NO:-}", ""),
        ("sqlite:///ledger.db", "sqlite:///ledger.db"),
        ("sqlite:////var/lib/ledger.db", "sqlite:////var/lib/ledger.db"),
        ("${DB}", "postgresql://u:p@h/d"),
        ("postgres://u:p@h/d", "postgresql://u:p@h/d"),
        ("postgresql://u:%40%2F%3F%23@h:5432/d", "postgresql://u:%40%2F%3F%23@h:5432/d"),
        ("postgresql:///d?host=/run/postgresql", "postgresql:///d?host=/run/postgresql"),
    ],
)
def test_url(raw: Any, url: str | None) -> None:
    assert read(ledger=raw).url == url


@pytest.mark.parametrize(
    ("days", "period", "is_warned"),
    [
        (1, "day", False),
        (6, "week", True),
        (7, "week", False),
        (30, "month", True),
        (31, "month", False),
        (1, None, False),
    ],
)
def test_budgets_that_a_restart_would_forget(
    days: int, period: limits.Period | None, is_warned: bool
) -> None:
    caps = (limits.Cap(period, 5.0),) if period else ()
    client = clients.Client("alice", (), limits=limits.Limits(caps=caps))
    warnings = list(ledgers.warnings(read(ledger_days=days), [client]))
    assert bool(warnings) is is_warned, warnings


def test_days() -> None:
    assert read().days == ledgers.DAYS
    assert read(ledger_days=7).days == 7


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"ledger": "sqlite://"}, "ledger: expected off, or a URL"),
        ({"ledger": "sqlite:///"}, "ledger: expected off"),
        ({"ledger": "sqlite://ledger.db"}, "ledger: expected off"),
        ({"ledger": "mysql://u:secret@h/d"}, "got a string$"),
        ({"ledger": "/var/lib/ledger.db"}, "got a string$"),
        ({"ledger": True}, "ledger: expected off"),
        ({"ledger": "postgresql://u:secr@et@h/d"}, "got a string$"),
        ({"ledger": "postgresql://u:sec/ret@h/d"}, "%40 %2F %3F %23, got a string$"),
        ({"ledger": "postgresql://u:sec#ret@h/d"}, "got a string$"),
        ({"ledger": "postgresql://u:1/ret@h/d"}, "got a string$"),
        ({"ledger": "postgresql://u:p@h:port/d"}, "got a string$"),
        ({"ledger_days": 0}, "ledger_days: expected a number of days above 0, got 0"),
        ({"ledger_days": "x"}, "ledger_days: expected a number of days above 0"),
    ],
)
def test_what_is_wrong(raw: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as refused:
        read(**raw)
    assert "secret" not in str(refused.value)


def test_no_password_is_shown() -> None:
    assert "p@h" not in repr(read(ledger="${DB}"))
