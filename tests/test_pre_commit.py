"""The hooks, run by the real pre-commit in a scratch repository, installed from this checkout."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.apps import CURED, SLEEPY

ROOT = Path(__file__).parent.parent
SHIPPED = ("src", "pyproject.toml", "README.md", "LICENSE", ".pre-commit-hooks.yaml")
CONFIG = """\
repos:
  - repo: {place}
    rev: {revision}
    hooks:
      - id: {hook}
"""


def git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    return subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


def commit(folder: Path, message: str = "a step") -> subprocess.CompletedProcess[str]:
    git(folder, "add", "--all")
    return git(folder, "commit", "-m", message)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository that holds what we ship, as it is now."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in SHIPPED:
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, folder / name)
    git(folder, "init", "-q")
    assert commit(folder).returncode == 0
    return folder


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """pre-commit keeps the environment that it makes for us for the whole module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRE_COMMIT_HOME", str(tmp_path_factory.mktemp("home")))
        yield


def repository(folder: Path, checkout: Path, hook: str) -> Path:
    """A repository whose commits the hook watches."""
    revision = git(checkout, "rev-parse", "HEAD").stdout.strip()
    git(folder, "init", "-q")
    config = CONFIG.format(place=checkout.as_uri(), revision=revision, hook=hook)
    (folder / ".pre-commit-config.yaml").write_text(config)
    pre_commit = [sys.executable, "-m", "pre_commit", "install", "--install-hooks"]
    subprocess.run(pre_commit, cwd=folder, check=True, capture_output=True)
    return folder


def test_a_bad_commit_is_stopped_and_a_good_one_passes(checkout: Path, tmp_path: Path) -> None:
    folder = repository(tmp_path, checkout, "bglint")
    (folder / "app.py").write_text(SLEEPY)
    (folder / "test_app.py").write_text(SLEEPY)
    stopped = commit(folder)
    assert stopped.returncode == 1
    assert "app.py:9:5  BG201 blocking-sleep" in stopped.stderr
    assert "test_app.py" not in stopped.stderr
    (folder / "app.py").write_text(CURED)
    passed = commit(folder)
    assert passed.returncode == 0, passed.stderr
    assert git(folder, "rev-list", "--count", "HEAD").stdout == "1\n"


def test_a_file_alone_is_judged_by_what_calls_it(checkout: Path, tmp_path: Path) -> None:
    folder = repository(tmp_path, checkout, "bglint")
    before, _, route = CURED.partition("def remind")
    (folder / "app.py").write_text("from mail import remind\n" + before + route.partition("\n\n\n")[2])
    (folder / "mail.py").write_text("import time\n\n\ndef remind(email: str) -> None:\n    time.sleep(0.1)\n")
    assert commit(folder).returncode == 0
    (folder / "mail.py").write_text(
        "import time\n\n\nasync def remind(email: str) -> None:\n    time.sleep(0.1)\n"
    )
    stopped = commit(folder)
    assert stopped.returncode == 1
    assert "mail.py:5:5  BG201 blocking-sleep" in stopped.stderr


def test_the_fixing_hook_fixes(checkout: Path, tmp_path: Path) -> None:
    folder = repository(tmp_path, checkout, "bglint-fix")
    (folder / "app.py").write_text(SLEEPY)
    assert commit(folder).returncode == 1
    assert "await asyncio.sleep(5)" in (folder / "app.py").read_text()
    assert commit(folder).returncode == 0
