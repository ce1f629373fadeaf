"""A decorator that tries again raises in the end, unless it is told otherwise: `BG401` knows which."""

from __future__ import annotations

from pathlib import Path

import pytest

from bglint import lint

APP = """
import backoff, httpx
from fastapi import BackgroundTasks, FastAPI
from tenacity import after_log, retry, stop_after_attempt

app = FastAPI()


{decorator}
def push(number: int) -> None:
    httpx.post("http://127.0.0.1:9", json=number, timeout=2)


@app.post("/contacts/{{number}}")
def change(number: int, tasks: BackgroundTasks) -> None:
    tasks.add_task(push, number)
"""

RAISES = (
    "@retry(stop=stop_after_attempt(3))",
    "@retry(stop=stop_after_attempt(3), reraise=True)",
    "@retry(stop=stop_after_attempt(3), retry_error_callback=None)",
    "@backoff.on_exception(backoff.expo, httpx.HTTPError, max_tries=3)",
    "@backoff.on_exception(backoff.expo, Exception, max_time=30, raise_on_giveup=True)",
)
KEEPS = (
    "@retry",
    "@retry()",
    "@retry(stop=stop_after_attempt(3), retry_error_callback=lambda state: None)",
    "@retry(stop=stop_after_attempt(3), after=after_log(logger, 40))",
    "@retry(**OPTIONS)",
    "@backoff.on_exception(backoff.expo, httpx.HTTPError)",
    "@backoff.on_exception(backoff.expo, Exception, max_tries=3, raise_on_giveup=False)",
    "@backoff.on_exception(backoff.expo, Exception, max_tries=3, raise_on_giveup=QUIET)",
    "@backoff.on_exception(backoff.expo, Exception, max_tries=3, on_giveup=tell)",
    "@backoff.on_exception(backoff.expo, Exception, **OPTIONS)",
)


def failing(home: Path, decorator: str) -> bool:
    (home / "main.py").write_text(APP.format(decorator=decorator), encoding="utf-8")
    return "BG401" in {found.code for found in lint([home]).findings}


@pytest.mark.parametrize("decorator", RAISES)
def test_what_raises_after_the_last_try_is_reported(tmp_path: Path, decorator: str) -> None:
    assert failing(tmp_path, decorator)


@pytest.mark.parametrize("decorator", KEEPS)
def test_what_never_gives_up_or_tells_somebody_is_not(tmp_path: Path, decorator: str) -> None:
    assert not failing(tmp_path, decorator)
