from __future__ import annotations

from claude_route.metrics import merging

ONE = b"""# HELP a_total What it is.
# TYPE a_total counter
a_total{model="x {y} z",status="200"} 3.0
# HELP b Other.
# TYPE b gauge
b 1.5
"""
TWO = b"""# HELP a_total What it is.
# TYPE a_total counter
a_total{model="x",status="200"} 4.0
# HELP c Only here.
# TYPE c gauge
c 7.0
"""


def test_each_series_says_whose_it_is() -> None:
    assert merging.merged({2: TWO, 1: ONE}).decode() == (
        "# HELP a_total What it is.\n"
        "# TYPE a_total counter\n"
        'a_total{worker="1",model="x {y} z",status="200"} 3.0\n'
        'a_total{worker="2",model="x",status="200"} 4.0\n'
        "# HELP b Other.\n"
        "# TYPE b gauge\n"
        'b{worker="1"} 1.5\n'
        "# HELP c Only here.\n"
        "# TYPE c gauge\n"
        'c{worker="2"} 7.0\n'
    )


def test_nothing() -> None:
    assert merging.merged({}) == b""
