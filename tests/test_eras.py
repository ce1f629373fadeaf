"""What is a harm under one FastAPI and none under another.

`nox` runs each of these apps under a FastAPI of each era (test_witness), where what is said here has to show.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bglint import Config, lint
from tests.test_rules import FIXTURES, own_code
from tests.test_rules import project as project
from tests.witness import Fixture, fixtures

VERSIONS = ("0.105.0", "0.115.14", "0.165.0")
SAID = {
    "bg109_no_response_to_follow/bad_after_yield.py": ("error", "", "error"),
    "bg113_wrong_injection/bad_provider_in_older_version.py": ("error", "error", ""),
    "bg602_closed_upload/bad_plain.py": ("", "error", ""),
    "bg604_closed_context_resource/bad_block_of_a_dependency.py": ("", "error", ""),
    "bg605_task_before_commit/bad_commit_after_tasks.py": ("error", "", "error"),
    "bg607_upload_already_read/bad_plain.py": ("warning", "", "warning"),
}
APPS = [FIXTURES / name for name in SAID]


@pytest.mark.parametrize("project", APPS, ids=SAID, indirect=True)
def test_what_is_said_goes_by_the_version(project: Path) -> None:
    reports = [lint(["."], Config(fastapi_version=version)) for version in VERSIONS]
    levels = tuple(next((f.level for f in r.findings if f.code == own_code(project)), "") for r in reports)
    assert levels == SAID[f"{project.parent.name}/{project.name}"]


def test_each_is_run_under_the_installed_version() -> None:
    assert {Fixture(app) for app in APPS} <= set(fixtures())
