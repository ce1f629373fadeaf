"""Write a file so that a reader sees the old text or the new one, never half of it.

How to call: `write(path, data)`; the file keeps its mode, a symlink keeps pointing where it did.
"""

from __future__ import annotations

import contextlib
import os
import tempfile


def write(path: str | os.PathLike[str], data: bytes) -> None:
    """Replace the file's content in one step; raises OSError and leaves the old file as it was."""
    target = os.path.realpath(path)
    handle, temporary = tempfile.mkstemp(prefix=".bglint-", dir=os.path.dirname(target))
    try:
        with open(handle, "wb") as file:
            file.write(data)
        os.chmod(temporary, _mode(target))
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _mode(target: str) -> int:
    try:
        return os.stat(target).st_mode & 0o7777
    except FileNotFoundError:
        umask = os.umask(0)
        os.umask(umask)
        return 0o666 & ~umask
