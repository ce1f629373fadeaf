"""What is closed when depends on the FastAPI version, and the message says so."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bglint import Config, lint

FIXTURES = Path(__file__).parent.parent / "fixtures"


def said(fixture: str, version: str, folder: Path) -> list[tuple[str, str]]:
    """Level and message of every finding of a fixture's rule, under one version."""
    shutil.copy(FIXTURES / fixture, folder)
    code = fixture[:5].upper()
    found = lint([folder], Config(fastapi_version=version)).findings
    return [(each.level, each.message) for each in found if each.code == code]


@pytest.mark.parametrize(
    ("fixture", "version", "level", "words"),
    [
        (
            "bg601_request_scoped_resource/bad_plain.py",
            "0.105.0",
            "warning",
            "closes it only when the task has ended",
        ),
        (
            "bg601_request_scoped_resource/bad_plain.py",
            "0.106.0",
            "error",
            "FastAPI 0.106.0 ends `get_db` first",
        ),
        (
            "bg601_request_scoped_resource/bad_plain.py",
            "0.118.0",
            "warning",
            "closes it only when the task has ended",
        ),
        (
            "bg601_request_scoped_resource/bad_plain.py",
            ">=0.100",
            "warning",
            "FastAPI 0.106 to 0.117 has closed it",
        ),
        (
            "bg602_closed_upload/bad_unknown_version.py",
            "0.117.1",
            "error",
            "FastAPI 0.117.1 closes the upload",
        ),
        ("bg602_closed_upload/bad_unknown_version.py", ">=0.110", "warning", "(>=0.110.0 is allowed)"),
        ("bg605_task_before_commit/bad_plain.py", "0.118.0", "error", "commits only after the task"),
        ("bg605_task_before_commit/bad_plain.py", ">=0.110", "warning", "but for FastAPI 0.106 to 0.117"),
        ("bg606_orm_object_in_task/bad_plain.py", "0.117.1", "error", "DetachedInstanceError"),
        ("bg606_orm_object_in_task/bad_plain.py", "0.118.0", "warning", "if that is still open"),
    ],
)
def test_words(tmp_path: Path, fixture: str, version: str, level: str, words: str) -> None:
    ((found_level, message),) = said(fixture, version, tmp_path)
    assert found_level == level
    assert words in message


@pytest.mark.parametrize(
    ("fixture", "version"),
    [
        ("bg602_closed_upload/bad_unknown_version.py", "0.105.0"),
        ("bg602_closed_upload/bad_unknown_version.py", "0.118.0"),
        ("bg605_task_before_commit/bad_plain.py", "0.106.0"),
    ],
)
def test_silent(tmp_path: Path, fixture: str, version: str) -> None:
    assert said(fixture, version, tmp_path) == []
