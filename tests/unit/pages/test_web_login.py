from __future__ import annotations

import hmac

import pytest

from claude_route.pages import web_login
from tests import clocks


class Lab:
    def __init__(self) -> None:
        self.clock = clocks.Clock()
        self.checked: list[str] = []
        self.hits: list[str] = []
        self.login = web_login.Login(
            self.check, lambda name, line: self.hits.append(name), self.clock
        )

    def check(self, password: str) -> bool:
        self.checked.append(password)
        return hmac.compare_digest(password, "right")


@pytest.fixture
def lab() -> Lab:
    return Lab()


def test_only_so_many_wrong_passwords_are_checked(lab: Lab) -> None:
    assert not any(lab.login.is_valid("wrong") for _ in range(1000))
    assert len(lab.checked) == web_login.BURST
    assert set(lab.hits) == {"web_login"}


def test_one_more_is_checked_after_a_pause(lab: Lab) -> None:
    for _ in range(100):
        lab.login.is_valid("wrong")
    assert not lab.login.is_valid("right")
    lab.clock.now += web_login.PAUSE
    assert lab.login.is_valid("right")


def test_right_ones_are_free(lab: Lab) -> None:
    assert all(lab.login.is_valid("right") for _ in range(1000))
    assert lab.hits == []


def test_no_password_is_not_checked(lab: Lab) -> None:
    assert not any(lab.login.is_valid("") for _ in range(1000))
    assert lab.checked == lab.hits == []


@pytest.mark.parametrize("password", ["é", "\udcff", "right\0"])
def test_any_characters_make_a_wrong_one(lab: Lab, password: str) -> None:
    assert not lab.login.is_valid(password)
