"""How often a rule was right on released packages: `precision.json` counts the verdicts of people who read the code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

Counts = Mapping[str, int]
"""How many findings were judged true, false and debatable."""


def precision(code: str) -> str:
    """What the verdicts say of a rule, in a sentence."""
    counts = counted().get(code)
    if counts is None:
        return "It has found nothing yet in the released packages that bglint is tried on."
    total = sum(counts.values())
    findings = "one finding" if total == 1 else f"{total} findings"
    judged = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    return f"Of {findings} in the released packages that bglint is tried on, a reader of their code judged: {judged}."


@cache
def counted() -> Mapping[str, Counts]:
    """The counts of each rule that was judged."""
    text = Path(__file__).with_suffix(".json").read_text("utf-8")
    return dict(json.loads(text))
