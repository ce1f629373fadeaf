"""Fixtures that several tests use."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from bglint import cli
from tests.apps import SLEEPY, Bglint, Result


@pytest.fixture
def bglint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Bglint:
    """Run the command line in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str, stdin: bytes = b"") -> Result:
        monkeypatch.setattr(sys, "argv", ["bglint", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        out, err = capsys.readouterr()
        assert isinstance(exit_.value.code, int)
        return Result(exit_.value.code, out, err)

    return run


@pytest.fixture
def sleepy(bglint: Bglint, tmp_path: Path) -> Path:
    """A project with one finding, BG201 in app.py."""
    (tmp_path / "app.py").write_text(SLEEPY)
    return tmp_path
