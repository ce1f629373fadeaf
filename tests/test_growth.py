"""The work grows with what grows, and no faster: steps of the program are counted, nothing is timed.

A project of a size, of twice and of four times that size. What is linear takes twice the first step for the second one;
a line that runs once for each pair takes four times as much. Each line of bglint is judged for itself, so that one that
is cheap today is found before it is dear.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import bglint.discover
from benchmarks import projects
from bglint import Config, lint
from bglint.discover import Sources
from bglint.rule import registry

OURS = str(Path(bglint.discover.__file__).parent)
STEEP = 1.5
"""Twice as dear as it should be is the square; what sorts, or goes a path back, stays well below this."""

GROWTHS = {
    projects.unrelated_files: 40,
    projects.wide: 60,
    projects.modules: 100,
    projects.methods: 60,
    projects.depth: 50,
    projects.results: 25,
    projects.sites_in_one_file: 25,
    projects.sites_of_one_task: 25,
    projects.sites_in_many_files: 25,
    projects.sites_of_one_helper: 50,
    projects.tasks_of_one_handler: 25,
}
"""What grows, and the smallest size."""

Make = Callable[[int], projects.Files]
Steps = Counter[tuple[str, int]]


@contextmanager
def counted() -> Iterator[Steps]:
    """Counts how often each line of bglint runs; the rounds of a comprehension, too."""
    steps: Steps = Counter()

    def note_line(frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            steps[frame.f_code.co_filename, frame.f_lineno] += 1
        return note_line

    def note_call(frame: FrameType, event: str, argument: Any) -> Any:
        return note_line if frame.f_code.co_filename.startswith(OURS) else None

    before = sys.gettrace()
    sys.settrace(note_call)
    try:
        yield steps
    finally:
        sys.settrace(before)


def work(make: Make, size: int, folder: Path) -> Steps:
    """The steps that linting a project of a size takes."""
    place = folder / f"size_{size}"
    place.mkdir()
    projects.write(make(size), place)
    with counted() as steps:
        lint([place], Config(strict=True))
    return steps


def steep_lines(make: Make, size: int, folder: Path) -> dict[str, tuple[int, int, int]]:
    """The lines that run too often, and how often for each size."""
    registry()
    work(make, 1, folder)  # what is loaded once belongs to nobody
    small, double, fourfold = (work(make, size * factor, folder) for factor in (1, 2, 4))
    return {
        f"{Path(file).name}:{number}": counts
        for (file, number), last in fourfold.items()
        if _is_steep(counts := (small[file, number], double[file, number], last), size)
    }


def _is_steep(counts: tuple[int, int, int], size: int) -> bool:
    small, double, fourfold = counts
    return fourfold - double > max(2 * STEEP * (double - small), 8 * size)


@pytest.mark.parametrize("make", GROWTHS, ids=lambda make: make.__name__)
def test_no_line_runs_more_often_than_the_project_grows(make: Make, tmp_path: Path) -> None:
    assert steep_lines(make, GROWTHS[make], tmp_path) == {}


def test_a_line_that_runs_for_each_pair_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mentioning = Sources.mentioning
    slow = compile(
        "def slow(files): return [None for _ in files for _ in files][:0]", f"{OURS}/slow.py", "exec"
    )
    made: dict[str, Any] = {}
    exec(slow, made)
    monkeypatch.setattr(
        Sources, "mentioning", lambda self, *given: (*made["slow"](self.files), *mentioning(self, *given))
    )
    assert list(steep_lines(projects.unrelated_files, 20, tmp_path)) == ["slow.py:1"]


def test_files_that_no_task_reaches_are_neither_parsed_nor_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("bglint.program.decode", partial(_noted, opened))
    projects.write(projects.unrelated_files(30), tmp_path)
    lint([tmp_path], Config())
    assert len(opened) == 1


def _noted(opened: list[str], data: bytes) -> str:
    opened.append("file")
    return data.decode()
