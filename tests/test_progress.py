"""The progress bar: on a terminal's standard error, after a second, and gone at the end."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bglint import progress
from bglint.progress import Progress
from tests.apps import SLEEPY


class Screen(io.StringIO):
    """A standard error that says it is a terminal, and tells when a word was written to it."""

    def __init__(self, awaited: str) -> None:
        super().__init__()
        self.awaited = awaited
        self.seen = threading.Event()

    def write(self, text: str) -> int:
        written = super().write(text)
        if self.awaited in self.getvalue():
            self.seen.set()
        return written


def screen(monkeypatch: pytest.MonkeyPatch, patience: float, terminal: bool = True) -> Screen:
    """To be called in the test itself: between fixtures and test pytest puts its own standard error in place."""
    fresh = Screen("blocking-sleep")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(fresh, "isatty", lambda: terminal)
    monkeypatch.setattr(sys, "stderr", fresh)
    monkeypatch.setattr(progress, "PATIENCE", patience)
    return fresh


def test_long_work_shows_the_step_and_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = screen(monkeypatch, patience=0)
    with Progress(wanted=True) as bar:
        bar.step(3, 40, "blocking-sleep")
        assert shown.seen.wait(60)
    assert shown.getvalue().endswith("\x1b[2K")


def test_short_work_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = screen(monkeypatch, patience=3600)
    with Progress(wanted=True) as bar:
        bar.step(3, 40, "blocking-sleep")
    assert shown.getvalue() == ""


@pytest.mark.parametrize(("wanted", "terminal"), [(False, True), (True, False)])
def test_a_log_or_a_quiet_run_gets_no_bar(
    monkeypatch: pytest.MonkeyPatch, wanted: bool, terminal: bool
) -> None:
    screen(monkeypatch, patience=0, terminal=terminal)
    before = set(threading.enumerate())
    with Progress(wanted):
        assert set(threading.enumerate()) <= before


def test_a_terminal_gets_colours_and_its_own_width(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(SLEEPY)
    ours, theirs = pty.openpty()
    environment = {
        name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")
    }
    environment |= {"TERM": "xterm", "COLUMNS": "50"}
    run = subprocess.run(
        [sys.executable, "-m", "bglint"], cwd=tmp_path, stdout=theirs, stderr=subprocess.PIPE, env=environment,
        check=False,
    )  # fmt: skip
    os.close(theirs)
    written = os.read(ours, 100_000).decode()
    os.close(ours)
    assert (run.returncode, run.stderr) == (1, b"")
    assert "\x1b[1;31mBG201 blocking-sleep" in written
    assert "\r\n  " in written
