from __future__ import annotations

import datetime

import pytest

from claude_route.profile import limits
from claude_route.routing import budgets

NOON = datetime.datetime(2026, 11, 28, 12, tzinfo=datetime.UTC).timestamp()  # a Saturday
MIDNIGHT, MONDAY, DECEMBER = NOON + 12 * 3600, NOON + 36 * 3600, NOON + 60 * 3600
DAY = 24 * 3600


def within(rate: int | None = None, tokens: int | None = None, **caps: float) -> limits.Limits:
    return limits.Limits(
        rate,
        tokens,
        tuple(limits.Cap(period, caps[period]) for period in limits.PERIODS if period in caps),
    )


def spend(
    book: budgets.Book, dollars: float, tokens: int = 1, *, now: float = NOON, of: str = "alice"
) -> None:
    book.decide(of, limits.NONE, budgets.NOTHING, now)
    book.settle(of, budgets.NOTHING, budgets.Amount(dollars, tokens), now)


@pytest.mark.parametrize(
    ("limit", "spent", "later", "refusal", "names", "resets"),
    [
        (within(), 1000, NOON, None, None, None),
        (within(day=20), 19.99, NOON, None, "day", MIDNIGHT),
        (within(day=20), 20, NOON, "use", "day", MIDNIGHT),
        (within(day=20), 20, MIDNIGHT - 1, "use", "day", MIDNIGHT),
        (within(day=20), 20, MIDNIGHT, None, "day", MIDNIGHT + DAY),
        (within(week=20), 20, MIDNIGHT, "use", "week", MONDAY),
        (within(week=20), 20, MONDAY, None, "week", MONDAY + 7 * DAY),
        (within(month=20), 20, MONDAY, "use", "month", DECEMBER),
        (within(month=20), 20, DECEMBER, None, "month", DECEMBER + 31 * DAY),
        # Over any is over; named is the one over that resets last, else the most used.
        (within(day=10, week=15, month=200), 20, NOON, "use", "week", MONDAY),
        (within(day=10, week=60, month=200), 9, NOON, None, "day", MIDNIGHT),
        (within(day=100, week=60, month=10), 9, NOON, None, "month", DECEMBER),
        (within(tokens=5), 0, NOON, None, "day", MIDNIGHT),
        (within(tokens=1), 0, NOON, "use", "day", MIDNIGHT),
        (within(tokens=1), 0, MIDNIGHT, None, "day", MIDNIGHT + DAY),
    ],
)
def test_use(
    limit: limits.Limits,
    spent: float,
    later: float,
    refusal: budgets.Refusal | None,
    names: str | None,
    resets: float | None,
) -> None:
    book = budgets.Book()
    spend(book, spent)
    spend(book, 10_000, of="bob")
    decision = book.decide("alice", limit, budgets.NOTHING, later)
    assert decision.refusal == refusal
    standing = decision.standing
    assert (standing and standing.period, standing and standing.resets) == (names, resets)
    if standing:
        assert standing.is_over is (refusal == "use")
        assert book.standing("alice", limit, later) == standing


def test_rate() -> None:
    book, limit = budgets.Book(), within(3)

    def ask(now: float) -> tuple[budgets.Refusal | None, float]:
        decision = book.decide("alice", limit, budgets.NOTHING, NOON + now)
        return decision.refusal, round(decision.wait, 3)

    assert [ask(now) for now in (0, 1, 2)] == [(None, 0)] * 3
    assert ask(2.5) == ("rate", 57.5)
    assert ask(59.999) == ("rate", 0.001)
    assert ask(60) == (None, 0)  # within any minute: the first is a minute ago
    assert ask(60) == ("rate", 1)
    assert ask(61) == (None, 0)
    # A limit that was lowered meanwhile.
    limit = within(1)
    assert ask(61) == ("rate", 60)


def test_what_is_reserved_is_not_left() -> None:
    book, limit = budgets.Book(), within(day=10)
    most = budgets.Amount(4, 1000)
    decisions = [book.decide("alice", limit, most, NOON).refusal for _ in range(5)]
    assert decisions == [None, None, None, "busy", "busy"]
    book.settle("alice", most, budgets.Amount(1, 10), NOON)
    assert book.decide("alice", limit, most, NOON).refusal is None
    assert book.decide("alice", limit, most, NOON).refusal == "busy"
    # What must go goes, and counts.
    assert book.decide("alice", limit, most, NOON, must=True).refusal is None
    for _ in range(4):
        book.settle("alice", most, budgets.Amount(3, 10), NOON)
    decision = book.decide("alice", limit, most, NOON)
    assert decision.refusal == "use"
    assert decision.standing
    assert decision.standing.used == pytest.approx(13)
    assert book.decide("alice", limit, most, NOON, must=True).refusal is None


def test_reserved_tokens() -> None:
    book, limit = budgets.Book(), within(tokens=100)
    most = budgets.Amount(0, 60)
    assert [book.decide("alice", limit, most, NOON).refusal for _ in range(3)] == [
        None,
        None,
        "busy",
    ]
    book.settle("alice", most, budgets.NOTHING, NOON)
    assert book.decide("alice", limit, most, NOON).refusal is None


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("requests", [1, 7, 200])
def test_requests_at_once_use_at_most_one_too_much(share: float, requests: int) -> None:
    """Whatever part of what it reserved each one uses."""
    book, limit = budgets.Book(), within(day=5)
    most = budgets.Amount(0.7, 1000)
    used = budgets.Amount(0.7 * share, int(1000 * share))
    waiting, under_way, done = requests, 0, 0
    while waiting or under_way:
        while waiting:
            refusal = book.decide("alice", limit, most, NOON).refusal
            if refusal == "busy":
                break
            waiting -= 1
            under_way += refusal is None
        if under_way:
            book.settle("alice", most, used, NOON)
            under_way, done = under_way - 1, done + 1
    assert done * used.dollars <= 5 + used.dollars + 1e-9


def test_a_request_that_ends_in_the_next_day_counts_there() -> None:
    book, limit = budgets.Book(), within(day=10)
    most = budgets.Amount(4, 1000)
    book.decide("alice", limit, most, MIDNIGHT - 1)
    book.settle("alice", most, budgets.Amount(4, 1000), MIDNIGHT + 1)
    standing = book.standing("alice", limit, MIDNIGHT + 2)
    assert standing
    assert standing.used == 4


def test_what_was_used_before_the_start() -> None:
    book, limit = budgets.Book(), within(None, 1000, day=10, week=100)
    spend(book, 1, 10)
    book.fill("alice", {"day": 2, "week": 50, "month": 50}, 500, NOON)
    standings = {(s.period, s.unit): s.used for s in book.standings("alice", limit, NOON)}
    assert standings == {("day", "dollars"): 3, ("week", "dollars"): 51, ("day", "tokens"): 510}


async def test_reserve_waits_for_nothing() -> None:
    book = budgets.Book()
    coroutine = book.reserve("alice", within(day=1), budgets.NOTHING, NOON)
    with pytest.raises(StopIteration) as e:
        coroutine.send(None)
    assert e.value.value.refusal is None


def test_a_clock_that_is_put_back() -> None:
    """Nobody waits until it is as late again, and what was used still counts until the next border."""
    book, limit = budgets.Book(), within(rate=1, day=10)
    spend(book, 4, 10, now=MIDNIGHT + 3600)
    assert book.decide("alice", limit, budgets.NOTHING, MIDNIGHT + 3600).refusal is None
    spend(book, 1, 10)
    assert book.decide("alice", limit, budgets.NOTHING, NOON).refusal is None
    assert [each.used for each in book.standings("alice", limit, NOON)] == [5]
    assert [each.used for each in book.standings("alice", limit, MIDNIGHT)] == [0]


async def test_overview() -> None:
    book, limit = budgets.Book(), within(rate=5, tokens=1000, day=20, month=100)
    spend(book, 3, 100)
    for second in (-70, -50, 0):
        book.decide("alice", limit, budgets.Amount(0.5, 10), NOON + second)
    await book.look({"alice": limit}, NOON)
    assert book.overview("alice", limit, NOON) == budgets.Overview(
        (
            budgets.Standing("day", 20, 3, MIDNIGHT),
            budgets.Standing("month", 100, 3, DECEMBER),
            budgets.Standing("day", 1000, 100, MIDNIGHT, "tokens"),
        ),
        budgets.Amount(1.5, 30),
        2,
    )
    later = book.overview("alice", limit, MIDNIGHT)
    assert [each.used for each in later.standings] == [0, 3, 0]
    assert later.requests == 0
    assert book.overview("bob", within(), NOON) == ((), budgets.NOTHING, 0)
