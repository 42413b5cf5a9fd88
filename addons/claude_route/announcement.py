"""What the log says at start, ready to paste, and what `pool.status` prints."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path

from mitmproxy.proxy import mode_specs

from claude_route.profile import profiles
from claude_route.routing import rotation

EVERY_INTERFACE = ("", "0.0.0.0", "::")  # noqa: S104


def lines(
    modes: Sequence[str],
    default_host: str,
    confdir: str,
    profile: profiles.Profile,
    pool: rotation.Pool,
    *,
    needs_key: bool,
) -> Iterator[str]:
    yield f"Profile {profile.name} ({profile.path}) is in force; the pool has {_tokens(pool)}"
    key = "$PROXY_STATIC_TOKEN"
    for spec in map(mode_specs.ProxyMode.parse, modes):
        host = spec.listen_host(default_host)
        door = f"{'127.0.0.1' if host in EVERY_INTERFACE else host}:{spec.listen_port()}"
        if isinstance(spec, mode_specs.RegularMode):
            user = f"claude:{key}@" if needs_key else ""
            certificate = Path(confdir).expanduser() / "mitmproxy-ca-cert.pem"
            yield (
                "On the real connection:  "
                f"HTTPS_PROXY=http://{user}{door} NODE_EXTRA_CA_CERTS={certificate} claude"
            )
        elif isinstance(spec, mode_specs.ReverseMode):
            header = f'ANTHROPIC_CUSTOM_HEADERS="x-litellm-api-key: {key}" ' if needs_key else ""
            yield f"By its base URL:         ANTHROPIC_BASE_URL=http://{door} {header}claude"


def _tokens(pool: rotation.Pool) -> str:
    match len(pool):
        case 0:
            return "no tokens: Claude models take the client's own credential"
        case 1:
            return "1 token"
        case count:
            return f"{count} tokens"


def pool_table(pool: rotation.Pool) -> str:
    """A line for each token; nothing of it but its place and last four characters."""
    if not len(pool):
        return f"The pool has {_tokens(pool)}"
    return "\n".join(map(_row, pool.status()))


def _row(row: rotation.Row) -> str:
    parts = [f"{row.label} ({row.kind}): {row.state}"]
    if row.left:
        parts.append(f"for {row.left:.0f} s")
    parts += [f"{family} rests for {left:.0f} s" for family, left in row.families.items()]
    for window, used in (("5 h", row.five_hour), ("7 d", row.seven_day)):
        parts.append(f"{window} {'?' if used is None else f'{used:.0%}'}")
    parts.append(f"sessions {row.sessions}")
    parts.append(f"requests {row.requests}")
    if row.reason:
        parts.append(row.reason)
    return ", ".join(parts)
