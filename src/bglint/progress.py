"""A progress bar for work longer than a second, on a terminal's standard error only."""

from __future__ import annotations

import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

PATIENCE = 1.0


class Progress:
    """Silent until `PATIENCE` seconds have passed, and gone without a trace at the end."""

    def __init__(self, wanted: bool) -> None:
        self._wanted = wanted and sys.stderr.isatty()
        self._timer = threading.Timer(PATIENCE, self._show)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._state = (0, 1, "")
        self._bar: Bar | None = None
        self._ended = False

    def __enter__(self) -> Progress:
        if self._wanted:
            self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        with self._lock:
            self._ended = True
            if self._bar:
                self._bar.stop()

    def step(self, done: int, total: int, name: str) -> None:
        """Take note of how far the work is."""
        self._state = (done, total, name)
        if self._bar:
            self._draw(self._bar)

    def _show(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("bglint"), BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
        with self._lock:
            if self._ended:
                return
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._bar.add_task("")
            self._bar.start()
            self._draw(self._bar)

    def _draw(self, bar: Bar) -> None:
        done, total, name = self._state
        bar.update(bar.task_ids[0], completed=done, total=total, description=name)
