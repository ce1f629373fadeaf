"""Linear algebra is heavy work for arrays, not for the few numbers of a Python list."""

from __future__ import annotations

from pathlib import Path

import pytest

from bglint import Config, lint

FIT = """
import numpy as np
from fastapi import BackgroundTasks, FastAPI

app = FastAPI()
samples = np.load("samples.npy")


async def fit(numbers: list[float]) -> None:
    {points}
    np.linalg.lstsq(points, samples)


@app.post("/fits")
async def start(tasks: BackgroundTasks) -> None:
    tasks.add_task(fit, [1.0, 2.0])
"""


@pytest.mark.parametrize(
    ("points", "codes"),
    [
        ("points = samples * 2", ["BG208"]),
        ("points = tuple((number, 1) for number in numbers)", []),
        ("points = [[number, 1] for number in numbers]", []),
    ],
)
def test_few_numbers_are_light(tmp_path: Path, points: str, codes: list[str]) -> None:
    (tmp_path / "main.py").write_text(FIT.format(points=points))
    assert [finding.code for finding in lint([tmp_path], Config(select=("BG208",))).findings] == codes
