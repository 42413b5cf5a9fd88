from __future__ import annotations

import base64
import html
import json
import random
import time
import urllib.parse
from collections.abc import Callable

import pytest

from claude_route.text import disguises
from tests import growth

SECRETS = (
    "sk-ant-oat01-MARKED-pool-one-00000-pol1",
    "Short-k8",
    "a+b/c=d e&f~0123456789",
    'quo"te\\back-0123456789',
    "schlüssel-ünd-0123456789",
)

DISGUISES: dict[str, Callable[[str], str]] = {
    "plain": str,
    "lower case": str.lower,
    "JSON": lambda secret: json.dumps(secret),
    "JSON in JSON": lambda secret: json.dumps(json.dumps(secret)),
    "JSON of PHP": lambda secret: json.dumps(secret).replace("/", "\\/"),
    "each character in JSON": lambda secret: "".join(f"\\u{ord(c):04x}" for c in secret),
    "some characters in JSON": lambda secret: f"\\u{ord(secret[0]):04X}{secret[1:]}",
    "each character in a URL": lambda secret: "".join(f"%{b:02X}" for b in secret.encode()),
    "URL": lambda secret: urllib.parse.quote(secret, safe=""),
    "form": urllib.parse.quote_plus,
    "each character in a URL in a URL": lambda secret: urllib.parse.quote(
        "".join(f"%{b:02x}" for b in secret.encode())
    ),
    "HTML": lambda secret: html.escape(secret),
    "each character in HTML": lambda secret: "".join(f"&#{ord(c)};" for c in secret),
    "each character in HTML, hexadecimal": lambda secret: "".join(
        f"&#x{ord(c):X};" for c in secret
    ),
    "Base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "Basic": lambda secret: base64.b64encode(f"me:{secret}".encode()).decode(),
    "Basic of another": lambda secret: base64.b64encode(f"root:{secret}!".encode()).decode(),
    "Base64 of URLs": lambda secret: base64.urlsafe_b64encode(f"{secret}".encode()).decode(),
    "hexadecimal": lambda secret: secret.encode().hex(),
    "HEXADECIMAL": lambda secret: secret.encode().hex().upper(),
    "twice": lambda secret: secret + secret,
}


@pytest.fixture
def finder() -> disguises.Finder:
    return disguises.Finder(SECRETS)


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("disguise", DISGUISES)
def test_hide(finder: disguises.Finder, secret: str, disguise: str) -> None:
    if "each" in disguise and not secret.isascii():
        pytest.skip("nobody writes these so")
    text = DISGUISES[disguise](secret)
    for before in range(17):
        hidden = finder.hide_text(f"{'.' * before}<{text}> after")
        assert "[redacted]" in hidden
        assert hidden.startswith("." * before) and hidden.endswith(" after")
        # The quotes of JSON, and the user in Basic.
        assert len(hidden.replace("[redacted]", "")) - before - len("<> after") <= 12


@pytest.mark.parametrize(
    "text",
    [
        "",
        "short",
        "nothing of it here, 100 % of it &#38; \\u0026 more",
        "sk-ant-oat01-MARKED-pool-one-00000-pol",
        "x" * 1000,
        "caf\udce9 \\u00e9",
    ],
)
def test_other_text_is_the_same_object(finder: disguises.Finder, text: str) -> None:
    assert finder.hide_text(text) is text
    data = text.encode("utf-8", "surrogatepass")
    assert finder.hide(data) is data


def test_too_short_a_secret_is_not_hidden() -> None:
    assert disguises.Finder(["key", ""]).hide(b"a key, key") == b"a key, key"


def test_remove() -> None:
    finder = disguises.Finder(["secret-0123456789", "another-0123456789"])
    finder.remove("secret-0123456789")
    assert finder.hide(b"secret-0123456789 another-0123456789") == b"secret-0123456789 [redacted]"


def test_many_secrets_take_no_longer() -> None:
    text = b'{"type":"content_block_delta","delta":{"text":"caf\\u00e9"}}\n\n' * 8000

    def hide(count: int) -> float:
        finder = disguises.Finder(f"sk-ant-oat01-{n:040}" for n in range(count))
        return growth.least(lambda _: finder.hide(text), count)

    assert hide(2000) < 4 * hide(20) + 0.05


@pytest.mark.parametrize("piece", [b"\\", b"%25", b"&#0", b"sk-ant-o"])
def test_text_takes_linear_time(finder: disguises.Finder, piece: bytes) -> None:
    secret = b"\\u0073k-ant-oat01-MARKED-pool-one-00000-pol1"
    texts = {size: piece * (size // len(piece)) + secret for size in (125_000, 500_000)}
    assert growth.of(lambda size: finder.hide(texts[size]), 125_000) < growth.LINEAR


@pytest.mark.parametrize("disguise", ["plain", "each character in JSON", "each character in a URL"])
def test_no_secret_takes_long(disguise: str) -> None:
    secret = random.Random(1).randbytes(30_000).hex()
    text = f"<{DISGUISES[disguise](secret)}>"
    began = time.process_time()
    assert disguises.Finder([secret]).hide_text(text) == "<[redacted]>"
    assert time.process_time() - began < 2


def test_any_mixture_of_escapes() -> None:
    secret, chance = SECRETS[0], random.Random(1)
    ways = [DISGUISES[name] for name in DISGUISES if name.startswith(("plain", "each"))]
    finder = disguises.Finder([secret])
    for _ in range(200):
        mixed = "".join(chance.choice(ways)(each) for each in secret)
        before = chance.choice(["", "%41", "&#65;&#x42;", "\\u0041", "é%"])
        assert finder.hide_text(f"{before}.{mixed}.{before}{mixed}%42") == (
            f"{before}.[redacted].{before}[redacted]%42"
        )


def test_a_secret_anywhere_in_a_long_text(finder: disguises.Finder) -> None:
    secret = SECRETS[0].encode()
    for place in (0, 1024 * 1024 - 20, 2 * 1024 * 1024 - 1, 2_500_000):
        text = b"." * place + secret + b"." * (2_500_000 - place)
        assert finder.hide(text) == text.replace(secret, b"[redacted]")


@pytest.mark.parametrize("before", [".", "%41", "\\", "%", "&#65;", "\\u0041", "%2525"])
@pytest.mark.parametrize("disguise", [name for name in DISGUISES if name.startswith("each")])
def test_no_place_in_a_long_text_hides_it(
    monkeypatch: pytest.MonkeyPatch, before: str, disguise: str
) -> None:
    monkeypatch.setattr(disguises, "_SLICE", 64)
    secret = DISGUISES[disguise](SECRETS[0])
    finder = disguises.Finder([SECRETS[0]])
    for length in range(100):
        start = (before * 100)[:length] + "."
        assert finder.hide_text(f"{start}{secret}.end") == f"{start}[redacted].end"
