"""Everything that the proxy's pages show, for tests of what they must not."""

from __future__ import annotations

from collections.abc import Iterator

import httpx

JSON, HTML = {"accept": "application/json"}, {"accept": "text/html"}
EXPORTS = ("html", "jsonl", "har")
PARTS = ("window", "system", "tools", "conversation", "headers", "upstream")


def of(client: httpx.Client, words: str = "e", every: int = 1) -> Iterator[tuple[str, bytes]]:
    """Each page's name and content, headers included, where `client` is accepted; of the turns one in `every`."""

    def got(path: str, accept: dict[str, str] = HTML) -> tuple[str, bytes]:
        answer = client.get(path, headers=accept)
        assert answer.status_code == 200, (path, answer.text[:500])
        return f"{client.base_url} {path} {accept['accept']}", (
            str(answer.headers).encode() + answer.content
        )

    for path in ("/status", "/usage", "/usage?by=client,model,session", "/sessions"):
        yield got(path)
        yield got(path, JSON)
    yield got("/usage?format=csv")
    yield got("/usage?format=json")
    for accept in (HTML, JSON):
        yield got(f"/sessions?search={words}", accept)
    for session in client.get("/sessions", headers=JSON).json()["sessions"]:
        place = f"/sessions/{session['id']}"
        yield got(place)
        yield got(f"{place}?all=1")
        yield got(place, JSON)
        for extension in EXPORTS:
            yield got(f"{place}.{extension}")
        whole = client.get(place, headers=JSON).json()
        shown = [turn["flow"] for turn in (*whole["turns"], *whole["copies"])]
        for flow in shown[::every]:
            yield got(f"{place}/{flow}", JSON)
            yield got(f"{place}/{flow}?with={shown[0]}")
            yield got(f"{place}/{flow}?block=0")
            for part in PARTS:
                yield got(f"{place}/{flow}?part={part}")
