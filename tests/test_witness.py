"""What bglint claims is what FastAPI does: every bad fixture shows its harm, no other one does."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests.witness import FIXTURES, Fixture, fixtures, judge, observe, witness_folders


@pytest.mark.parametrize("fixture", [pytest.param(each, id=each.id) for each in fixtures()])
def test_harm_shows_in_bad_fixtures_only(fixture: Fixture, tmp_path: Path) -> None:
    assert observe(fixture, tmp_path) is fixture.harmful


@pytest.mark.parametrize("folder", [pytest.param(each, id=each.name) for each in witness_folders()])
def test_folder_has_a_harm_or_names_framework_lines(folder: Path) -> None:
    if not hasattr(judge(folder), "harm"):
        file, name = judge(folder).RESTS_ON.split()[:2]
        assert name.rsplit(".", 1)[-1] in _framework_text(file)


@pytest.mark.parametrize("folder", [pytest.param(each, id=each.name) for each in witness_folders()])
def test_left_out_fixtures_exist(folder: Path) -> None:
    names = {entry.name.removesuffix(".py") for entry in folder.iterdir()}
    for table in ("NOT_WITNESSED", "WITNESSED_UNDER"):
        assert set(getattr(judge(folder), table, {})) <= names


def test_every_fixture_folder_has_a_witness() -> None:
    assert sorted(path for path in FIXTURES.iterdir() if path.is_dir()) == witness_folders()


def _framework_text(file: str) -> str:
    package, _, inner = file.partition("/")
    spec = importlib.util.find_spec(package)
    assert spec is not None and spec.origin is not None
    return (Path(spec.origin).parent / inner).read_text(encoding="utf-8")
