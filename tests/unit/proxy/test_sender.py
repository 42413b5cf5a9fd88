from __future__ import annotations

import pytest

from claude_route import targets
from claude_route.access import clients
from claude_route.access import identity
from claude_route.profile import clients as profile_clients
from claude_route.proxy import sender

SHARED = clients.Client("shared", "header")
ALICE = clients.Client("alice", "header", profile_clients.Client("alice", ()))


@pytest.mark.parametrize(
    ("client", "host", "party"),
    [
        (None, None, "@"),
        (None, "127.0.0.1", "@localhost"),
        (SHARED, "192.0.2.7", "shared@192.0.2.7"),
        (SHARED, "2001:db8::1:2", "shared@2001:db8::/64"),
        (ALICE, "192.0.2.7", "alice@"),
    ],
)
def test_whose_failures_count_together(
    client: clients.Client | None, host: str | None, party: str
) -> None:
    assert sender.Sender(client, (host, 50_000) if host else None).party == party


@pytest.mark.parametrize(
    ("client", "session", "agent", "spread", "seat"),
    [
        (SHARED, "", "a1", "session", ""),
        (SHARED, "s1", "a1", "session", "/s1"),
        (SHARED, "s1", "a1", "agent", "/a1/s1"),
        (None, "s1", "", "agent", "/s1"),
        (ALICE, "s1", "a1", "session", "alice/s1"),
        (ALICE, "s1", "a1", "agent", "alice/a1/s1"),
        (ALICE, "", "a1", "agent", ""),
    ],
)
def test_what_keeps_one_token(
    client: clients.Client | None, session: str, agent: str, spread: targets.Spread, seat: str
) -> None:
    who = identity.Identity(session=session, agent=agent)
    assert sender.Sender(client, None).seat(who, spread) == seat
