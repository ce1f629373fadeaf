"""`--watch`: a real process in a real folder; each step waits for what the one before it prints."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Queue

import pytest

from tests.apps import CURED, SLEEPY, Bglint

PATIENCE = 120
"""Seconds after which a test that waits in vain is ended."""


def _hear_interrupts() -> None:
    """A shell makes what it starts in the background deaf to them, and the tests with it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Watching:
    """A running `bglint --watch`; everything that it prints comes in lines."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        command = [sys.executable, "-m", "bglint", "--watch", *arguments]
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=_hear_interrupts,
        )
        self.lines: Queue[str] = Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line)

    def result(self) -> str:
        """What is printed up to the moment at which it waits for the next change."""
        seen = [self.lines.get(timeout=PATIENCE)]
        while not seen[-1].startswith("Watching "):
            seen.append(self.lines.get(timeout=PATIENCE))
        return "".join(seen)


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[Watching]:
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "app.py").write_text(SLEEPY)
    running = Watching(tmp_path)
    yield running
    running.process.kill()
    running.process.wait()


def test_each_save_gives_the_next_result(watching: Watching, tmp_path: Path) -> None:
    assert "BG201" in watching.result()
    (tmp_path / "app.py").write_text(CURED)
    assert "All good" in watching.result()
    (tmp_path / "more.py").write_text(SLEEPY)
    assert "more.py:9:5" in watching.result()
    (tmp_path / "more.py").unlink()
    assert "All good" in watching.result()


def test_a_mistake_in_the_configuration_can_be_mended(watching: Watching, tmp_path: Path) -> None:
    watching.result()
    (tmp_path / "pyproject.toml").write_text("[tool.bglint]\nselekt = []\n")
    assert 'no option is called "selekt", did you mean "select"?' in watching.result()
    (tmp_path / "pyproject.toml").write_text("[tool.bglint]\nignore = ['BG201']\n")
    assert "All good" in watching.result()


def test_what_does_not_matter_is_passed_over(watching: Watching, tmp_path: Path) -> None:
    watching.result()
    (tmp_path / "notes.md").write_text("")
    (tmp_path / ".bglint_cache" / "x.json").write_text("")
    (tmp_path / "app.py").write_text(CURED)
    assert "All good" in watching.result()
    (tmp_path / "app.py").write_text(SLEEPY)
    assert "BG201" in watching.result()


def test_an_interrupt_ends_it_well(watching: Watching) -> None:
    watching.result()
    watching.process.send_signal(signal.SIGINT)
    assert watching.process.wait(PATIENCE) == 0


def test_the_package_that_is_missing_is_named(
    bglint: Bglint, sleepy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    result = bglint("--watch")
    assert (result.code, result.out) == (2, "")
    assert "--watch needs the package watchfiles: pip install 'bglint[watch]'" in result.err


def test_the_standard_input_cannot_be_watched(bglint: Bglint, sleepy: Path) -> None:
    assert bglint("--watch", "--stdin-filename", "app.py").code == 2
