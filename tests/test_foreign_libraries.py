"""What is said of libraries that are not installed here: of asgiref, aiohttp, the heavy ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from bglint import Config, lint

APP = """
import asyncio
import aiohttp, asyncer, httpx, librosa, networkx, optuna, torch, uvloop
from asgiref.sync import async_to_sync
from diffusers import StableDiffusionPipeline
from fastapi import BackgroundTasks, FastAPI

app = FastAPI()


async def fetch(url: str) -> None:
    await asyncio.sleep(0)


{definitions}


@app.post("/jobs")
async def start(tasks: BackgroundTasks):
    tasks.add_task(work, "a")
"""

LOOPS = {
    "async_to_sync in an async task": ("async def work(url):\n    async_to_sync(fetch)(url)\n", ["BG207"]),
    "syncify in an async task": ("async def work(url):\n    asyncer.syncify(fetch)(url)\n", ["BG207"]),
    "uvloop in an async task": ("async def work(url):\n    uvloop.run(fetch(url))\n", ["BG207"]),
    "async_to_sync in a def task": ("def work(url):\n    async_to_sync(fetch)(url)\n", []),
    "async_to_sync as decorator": (
        "@async_to_sync\nasync def notify(url):\n    await fetch(url)\n\ndef work(url):\n    notify(url)\n",
        [],
    ),
    "syncify as decorator": (
        "@asyncer.syncify\nasync def notify(url):\n    await fetch(url)\n\ndef work(url):\n    notify(url)\n",
        [],
    ),
    "no decorator": (
        "async def notify(url):\n    await fetch(url)\n\ndef work(url):\n    notify(url)\n",
        ["BG104"],
    ),
}


@pytest.mark.parametrize(("definitions", "codes"), LOOPS.values(), ids=LOOPS)
def test_loops(tmp_path: Path, definitions: str, codes: list[str]) -> None:
    (tmp_path / "main.py").write_text(APP.format(definitions=definitions))
    assert [f.code for f in lint([tmp_path], Config(select=("BG104", "BG207"))).findings] == codes
