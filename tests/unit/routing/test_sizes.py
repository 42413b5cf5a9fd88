from __future__ import annotations

import pytest

from claude_route.routing import sizes


@pytest.mark.parametrize(
    ("taken", "refused", "tokens", "limit"),
    [
        ([80_000], 100_000, 25_000, 19_000),
        ([80_000, 300], 100_000, 25_000, 19_000),
        ([300, 80_000], 100_000, 25_000, 19_000),
        ([], 100_000, 25_000, None),
        ([100_000], 100_000, 25_000, None),
        ([200_000], 100_000, 25_000, None),  # it was about something else then
        ([1], 100_000, 25_000, None),
    ],
)
def test_what_was_taken_fits(
    taken: list[int], refused: int, tokens: int, limit: int | None
) -> None:
    known = sizes.Sizes()
    for size in taken:
        known.took("zai/glm-5", "s", size)
    assert known.limit("zai/glm-5", "s", refused, tokens) == limit


def test_nothing_is_known_of_others() -> None:
    known = sizes.Sizes()
    known.took("zai/glm-5", "s", 80_000)
    known.took("zai/glm-5", "", 80_000)
    assert known.limit("zai/glm-5", "other", 100_000, 25_000) is None
    assert known.limit("kimi/k2", "s", 100_000, 25_000) is None
    assert known.limit("zai/glm-5", "", 100_000, 25_000) is None


def test_the_oldest_are_forgotten() -> None:
    known = sizes.Sizes()
    for number in range(sizes.MAX):
        known.took("m", str(number), 100)
    known.took("m", "0", 100)
    known.took("m", "new", 100)
    assert known.limit("m", "0", 200, 100)
    assert known.limit("m", "1", 200, 100) is None


def test_no_client_changes_what_is_known_of_another() -> None:
    known = sizes.Sizes()
    known.took("m", "s", 100, "alice@")
    for number in range(2 * sizes.MAX):
        known.took("m", str(number), 100, "mallory@")
    known.took("m", "s", 190, "mallory@")
    assert known.limit("m", "s", 200, 100, "alice@") == 47
    assert known.limit("m", "s", 200, 100, "bob@") is None
