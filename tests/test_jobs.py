"""The rules side by side: the same outcome, in the same order, for any number of processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import projects
from bglint import Config, Report, cache, jobs, lint
from bglint.analysis import analyse
from bglint.discover import discover
from bglint.model import Finding
from bglint.project import Project
from bglint.rule import Rule, registry
from tests.apps import Bglint

FIXTURES = Path(__file__).parent.parent / "fixtures"
ALL = Config(strict=True)


def report(folder: Path, number: int) -> Report:
    return replace(lint([folder], ALL, jobs=number), seconds=0)


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All fixtures of several rules, and a project of some size, in one."""
    folder = tmp_path_factory.mktemp("everything")
    projects.write(projects.modules(60), folder)
    for stem in ("bg1", "bg4", "bg5", "bg7"):
        for file in sorted(FIXTURES.glob(f"{stem}*/bad_*.py")):
            place = folder / file.parent.name / file.name
            place.parent.mkdir(exist_ok=True)
            place.write_text(file.read_text("utf-8"), "utf-8")
    (folder / "broken.py").write_text("import fastapi (\n")
    return folder


@pytest.fixture(scope="module")
def alone(everything: Path) -> Report:
    return report(everything, 1)


@pytest.mark.parametrize("number", [0, 2, 3])
def test_the_number_of_processes_changes_nothing(everything: Path, alone: Report, number: int) -> None:
    assert len(alone.findings) > 50
    assert report(everything, number) == alone


def test_what_a_rule_finds_does_not_depend_on_the_others(everything: Path, alone: Report) -> None:
    codes = dict.fromkeys(finding.code for finding in alone.findings)
    for code in codes:
        found = lint([everything], replace(ALL, select=(code,))).findings
        assert found == tuple(finding for finding in alone.findings if finding.code == code)


def test_a_result_of_several_processes_rests_on_all_that_they_read(everything: Path) -> None:
    one, three = (discover([everything], ALL) for _ in range(2))
    analyse(one, ALL, False)
    analyse(three, ALL, False, None, 3)
    assert set(three.opened) == set(one.opened)
    assert set(three.mentions) == set(one.mentions)


def test_a_result_of_several_processes_is_kept(everything: Path) -> None:
    cold, warm = (replace(lint([everything], ALL, cached=True, jobs=3), seconds=0) for _ in range(2))
    assert cold == warm
    assert list((everything / cache.FOLDER).glob("*.json"))


def check_and_die(project: Project) -> Iterator[Finding]:
    if os.getpid() != ORIGINAL:
        os.kill(os.getpid(), signal.SIGKILL)
    yield from ()


ORIGINAL = os.getpid()


def test_what_a_process_leaves_undone_is_done_here(everything: Path, alone: Report) -> None:
    rules = [*registry().values(), Rule("BG999", "deadly", "error", check_and_die, "")]
    project = Project(discover([everything], ALL), ALL)
    outcomes = jobs.run(rules, project, 3, None)
    found = {finding for outcome in outcomes for finding in outcome.findings}
    assert {f for f in alone.findings if not f.code.startswith("BG9")} <= found
    assert len(outcomes) == len(rules)


def test_a_small_project_is_not_worth_a_second_process(
    bglint: Bglint, sleepy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fork", lambda: pytest.fail("a process was copied"))
    assert bglint("--no-cache").code == 1
    assert bglint("--no-cache", "--jobs", "1").code == 1


def test_processes_are_at_most_as_many_as_there_is_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1, 2, 3})
    useful = jobs._useful
    assert (useful(0, 10, 99), useful(0, 0.01, 99), useful(0, 10, 2), useful(7, 0.01, 99)) == (4, 1, 2, 7)
