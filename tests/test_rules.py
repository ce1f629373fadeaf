"""Every fixture says in its comments what bglint must report; it reports that and nothing else.

`# expect: BG201` stands on the guilty line, `# via: BG201` on every other line of the path. A fixture is a file or
a folder whose name begins with `bad_` or `good_`; it is linted as a project of its own.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bglint import Config, Finding, Report, lint
from bglint.rule import registry

FIXTURES = Path(__file__).parent.parent / "fixtures"
_MARK = re.compile(r"#\s*(expect|via):\s*([^#]+)")
_VERSION = re.compile(r"#\s*fastapi-version:\s*(\S+)")

Mark = tuple[str, str, str, int]
"""("expect" or "via", code, path, line)"""


def fixtures() -> Iterator[Path]:
    """The fixtures of all rules that exist."""
    for code, rule in registry().items():
        folder = FIXTURES / f"{code.lower()}_{rule.name.replace('-', '_')}"
        yield from sorted(path for path in folder.glob("*") if path.name.startswith(("bad_", "good_")))


def called(path: Path) -> str:
    return f"{path.parent.name}/{path.name.removesuffix('.py')}"


@pytest.fixture
def project(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the fixture, alone in a folder, which is the working directory."""
    copy_into(tmp_path, request.param)
    monkeypatch.chdir(tmp_path)
    return Path(request.param)


def copy_into(folder: Path, fixture: Path) -> None:
    """The fixture alone in a folder."""
    if fixture.is_dir():
        shutil.copytree(fixture, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        folder.mkdir(exist_ok=True)
        shutil.copy(fixture, folder)


def linted(fixture: Path) -> Report:
    """The report on the working directory."""
    return lint(["."], settings(fixture))


def settings(fixture: Path) -> Config:
    """Strict, and for the FastAPI version that the fixture names."""
    main = fixture / "main.py" if fixture.is_dir() else fixture
    version = _VERSION.match(main.read_text("utf-8"))
    return Config(strict=True, fastapi_version=version[1] if version else None)


def own_code(fixture: Path) -> str:
    return fixture.parent.name[:5].upper()


def reported(findings: tuple[Finding, ...]) -> set[Mark]:
    marks = {("expect", f.code, f.path, f.span.line) for f in findings}
    places = [(f.code, step.path, step.span.line, f.path, f.span.line) for f in findings for step in f.trace]
    return marks | {
        ("via", code, path, line) for code, path, line, *guilty in places if [path, line] != guilty
    }


def marked(folder: Path) -> dict[Mark, str]:
    """The marks in the sources of a folder, each with the level that it asserts, if any."""
    found = {}
    for path in folder.rglob("*.py"):
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            for kind, listed in _MARK.findall(line):
                for entry in filter(None, re.split(r"[,\s]+", listed)):
                    code, _, level = entry.partition("=")
                    found[kind, code, path.relative_to(folder).as_posix(), number] = level
    return found


ALL = list(fixtures())
APPS = [path for path in ALL if ".fixed" not in path.name]


@pytest.mark.parametrize("project", APPS, ids=called, indirect=True)
def test_fixture(project: Path, tmp_path: Path) -> None:
    own = own_code(project)
    findings = tuple(f for f in linted(project).findings if f.level != "advice" or f.code == own)
    marks = marked(tmp_path)
    known = {mark: level for mark, level in marks.items() if mark[1] in registry()}
    assert reported(findings) == set(known)
    levels = {("expect", f.code, f.path, f.span.line): f.level for f in findings}
    asserted = {mark: level for mark, level in known.items() if level}
    assert asserted == {mark: levels[mark] for mark in asserted}
    assert bool(marks) == project.name.startswith("bad_")


@pytest.mark.parametrize("project", ALL, ids=called, indirect=True)
def test_no_rule_fails_and_what_is_fixed_is_cured(project: Path) -> None:
    report = linted(project)
    assert report.problems == ()
    if project not in APPS:
        assert own_code(project) not in {finding.code for finding in report.findings}
