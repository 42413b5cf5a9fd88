from __future__ import annotations

import pytest
from mitmproxy import version

from claude_route.patches import digests


@pytest.mark.parametrize("code", digests.CODE, ids=lambda code: code.name)
def test_the_code_is_what_it_was(code: digests.Code) -> None:
    assert code.now() in (code.digest, code.newer), (
        f"{code.name} has changed in mitmproxy {version.VERSION}. What we rely on there: "
        f"{code.relied_on}. If that still holds, the new digest is {code.now()}."
    )


def test_each_is_listed_once() -> None:
    names = [code.name for code in digests.CODE]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize(
    "name",
    [
        "mitmproxy.nowhere:Something",
        "mitmproxy.proxy.server:Nothing.at_all",
        "mitmproxy.version:VERSION",
    ],
)
def test_code_that_is_gone_has_changed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = digests.Code(name, "0123456789ab", "nothing")
    assert gone.now() is None
    monkeypatch.setattr(digests, "CODE", (digests.CODE[0], gone))
    assert digests.changed() == [gone]
