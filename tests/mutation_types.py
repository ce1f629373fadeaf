"""What mypy says of a mutant: a guard that only tells mypy what a name can be is noticed by nobody else."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


class TypeChecker:
    """mypy's daemon over a copy of the package, in which one file at a time is replaced."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        shutil.copytree(ROOT / "src", folder / "src")
        self._run("start", "--", "--strict")
        if self._run("check", "src").returncode:
            raise RuntimeError("mypy has something to say before anything is changed")

    def rejects(self, file: Path, source: str) -> bool:
        """Whether mypy complains when a file of the package is replaced by this source."""
        copy = self._folder / file.relative_to(ROOT)
        copy.write_text(source, "utf-8")
        complains = self._run("check", "src").returncode == 1
        shutil.copyfile(file, copy)
        return complains

    def stop(self) -> None:
        """End the daemon."""
        self._run("stop")

    def _run(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        program = Path(sys.executable).with_name("dmypy")
        command = [program, "--status-file", "status.json", *words]
        return subprocess.run(command, cwd=self._folder, capture_output=True, check=False)
