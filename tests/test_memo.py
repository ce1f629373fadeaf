"""What is kept while a run lasts does not outlive the next one."""

from __future__ import annotations

import gc
from pathlib import Path

from bglint import lint
from bglint.memo import forget, memo
from bglint.tree import Function
from tests.apps import SLEEPY


def test_an_answer_is_found_once_a_run() -> None:
    asked: list[int] = []

    @memo
    def double(number: int) -> int:
        asked.append(number)
        return 2 * number

    assert [double(2), double(2), double(3)] == [4, 4, 6]
    forget()
    assert double(2) == 4
    assert asked == [2, 3, 2]


def test_nothing_of_a_run_outlives_the_next(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "app.py").write_text(SLEEPY)
        lint([tmp_path / name])
    gc.collect()
    alive = {Path(thing.source.path).parent.name for thing in gc.get_objects() if isinstance(thing, Function)}
    assert "first" not in alive
