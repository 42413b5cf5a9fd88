"""What a profile says about the ledger: `ledger` and `ledger_days`."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field

from claude_route.profile import clients
from claude_route.profile import limits
from claude_route.profile import values
from claude_route.text import urls

DAYS = 400
"""How long requests are kept: a year, and a month to compare it with."""

LONGEST: dict[limits.Period, int] = {"day": 1, "week": 7, "month": 31}
"""Days of a period."""

SCHEMES = ("sqlite", "postgresql", "postgres")

EXPECTED = "off, or a URL such as sqlite:///ledger.db or postgresql://user:password@host/database"
EXPECTED_SERVER = (
    "a URL such as postgresql://user:password@host:5432/database, with @ / ? # in the password as %40 %2F "
    "%3F %23"
)


@dataclass(frozen=True)
class Ledger:
    url: str | None = field(default=None, repr=False)
    """The database's, which may hold a password; None for the default file, empty for no ledger."""
    days: int = DAYS
    """How long a request is kept."""


def read(url: values.Value, days: values.Value) -> Ledger:
    """Raises:
    ValueError: `<key path>: expected <what>, got <repr>`.
    """
    return Ledger(_url(url), days.integer(DAYS, expected="a number of days above 0", least=1))


def warnings(ledger: Ledger, owners: Iterable[clients.Client]) -> Iterator[str]:
    """About budgets that a restart would forget. Without any ledger, the log says so at start."""
    periods = {cap.period for client in owners for cap in client.limits.caps}
    days = max((LONGEST[period] for period in periods), default=0)
    if ledger.days < days:
        yield (
            f"ledger_days: after {ledger.days} days, a restart forgets what was spent; a budget here "
            f"counts {days}."
        )


def _url(at: values.Value) -> str | None:
    if not (url := at.url_or_off(EXPECTED)):
        return url
    scheme, mark, rest = url.partition("://")
    if scheme not in SCHEMES or not mark:
        raise at.error(EXPECTED, secret=True)
    if scheme == "sqlite":
        if len(rest) < 2 or not rest.startswith("/"):
            raise at.error(EXPECTED, secret=True)
        return url
    if not _is_server(url):
        raise at.error(EXPECTED_SERVER, secret=True)
    return f"postgresql://{rest}"


def _is_server(url: str) -> bool:
    """Whether a URL means the same to the libraries that read it as to people."""
    parts = urls.split(url)
    if parts is None or parts.port == 0:
        return False
    return parts.netloc.count("@") < 2 and not urls.has_loose_login(url)
