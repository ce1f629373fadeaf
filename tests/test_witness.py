"""What bglint claims is what FastAPI does: every bad fixture shows its harm, no other one does.

Under a FastAPI of another era than a fixture is written for, what shows is what bglint says of that version.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import pytest

from bglint import Config, Finding, fix, lint
from bglint.rule import registry
from tests.witness import FASTAPI, FIXTURES, Fixture, fixtures, judge, observe, witness_folders


def has_safe_fix(folder: Path) -> bool:
    """Whether the folder's rule offers a safe fix for a harm that can be witnessed."""
    rule = registry().get(folder.name[:5].upper())
    return rule is not None and "safe" in rule.fixable.split(", ") and hasattr(judge(folder), "harm")


INSTALLED = Config(strict=True, fastapi_version=FASTAPI, starlette_version=version("starlette"))
FIXABLE = [folder for folder in witness_folders() if has_safe_fix(folder)]


@pytest.mark.parametrize("fixture", [pytest.param(each, id=each.id) for each in fixtures()])
def test_harm_shows_where_it_is_reported(fixture: Fixture, tmp_path: Path) -> None:
    expected = fixture.harmful if fixture.is_at_home else is_claimed(fixture, tmp_path / "claimed")
    assert observe(fixture, tmp_path) is expected


def is_claimed(fixture: Fixture, home: Path) -> bool:
    """Whether bglint reports the fixture's own rule under the installed versions."""
    return own_code(fixture) in {
        found.code for found in lint([copied(fixture, home).path], INSTALLED).findings
    }


def own_code(fixture: Fixture) -> str:
    return fixture.path.parent.name[:5].upper()


@pytest.mark.parametrize("folder", [pytest.param(each, id=each.name) for each in witness_folders()])
def test_folder_has_a_harm_or_names_framework_lines(folder: Path) -> None:
    if not hasattr(judge(folder), "harm"):
        file, name = judge(folder).RESTS_ON.split()[:2]
        assert name.rsplit(".", 1)[-1] in _framework_text(file)


@pytest.mark.parametrize("folder", [pytest.param(each, id=each.name) for each in witness_folders()])
def test_left_out_fixtures_exist(folder: Path) -> None:
    names = {entry.name.removesuffix(".py") for entry in folder.iterdir()}
    for table in ("NOT_WITNESSED", "NOT_WITNESSED_ELSEWHERE", "WITNESSED_UNDER"):
        assert set(getattr(judge(folder), table, {})) <= names


def test_every_fixture_folder_has_a_witness() -> None:
    assert sorted(path for path in FIXTURES.iterdir() if path.is_dir()) == witness_folders()


def _framework_text(file: str) -> str:
    package, _, inner = file.partition("/")
    spec = importlib.util.find_spec(package)
    assert spec is not None and spec.origin is not None
    return (Path(spec.origin).parent / inner).read_text(encoding="utf-8")


@pytest.mark.parametrize("folder", [pytest.param(each, id=each.name) for each in FIXABLE])
def test_safe_fixes_remove_the_harm(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = [each for each in fixtures() if each.path.parent == folder and each.harmful]
    cured = [copy for each in bad if not left_by_safe_fixes(copy := copied(each, tmp_path), monkeypatch)]
    assert cured
    assert [each.id for each in cured if observe(each, tmp_path)] == []


def copied(fixture: Fixture, home: Path) -> Fixture:
    """The fixture in a folder of its own, with its witness beside it."""
    folder = home / fixture.path.name.removesuffix(".py") / fixture.path.parent.name
    folder.mkdir(parents=True)
    shutil.copy(fixture.path.parent / "witness.py", folder)
    copy = folder / fixture.path.name
    (shutil.copytree if fixture.path.is_dir() else shutil.copy)(fixture.path, copy)
    return Fixture(copy)


def left_by_safe_fixes(fixture: Fixture, monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    """Apply the safe fixes to a copy; what its own rule still finds there."""
    monkeypatch.chdir(fixture.path if fixture.path.is_dir() else fixture.path.parent)
    paths = ["."] if fixture.path.is_dir() else [fixture.path.name]
    outcome = fix.until_stable(lambda texts: lint(paths, INSTALLED, given=_encoded(texts)))
    assert fix.write(outcome.fixed, os.curdir) == ()
    return [finding for finding in outcome.report.findings if finding.code == own_code(fixture)]


def _encoded(texts: Mapping[str, str]) -> dict[str, bytes]:
    return {path: text.encode() for path, text in texts.items()}
