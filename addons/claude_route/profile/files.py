"""Where the files of settings are, and what is in them: a profile by its name or path, and `.env`."""

from __future__ import annotations

import difflib
import logging
import os
from collections.abc import Mapping
from pathlib import Path

from claude_route.profile import env_file
from claude_route.profile import plain_file

logger = logging.getLogger(__name__)


def read_text(path: Path) -> str:
    """The text of a profile's file.

    Raises:
        ValueError: the file cannot be read.
    """
    try:
        # As a text file is read: a line may end in another way.
        text = plain_file.read(path).decode("utf-8-sig")
        return text.replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as e:
        raise ValueError(f"{path}: expected UTF-8, got byte 0x{e.object[e.start]:02x}") from e
    except OSError as e:
        raise ValueError(f"{path}: expected a readable file, got {e.strerror}") from e


def locate(name: str, folder: Path) -> Path:
    """The file of a profile given by its name in `folder` or by its path.

    What ends like a file is one in the working directory first: `team.yaml`, made there, is not to be
    taken for the profile `team`.

    Raises:
        ValueError: there is no such file.
    """
    path = Path(os.path.expanduser(name))  # noqa: PTH111 - Path's own raises for an unknown user
    candidates = [path]
    if path.name == name:
        candidates = [folder / f"{name}.yaml", folder / f"{name}.yml", folder / name, path]
        if path.suffix in (".yaml", ".yml"):
            candidates.insert(0, path)
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    names = sorted(file.stem for file in folder.glob("*.y*ml"))
    if path.name != name or path.suffix in (".yaml", ".yml"):
        why = ": there is no such file"
    else:
        nearest = difflib.get_close_matches(name, names, 1)
        why = f": did you mean {nearest[0]}?" if nearest else ""
    raise ValueError(f"profile: expected a path or one of {', '.join(names)}, got {name!r}{why}")


def environment(
    directory: Path, environ: Mapping[str, str], *, name: str = ".env"
) -> dict[str, str]:
    """The variables in the directory's `.env`, if there is one, overridden by `environ`.

    Raises:
        ValueError: the file has a line that can't be read.
    """
    path = directory / name
    try:
        variables = env_file.parse(plain_file.read(path))
    except FileNotFoundError:
        variables = {}
    except OSError as e:
        logger.warning(f"Cannot read {path}: {e.strerror}")
        variables = {}
    except ValueError as e:
        raise ValueError(f"{path}: {e}") from e
    return {**variables, **environ}
