"""The pipeline as a library call: what survives the steps from rules to report."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bglint.config import Config, ConfigError
from bglint.lint import lint
from bglint.record import record

CHARGE = Path(__file__).parent.parent / "fixtures/bg702_work_lost_at_restart/bad_plain.py"
GUILTY = "  # expect: BG702"


def codes(paths: list[Path], config: Config) -> list[str]:
    return [finding.code for finding in lint(paths, config).findings]


@pytest.fixture
def charge(tmp_path: Path) -> Path:
    """An app whose only finding is advice, silenced by a comment."""
    (tmp_path / "pyproject.toml").write_text("")
    target = tmp_path / "app.py"
    target.write_text(
        CHARGE.read_text().replace(GUILTY, "  # bglint: ignore[BG702] charged twice a day anyway")
    )
    return target


def test_a_comment_on_advice_is_used_whether_advice_is_asked_for_or_not(charge: Path) -> None:
    assert codes([charge.parent], Config()) == []
    assert codes([charge.parent], Config(strict=True)) == []


def test_the_same_comment_where_nothing_is_found_is_unused(charge: Path) -> None:
    charge.write_text(charge.read_text().replace("tasks.add_task(charge_card, order, 4200)", "pass"))
    assert codes([charge.parent], Config()) == ["BG901"]


def test_a_baseline_with_advice_is_not_stale_without_strict(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    shutil.copy(CHARGE, tmp_path / "app.py")
    place = str(tmp_path / "bglint-baseline.json")
    record([tmp_path], Config(strict=True), place, update=False)
    report = lint([tmp_path], Config(baseline=place))
    assert (report.findings, report.stale) == ((), ())


def test_a_baseline_is_not_updated_after_a_run_that_missed_something(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    shutil.copy(CHARGE, tmp_path / "app.py")
    place = tmp_path / "bglint-baseline.json"
    config = Config(strict=True)
    record([tmp_path], config, str(place), update=False)
    before = place.read_text()
    (tmp_path / "app.py").write_text("from fastapi import (")
    with pytest.raises(ConfigError, match="left as it is"):
        record([tmp_path], replace(config), str(place), update=True)
    assert place.read_text() == before


def test_a_comment_is_judged_only_where_its_file_is_given(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "given.py").write_text("x = 1\n")
    (tmp_path / "other.py").write_text("x = 1  # bglint: ignore[BG999]\ny = 2  # bglint: ignore\n")
    given, other = (lint([tmp_path / name], Config()) for name in ("given.py", "other.py"))
    assert (given.findings, given.problems) == ((), ())
    assert ([f.code for f in other.findings], [p.line for p in other.problems]) == (["BG902"], [2])
