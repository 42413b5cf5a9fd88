"""`clients` in a profile: whose keys are valid, which models they may ask for, and how much they may use."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field

from claude_route import targets
from claude_route.profile import limits
from claude_route.profile import patterns
from claude_route.profile import values

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")

EXPECTED_NAME = "a name of letters, digits and `._@+-`, other than shared"

SHARED = "shared"
"""The client that the key in PROXY_STATIC_TOKEN identifies."""

FINGERPRINT = re.compile(r"sha256:([0-9a-fA-F]{64})")

EXPECTED_KEY = "sha256: and 64 hexadecimal digits, as `claude-route key NAME` prints them"
EXPECTED_DATE = "a date such as 2027-01-31"


@dataclass(frozen=True)
class Client:
    """A client of the profile, and what it may do."""

    name: str
    digests: tuple[bytes, ...] = field(repr=False)
    """The SHA-256 of its keys: more than one while they are changed."""
    models: patterns.Table[None] | None = field(default=None, hash=False)
    """The names and patterns of the models that it may ask; None: all."""
    limits: limits.Limits = limits.NONE
    on_budget: str | None = None
    """The model that answers once the budget is spent, where otherwise the request is refused."""
    token_mode: targets.TokenMode | None = None
    """`passthrough`: it never gets a token of the pool. `rotate`: it does, unless a request says otherwise."""
    expires: datetime.date | None = None
    """The last day, in UTC, on which its keys are valid."""
    is_admin: bool = False
    """Whether it sees the usage of all clients, rather than its own."""

    def may_ask(self, model: str) -> bool:
        return self.models is None or self.models.find(model) is not None

    def has_expired(self, today: datetime.date) -> bool:
        """`today` in UTC."""
        return self.expires is not None and today > self.expires


def read(value: values.Value, models: patterns.Table[targets.Target]) -> Mapping[str, Client]:
    """The clients by name.

    Raises:
        ValueError: as all readers of values, on one line.
    """
    clients: dict[str, Client] = {}
    owners: dict[bytes, str] = {}
    for name, at in value.mapping().items():
        if not NAME.fullmatch(name):
            raise at.error(EXPECTED_NAME, got=repr(name))
        if name == SHARED:
            raise at.problem(f"{SHARED} is the name of whoever has PROXY_STATIC_TOKEN")
        client = clients[name] = _client(name, at, models)
        for digest in client.digests:
            if owners.setdefault(digest, name) != name:
                raise at["key"].problem(f"{owners[digest]} has the same key")
    return clients


def _client(name: str, at: values.Value, models: patterns.Table[targets.Target]) -> Client:
    at.only(
        *("key", "models", *limits.KEYS, "on_budget", "token_mode", "expires", "admin"),
    )
    within = limits.read(at)
    if at["on_budget"].raw is not None and not within.caps:
        raise at["on_budget"].problem("needs a budget beside it")
    return Client(
        name=name,
        digests=tuple(_digests(at["key"])),
        models=_models(at["models"], models),
        limits=within,
        on_budget=_on_budget(at["on_budget"], models),
        token_mode=at["token_mode"].choice("rotate", "passthrough", default=None),
        expires=_expires(at["expires"]),
        is_admin=at["admin"].boolean(False),
    )


def _digests(value: values.Value) -> Iterable[bytes]:
    """One key, or a list of them."""
    listed = value.items() if isinstance(value.raw, list) else [value]
    if not listed:
        raise value.error(EXPECTED_KEY, got="an empty list")
    for at in listed:
        found = FINGERPRINT.fullmatch(at.text(expected=EXPECTED_KEY, secret=True).strip())
        if not found:
            # It may be the key itself.
            raise at.error(EXPECTED_KEY, secret=True)
        yield bytes.fromhex(found[1])


def _models(
    value: values.Value, models: patterns.Table[targets.Target]
) -> patterns.Table[None] | None:
    if value.raw is None:
        return None
    allowed: dict[str, None] = {}
    for at in value.items("a list of models"):
        name = at.text(expected="a model name")
        if not _names_any(name, models):
            raise at.error(f"one of the models {values.listed(models)}")
        allowed[name] = None
    if not allowed:
        raise value.error("at least one model")
    return patterns.Table(allowed)


def _names_any(name: str, models: patterns.Table[targets.Target]) -> bool:
    """Whether a name is a model's, or a pattern matches one."""
    if models.find(name) is not None:
        return True
    only = patterns.Table({name: None})
    return "*" in name and any(only.find(model) is not None for model in models)


def _on_budget(value: values.Value, models: patterns.Table[targets.Target]) -> str | None:
    if value.raw is None:
        return None
    name = value.text(expected="a model name")
    if "*" in name or models.find(name) is None:
        raise value.error(f"one of the models {values.listed(models)}")
    return name


def _expires(value: values.Value) -> datetime.date | None:
    if value.raw is None:
        return None
    if isinstance(value.raw, datetime.datetime):
        raise value.error(EXPECTED_DATE, got=str(value.raw))
    if isinstance(value.raw, datetime.date):  # YAML's own
        return value.raw
    text = value.text(expected=EXPECTED_DATE)
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            return datetime.date.fromisoformat(text)
    except ValueError:
        pass
    raise value.error(EXPECTED_DATE)
