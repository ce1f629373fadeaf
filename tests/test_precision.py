"""The precision that pages show is counted from `ecosystem/verdicts.toml`.

After new verdicts count again: `BGLINT_GOLDEN=write pytest tests/test_precision.py`.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest
import tomli

from bglint.report import precision
from bglint.report.precision import Counts

VERDICTS = Path(__file__).parent.parent / "ecosystem" / "verdicts.toml"
SHIPPED = Path(precision.__file__).with_suffix(".json")


def judged() -> dict[str, Counts]:
    """What the verdicts say, rule by rule."""
    table = tomli.loads(VERDICTS.read_text("utf-8"))["verdict"]
    count = Counter((entry["code"], entry["verdict"]) for entry in table)
    codes = sorted({code for code, _ in count})
    return {code: {word: count[code, word] for word in ("true", "false", "debatable")} for code in codes}


def test_what_is_shipped_is_what_the_verdicts_say() -> None:
    lines = ",\n".join(f'  "{code}": {json.dumps(counts)}' for code, counts in judged().items())
    if os.environ.get("BGLINT_GOLDEN") == "write":
        SHIPPED.write_text(f"{{\n{lines}\n}}\n", "utf-8")
    assert json.loads(SHIPPED.read_text("utf-8")) == judged()


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        (
            {"true": 7, "false": 2, "debatable": 1},
            "Of 10 findings in the released packages that bglint is tried on, a reader of their code judged: 7 true, 2 false, 1 debatable.",
        ),
        (
            {"true": 1, "false": 0, "debatable": 0},
            "Of one finding in the released packages that bglint is tried on, a reader of their code judged: 1 true.",
        ),
        (None, "It has found nothing yet in the released packages that bglint is tried on."),
    ],
)
def test_words(counts: Counts | None, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "counted", lambda: {"BG201": counts} if counts else {})
    assert precision.precision("BG201") == words
