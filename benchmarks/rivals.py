"""The tools to compare with, each in the same environment of its own: `.benchmarks/env`."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENV = ROOT / ".benchmarks" / "env"


@dataclass(frozen=True)
class Rival:
    """A linter: what it is called, what to install, how to run it on the folder it stands in.

    `takes_files` says that it has to be told each file.
    """

    name: str
    requirement: str
    arguments: tuple[str, ...]
    takes_files: bool = False

    @property
    def program(self) -> Path:
        return ENV / "bin" / self.arguments[0]

    @property
    def command(self) -> tuple[str, ...]:
        if self.takes_files:
            return ("sh", "-c", f"find . -name '*.py' -print0 | xargs -0 '{self.program}'")
        return (str(self.program), *self.arguments[1:])

    @property
    def title(self) -> str:
        return f"{self.name} {self.requirement.rpartition('==')[2]}"


RUFF = Rival(
    "ruff", "ruff==0.17.6", ("ruff", "check", "--isolated", "--no-cache", "--select", "ASYNC,FAST", ".")
)
RIVALS = (
    RUFF,
    Rival("ty-async", "ty-async==0.4.0", ("ty-async", ".", "--async200-stdlib", "--async200-transitive")),
    Rival("hydroid", "hydroid-cli==0.5.0", ("hydroid", "--no-cache", ".")),
    Rival("flake8-async", "flake8-async==26.8.1", ("flake8-async",), takes_files=True),
    Rival("fixit", "fixit==2.2.1", ("fixit", "--quiet", "lint", ".")),
)


def installed() -> tuple[tuple[Rival, ...], tuple[Rival, ...]]:
    """The rivals that could be installed here, and those that could not."""
    if not ENV.exists():
        subprocess.run([sys.executable, "-m", "venv", str(ENV)], check=True)
    there = tuple(rival for rival in RIVALS if _install(rival))
    return there, tuple(rival for rival in RIVALS if rival not in there)


def _install(rival: Rival) -> bool:
    command = [str(ENV / "bin" / "python"), "-m", "pip", "install", "--quiet", rival.requirement]
    done = subprocess.run(command, check=False, capture_output=True)
    return done.returncode == 0 and rival.program.exists()
