"""Work that a function starts and waits for itself is no task left behind; objects kept on `self` are known."""

from __future__ import annotations

from pathlib import Path

import pytest

from bglint import lint

STARTS = """
import asyncio
from fastapi import FastAPI

app = FastAPI()


async def work() -> None: ...


@app.post("/jobs")
async def start():
{body}
"""

ONE = "job = asyncio.create_task(work())\n    "
SEVERAL = "jobs = [asyncio.create_task(work())]\n    "
WAITED_FOR = {
    "awaited": ONE + "await job",
    "gathered": SEVERAL + "await asyncio.gather(*jobs)",
    "gathered later": SEVERAL + "done = asyncio.gather(*jobs)\n    await asyncio.sleep(0)\n    await done",
    "kept on an object": "app.job = asyncio.create_task(work())\n    await app.job",
    "several on an object": "app.jobs = [asyncio.create_task(work())]\n    await asyncio.gather(*app.jobs)",
    "appended on an object": "app.jobs = []\n    app.jobs.append(asyncio.create_task(work()))\n    await asyncio.wait(app.jobs)",
    "returned": ONE + "return job",
    "in a helper": ONE + "async def close():\n        await job\n    await close()",
}
LEFT = {
    "forgotten": ONE + "return {}",
    "yielded": ONE + "yield job",
    "counted": SEVERAL + "return len(jobs)",
}


def tasks(tmp_path: Path, body: str) -> int:
    (tmp_path / "main.py").write_text(STARTS.format(body=f"    {body}"))
    return lint([tmp_path]).tasks


@pytest.mark.parametrize("body", WAITED_FOR.values(), ids=WAITED_FOR)
def test_what_is_waited_for_is_no_task(tmp_path: Path, body: str) -> None:
    assert tasks(tmp_path, body) == 0


@pytest.mark.parametrize("body", LEFT.values(), ids=LEFT)
def test_what_is_left_running_is_one(tmp_path: Path, body: str) -> None:
    assert tasks(tmp_path, body) == 1


KEEPS = """
import requests
from fastapi import BackgroundTasks, FastAPI

app = FastAPI()


class Mailer:
    def __init__(self) -> None:
        {kept}

    async def send(self) -> None:
        self.client.post("https://mail.example.com", timeout=5)


@app.post("/signup")
async def signup(tasks: BackgroundTasks):
    tasks.add_task(Mailer().send)
"""


@pytest.mark.parametrize(
    "kept", ["self.client = requests.Session()", "with requests.Session() as self.client: pass"]
)
def test_what_is_kept_on_self_is_known(tmp_path: Path, kept: str) -> None:
    (tmp_path / "main.py").write_text(KEEPS.format(kept=kept))
    assert "BG202" in {finding.code for finding in lint([tmp_path]).findings}


SUBTASKS = """
import logging
import httpx
from fastapi import BackgroundTasks, FastAPI

app = FastAPI()


async def part(number: int) -> None:
    async with httpx.AsyncClient(timeout=5) as client:
        await client.get(f"https://example.com/{{number}}")


async def work() -> None:
    {made}
    try:
        {waits}
    except Exception:
        logging.exception("work failed")


@app.post("/jobs")
async def start(tasks: BackgroundTasks):
    tasks.add_task(work)
"""


@pytest.mark.parametrize(
    ("made", "waits"),
    [
        ("job = part(1)", "await job"),
        ("jobs = [part(1)]", "for job in jobs: await job"),
        ("jobs = []; jobs.append(part(1))", "for job in jobs: await job"),
    ],
)
def test_a_coroutine_fails_where_it_is_awaited(tmp_path: Path, made: str, waits: str) -> None:
    guarded = SUBTASKS.format(made=made, waits=waits)
    open_ = guarded.replace("except Exception", "except KeyError")
    assert [fails(tmp_path, text) for text in (guarded, open_)] == [False, True]


def fails(tmp_path: Path, text: str) -> bool:
    (tmp_path / "main.py").write_text(text)
    return "BG401" in {finding.code for finding in lint([tmp_path]).findings}


LATER = """
from contextlib import asynccontextmanager
import httpx
from fastapi import BackgroundTasks, FastAPI


class Service:
    def __init__(self) -> None:
        self.client = None

    async def push(self) -> None:
        self.client.post("http://127.0.0.1:9")


{made}


@asynccontextmanager
async def lifespan(app):
    service.client = httpx.Client()
    yield


app = FastAPI(lifespan=lifespan)


@app.post("/pushes")
async def push(tasks: BackgroundTasks) -> None:
    tasks.add_task(service.push)
"""


def test_what_a_lifespan_sets_on_an_object_is_known(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(LATER.format(made="service = Service()"))
    assert "BG202" in {finding.code for finding in lint([tmp_path]).findings}


BELOW = """
import asyncio, time
from fastapi import FastAPI

app = FastAPI()


async def work():
    time.sleep(5)


def start():
    asyncio.create_task(work())


def prepare():
    start()


@app.post("/jobs")
async def jobs():
    {calls}
"""


@pytest.mark.parametrize(("calls", "codes"), [("prepare()", {"BG201", "BG406"}), ("pass", set())])
def test_a_task_is_found_below_the_handler(tmp_path: Path, calls: str, codes: set[str]) -> None:
    (tmp_path / "main.py").write_text(BELOW.format(calls=calls))
    found = {finding.code for finding in lint([tmp_path]).findings}
    assert found & {"BG201", "BG406"} == codes


@pytest.mark.parametrize(("name", "tasks"), [("on_startup", 0), ("on_request", 1)])
def test_what_a_start_up_starts_is_no_task(tmp_path: Path, name: str, tasks: int) -> None:
    inside = f"    async def {name}():\n        asyncio.create_task(work())\n\n    register(app, {name})\n"
    text = BELOW.format(calls="prepare()").replace("    start()\n", inside)
    (tmp_path / "main.py").write_text(text.replace("def start():\n    asyncio.create_task(work())\n", ""))
    assert lint([tmp_path]).tasks == tasks
