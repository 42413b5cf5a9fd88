"""The values of labels, of which there may only be so many: clients choose the names of models."""

from __future__ import annotations

from claude_route.profile import profiles

OTHER = "other"

MOST = 50
"""Names that match a pattern of the profile, such as `claude-*`, and were answered: Claude has some twenty
models. From then on, the pattern stands for the rest."""

STATUSES = frozenset(
    (
        *range(200, 207),
        *range(300, 309),
        *range(400, 419),
        422,
        424,
        425,
        429,
        *range(500, 506),
        529,
    )
)


class Names:
    """Which models and targets have a label of their own."""

    def __init__(self) -> None:
        self._models: set[str] = set()
        self._targets: set[str] = set()

    def answered(self, model: str, target: str) -> None:
        """A name that a provider has answered is no invention of the client's."""
        for name, names in ((model, self._models), (target, self._targets)):
            if len(names) < MOST:
                names.add(name)

    def model(self, name: str, profile: profiles.Profile) -> str:
        entry = profile.models.find(name)
        if entry is None:
            return OTHER
        if name in self._models or (not entry[1] and name in profile.models):
            return name
        return _pattern(name, profile)

    def target(self, name: str, profile: profiles.Profile) -> str:
        if not name or name in self._targets:
            return name
        provider = name.partition("/")[0]
        if any(name == str(target) for _, target in profile.models.items()):
            return name
        return f"{provider}/*" if provider in profile.providers else OTHER


def _pattern(name: str, profile: profiles.Profile) -> str:
    """The entry of the profile that a name matches."""
    target = profile.models.find(name)
    for pattern, value in profile.models.items():
        if target and value is target[0]:
            return pattern
    return OTHER


def status(code: int) -> str:
    """`0` for a client that left before there was anything."""
    if code in STATUSES or code == 0:
        return str(code)
    return f"{code // 100}xx" if 100 <= code < 600 else OTHER
