"""Reads the files of settings: profiles, LiteLLM configs, `.env`."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

MOST = 1024 * 1024
"""Bytes. They are read again when they change, while requests wait."""

# Windows has none, and its pipes have no path that a file of settings has.
_NONBLOCK = getattr(os, "O_NONBLOCK", 0)


def read(path: Path) -> bytes:
    """The content of a file.

    Raises:
        OSError: it can't be read, is larger than MOST, or is no plain file. A pipe, for example, would have
            everybody wait for whoever writes to it.
    """
    # Path.open takes no opener.
    with open(path, "rb", opener=_open) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no plain file")
        data = file.read(MOST + 1)
    if len(data) > MOST:
        raise OSError(errno.EFBIG, f"it has more than {MOST // 1024} KB")
    return data


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | _NONBLOCK)
