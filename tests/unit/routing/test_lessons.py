from __future__ import annotations

import dataclasses

import pytest

from claude_route import targets
from claude_route.routing import lessons
from claude_route.routing.lessons import Lesson
from tests.clocks import Clock
from tests.unit import examples

GLM = examples.target("zai", "glm-5")
GENERAL = Lesson("reasoning_effort")
PARTICULAR = Lesson("temperature", b"odd")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def learned(clock: Clock) -> lessons.Lessons:
    return lessons.Lessons(clock)


def left_out(
    learned: lessons.Lessons, target: targets.Target = GLM, settings: bytes = b"usual"
) -> tuple[str, ...]:
    return learned.left_out(target, lambda: settings)


def test_a_general_lesson_is_about_all_requests(learned: lessons.Lessons) -> None:
    assert left_out(learned) == ()
    assert learned.learn(GLM, [GENERAL, GENERAL]) == [GENERAL]
    assert left_out(learned) == ("reasoning_effort",)
    assert left_out(learned, settings=b"odd") == ("reasoning_effort",)


def test_a_particular_lesson_is_about_requests_with_these_settings(
    learned: lessons.Lessons,
) -> None:
    learned.learn(GLM, [PARTICULAR])
    assert left_out(learned) == ()
    assert left_out(learned, settings=b"odd") == ("temperature",)


def test_a_target_that_has_taught_something(learned: lessons.Lessons) -> None:
    assert not learned.has_any(GLM)
    learned.learn(GLM, [PARTICULAR])
    assert learned.has_any(GLM)
    assert not learned.has_any(examples.target("zai", "glm-4"))


def test_settings_are_read_only_if_they_matter(learned: lessons.Lessons) -> None:
    learned.learn(GLM, [GENERAL])
    learned.left_out(GLM, lambda: pytest.fail("nobody needs them"))


def test_a_lesson_is_new_once_and_does_not_last(learned: lessons.Lessons, clock: Clock) -> None:
    learned.learn(GLM, [GENERAL])
    clock.now += lessons.LIFETIME - 1
    assert learned.learn(GLM, [GENERAL]) == []
    assert left_out(learned) == ("reasoning_effort",)
    clock.now += 1
    assert left_out(learned) == ()
    assert learned.refusing() == []
    assert learned.learn(GLM, [GENERAL]) == [GENERAL]


def test_other_targets_learn_for_themselves(learned: lessons.Lessons) -> None:
    learned.learn(GLM, [GENERAL])
    assert left_out(learned, examples.target("zai", "glm-6")) == ()
    assert left_out(learned, examples.target("zai", "glm-5")) == ("reasoning_effort",)


def test_a_changed_provider_begins_again(learned: lessons.Lessons) -> None:
    learned.learn(GLM, [GENERAL])
    for change in ({"set": {"a": 1}}, {"headers": {"a": "b"}}, {"api_key": "k"}):
        provider = dataclasses.replace(GLM.provider, **change)
        assert left_out(learned, GLM._replace(provider=provider)) == ()


def test_rows(learned: lessons.Lessons, clock: Clock) -> None:
    learned.learn(GLM, [PARTICULAR, GENERAL])
    clock.now += 600
    learned.learn(GLM, [Lesson("temperature", b"odd too")])
    assert learned.refusing() == [GLM]
    assert learned.rows(GLM) == [
        lessons.Row("reasoning_effort", lessons.LIFETIME - 600, is_general=True),
        lessons.Row("temperature", lessons.LIFETIME, is_general=False),
    ]


def test_odd_requests_push_out_no_general_lesson(learned: lessons.Lessons) -> None:
    learned.learn(GLM, [GENERAL])
    for n in range(lessons.MAX_LESSONS + 5):
        learned.learn(GLM, [Lesson("temperature", b"%d" % n)])
    assert left_out(learned) == ("reasoning_effort",)
    assert left_out(learned, settings=b"0") == ("reasoning_effort",)
    assert left_out(learned, settings=b"35") == ("reasoning_effort", "temperature")
    for n in range(lessons.MAX_LESSONS + 5):
        learned.learn(GLM, [Lesson(f"name {n}")])
    assert len(learned.rows(GLM)) == lessons.MAX_LESSONS


def test_the_oldest_targets_are_forgotten(learned: lessons.Lessons) -> None:
    for n in range(lessons.MAX_TARGETS + 2):
        learned.learn(GLM._replace(model=f"m{n}"), [GENERAL])
    assert len(learned.refusing()) == lessons.MAX_TARGETS
    assert left_out(learned, GLM._replace(model="m1")) == ()
