"""The program ends at once, with all that it has to say said; who watches it is given time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bglint import leaving
from tests.apps import CURED, SLEEPY

AT_EXIT = "import atexit; atexit.register(print, 'tidied up');"
PROGRAM = "import sys; sys.argv = ['bglint', '--output-format', 'json'];"
RUN = "from bglint.cli import program; program()"


def run(folder: Path, *before: str) -> tuple[int, str]:
    command = [sys.executable, "-c", "".join((*before, PROGRAM, RUN))]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


@pytest.mark.parametrize(("text", "code"), [(SLEEPY, 1), (CURED, 0)])
def test_the_program_says_all_and_ends_at_once(tmp_path: Path, text: str, code: int) -> None:
    (tmp_path / "app.py").write_text(text)
    ended, said = run(tmp_path, AT_EXIT)
    assert (ended, said[:1], said[-2:]) == (code, "{", "}\n")


def test_a_mistake_in_the_command_ends_it_with_2(tmp_path: Path) -> None:
    assert run(tmp_path) == (2, "")


@pytest.mark.parametrize("watcher", ["sys.setprofile(lambda *_: None);", "sys.settrace(lambda *_: None);"])
def test_who_watches_is_given_time(tmp_path: Path, watcher: str) -> None:
    (tmp_path / "app.py").write_text(SLEEPY)
    ended, said = run(tmp_path, AT_EXIT, "import sys;", watcher)
    assert (ended, said.splitlines()[-1]) == (1, "tidied up")


def test_nothing_is_held_where_more_runs_are_to_come() -> None:
    thing = [object()]
    before = sys.getrefcount(thing)
    leaving.hold(thing)
    assert sys.getrefcount(thing) == before
    leaving.begin()
    leaving.hold(thing)
    assert sys.getrefcount(thing) == before + 1
    leaving.stay()
    assert sys.getrefcount(thing) == before
