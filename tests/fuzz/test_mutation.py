from __future__ import annotations

import json
import random

import pytest

from tests.fuzz import mutation

JSON = b'{"model": "m", "messages": [{"role": "user", "content": "hi"}]}'
EVENTS = b'a\nevent: x\ndata: {"type": "x"}\n\ndata: {"type": "y", "index": 1}\n\n'
YAML = b"providers:\n  zai: {base_url: 'https://z'}\nmodels: {m: zai/m}\n"
PARTS = mutation.SEPARATOR.join((b"words", JSON, EVENTS))
CORPUS = [JSON, EVENTS, YAML, PARTS, b"", b"\xff\0"]


@pytest.mark.parametrize("data", CORPUS)
def test_one_seed_makes_one_input(data: bytes) -> None:
    mutate = mutation.Mutator(CORPUS)
    for seed in range(300):
        assert mutate(data, random.Random(seed)) == mutate(data, random.Random(seed))


def test_most_changed_json_is_json() -> None:
    mutate = mutation.Mutator(CORPUS)
    made = {mutate(JSON, random.Random(seed)) for seed in range(300)}
    assert len(made) > 200
    assert sum(map(is_json, made)) > len(made) / 2


def is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
