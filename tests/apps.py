"""What several tests share: an app with one finding, the same app cured, and the command line as a function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

SLEEPY = """\
import time

from fastapi import BackgroundTasks, FastAPI

app = FastAPI()


async def remind(email: str) -> None:
    time.sleep(5)


@app.post("/signup")
async def signup(email: str, tasks: BackgroundTasks) -> dict[str, str]:
    tasks.add_task(remind, email)
    return {"status": "success"}
"""
CURED = SLEEPY.replace("async def remind", "def remind").replace("sleep(5)", "sleep(0.1)")


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


Bglint = Callable[..., Result]
