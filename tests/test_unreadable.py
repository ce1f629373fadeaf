"""Broken files are found in a copy of the process as they are found in the process itself."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bglint import lint
from bglint.unreadable import PAYS, Unreadable
from tests.apps import SLEEPY

BROKEN = SLEEPY + "\n\ndef broken() -> None:\n    x = (\n"
NEWER = SLEEPY + '\n\ndef newer() -> str:\n    return f"{"a"}"\n'
OLDER = "import fastapi\nprint 'hello'\n"

pytestmark = pytest.mark.skipif(
    sys.platform in ("win32", "darwin"),
    reason="processes are not copied there: the other way is the only one",
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("")
    for number in range(PAYS):
        (tmp_path / f"app{number}.py").write_text(SLEEPY)
    for name, text in {"broken": BROKEN, "newer": NEWER, "older": OLDER}.items():
        (tmp_path / f"{name}.py").write_text(text)
    return tmp_path


def result(project: Path, jobs: int) -> tuple[object, object]:
    report = lint([project], jobs=jobs)
    return report.findings, report.problems


def test_a_copy_finds_what_the_process_finds(project: Path) -> None:
    findings, problems = result(project, 2)
    assert (findings, problems) == result(project, 1)
    assert [Path(problem.path).name for problem in problems] == ["broken.py", "older.py"]  # type: ignore[attr-defined]
    assert {Path(finding.path).stem for finding in findings} >= {"app0", "newer"}  # type: ignore[attr-defined]
    assert "broken" not in {Path(finding.path).stem for finding in findings}  # type: ignore[attr-defined]


def test_a_copy_that_dies_leaves_its_work(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected, process, find = result(project, 1), os.getpid(), Unreadable._find

    def dying(self: Unreadable) -> list[str]:
        return find(self) if os.getpid() == process else os._exit(1)

    monkeypatch.setattr(Unreadable, "_find", dying)
    assert result(project, 2) == expected


def test_few_files_are_not_worth_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fork", lambda: pytest.fail("copied"))
    (tmp_path / "broken.py").write_text(BROKEN)
    assert [problem.line for problem in lint([tmp_path], jobs=0).problems] == [19]
