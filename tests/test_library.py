"""bglint as a library: what its page says runs, its table is complete, and types hold for those who use it."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import bglint
from bglint import lint
from tests.apps import SLEEPY

PAGE = (Path(__file__).parent.parent / "docs" / "library.md").read_text("utf-8")
CODE = "\n".join(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "main.py").write_text(SLEEPY)
    (tmp_path / "app" / "mail.py").write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_page_runs(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(CODE, "library.md", "exec"), {})
    assert capsys.readouterr().out.startswith("app/main.py 9 BG201 `time.sleep` sleeps on the event loop: ")


def test_the_page_names_every_keyword() -> None:
    keywords = [p.name for p in inspect.signature(lint).parameters.values() if p.kind is p.KEYWORD_ONLY]
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE) == keywords


def test_the_page_names_everything_that_is_exported() -> None:
    assert [name for name in bglint.__all__ if f"`{name}" not in PAGE and f"{name}(" not in CODE] == [
        "Finding"
    ]


def test_the_page_holds_for_a_strict_type_checker(app: Path) -> None:
    (app / "use.py").write_text(CODE)
    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "use.py"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout
