"""What a task comes to is followed through constructors, properties, threads and registries, as Python would run it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bglint import Config, lint

APP = """
import asyncio, time
import torch
from dataclasses import dataclass
from typing import Protocol
from fastapi import BackgroundTasks, Depends, FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from sqlalchemy.orm import Session

app = FastAPI()


class Store:
    def read(self) -> None:
        time.sleep(5)


{definitions}


@app.post("/jobs")
async def start(tasks: BackgroundTasks, kind: int):
{registers}
"""

SLEEPS = {
    "an item that is asked for": (
        "class Cache:\n    def __getitem__(self, key):\n        time.sleep(5)\n\n"
        "cache = Cache()\n\nasync def work():\n    return cache['a']\n",
        "tasks.add_task(work)",
    ),
    "an item that is set": (
        "class Cache:\n    def __setitem__(self, key, value):\n        time.sleep(5)\n\n"
        "cache = Cache()\n\nasync def work():\n    cache['a'] = 1\n",
        "tasks.add_task(work)",
    ),
    "an item that is deleted": (
        "class Cache:\n    def __delitem__(self, key):\n        time.sleep(5)\n\n"
        "cache = Cache()\n\nasync def work():\n    del cache['a']\n",
        "tasks.add_task(work)",
    ),
    "a test for an item": (
        "class Cache:\n    def __contains__(self, key):\n        time.sleep(5)\n\n"
        "cache = Cache()\n\nasync def work():\n    return 'a' in cache\n",
        "tasks.add_task(work)",
    ),
    "an iterator of its own": (
        "class Pages:\n    def __aiter__(self):\n        return self\n"
        "    async def __anext__(self):\n        time.sleep(5)\n\n"
        "async def work():\n    async for page in Pages():\n        print(page)\n",
        "tasks.add_task(work)",
    ),
    "a class that is gone through": (
        "class Pages:\n    def __iter__(self):\n        yield time.sleep(5)\n\n"
        "async def work():\n    return [page for page in Pages()]\n",
        "tasks.add_task(work)",
    ),
    "a generator": (
        "def lines():\n    time.sleep(5)\n    yield 1\n\nasync def work():\n    found = lines()\n    next(found)\n",
        "tasks.add_task(work)",
    ),
    "a property with a setter": (
        "class Job:\n    @property\n    def state(self):\n        time.sleep(5)\n"
        "    @state.setter\n    def state(self, value): ...\n\n"
        "async def work():\n    Job().state\n",
        "tasks.add_task(work)",
    ),
    "a dataclass whose base is none": (
        "class Base:\n    name: str\n    other: str\n\n"
        "@dataclass\nclass Job(Base):\n    name: str\n    store: Store\n    other: str\n    def run(self):\n        self.store.read()\n\n"
        "async def work():\n    Job('a', Store(), 'b').run()\n",
        "tasks.add_task(work)",
    ),
    "a dataclass whose base is one": (
        "@dataclass\nclass Base:\n    store: Store\n\n"
        "@dataclass\nclass Job(Base):\n    name: str\n    def run(self):\n        self.store.read()\n\n"
        "async def work():\n    Job(Store(), 'b').run()\n",
        "tasks.add_task(work)",
    ),
    "the constructor of the base": (
        "class Base:\n    def __init__(self, store):\n        self.store = store\n\n"
        "class Job(Base):\n    def __init__(self, store):\n        super().__init__(store)\n\n"
        "async def work():\n    Job(Store()).store.read()\n",
        "tasks.add_task(work)",
    ),
    "the constructor of the base of the base": (
        "class Base:\n    def __init__(self, store):\n        self.store = store\n\n"
        "class Middle(Base):\n    def __init__(self, store):\n        super().__init__(store)\n\n"
        "class Job(Middle):\n    def __init__(self, store):\n        Middle.__init__(self, store=store)\n\n"
        "async def work():\n    Job(Store()).store.read()\n",
        "tasks.add_task(work)",
    ),
    "a parameter whose name is used again": (
        "async def work(store: Store):\n    store.read()\n    store = None\n",
        "tasks.add_task(work, Store())",
    ),
    "a parameter that is made into another": (
        "class Better(Store):\n    def itself(self) -> 'Better': ...\n\n"
        "async def work(store: Better):\n    store = store.itself()\n    store.read()\n",
        "tasks.add_task(work, Better())",
    ),
    "a method that callers know by a protocol": (
        "class Scheduler(Protocol):\n    def later(self, job): ...\n\n"
        "class InTasks:\n    def __init__(self, tasks: BackgroundTasks):\n        self.tasks = tasks\n"
        "    def later(self, job):\n        self.tasks.add_task(job)\n\n"
        "async def work():\n    time.sleep(5)\n\n"
        "class Service:\n    def __init__(self, scheduler: Scheduler):\n        self.scheduler = scheduler\n"
        "    def go(self):\n        self.scheduler.later(work)\n",
        "Service(InTasks(tasks)).go()",
    ),
    "an object that is called": (
        "class Later:\n    def __init__(self, tasks: BackgroundTasks):\n        self.tasks = tasks\n"
        "    def __call__(self, job):\n        self.tasks.add_task(job)\n\n"
        "async def work():\n    time.sleep(5)\n",
        "later = Later(tasks); later(work)",
    ),
    "add_task under another name": (
        "async def work():\n    time.sleep(5)\n",
        "enqueue = tasks.add_task; enqueue(work)",
    ),
    "add_task handed to a function": (
        "async def work():\n    time.sleep(5)\n\ndef go(later):\n    later(work)\n",
        "go(tasks.add_task)",
    ),
    "add_task handed to an object": (
        "async def work():\n    time.sleep(5)\n\n"
        "class Service:\n    def __init__(self, schedule):\n        self.schedule = schedule\n"
        "    def go(self):\n        self.schedule(work)\n",
        "Service(tasks.add_task).go()",
    ),
    "a field that FastAPI fills": (
        "def get_store():\n    return Store()\n\n"
        "@dataclass\nclass Job:\n    store: Store = Depends(get_store)\n    async def run(self):\n        self.store.read()\n\n"
        "async def work(job: Job = Depends()):\n    await job.run()\n",
        "tasks.add_task(work, Job())",
    ),
    "kept in the state of the request": (
        "@app.middleware('http')\nasync def with_store(request: Request, call_next):\n"
        "    request.state.store = Store()\n    return await call_next(request)\n\n"
        "async def work(request: Request):\n    request.state.store.read()\n",
        "tasks.add_task(work, asyncio.current_request())",
    ),
    "yielded by a lifespan": (
        "async def lifespan(app):\n    yield {'store': Store()}\n\n"
        "async def work(request: Request):\n    request.state.store.read()\n",
        "tasks.add_task(work, asyncio.current_request())",
    ),
    "kept by a singleton": (
        "class Job:\n    _only = None\n    def __new__(cls):\n        cls._only = super().__new__(cls)\n"
        "        cls._only.store = Store()\n        return cls._only\n"
        "    async def run(self):\n        self.store.read()\n",
        "tasks.add_task(Job().run)",
    ),
    "started in a task group": (
        "import anyio\n\nasync def slow(kind):\n    time.sleep(5)\n\n"
        "async def work():\n    async with anyio.create_task_group() as group:\n        group.start_soon(slow, 1)\n",
        "tasks.add_task(work)",
    ),
    "handed back by a thread": (
        "def build():\n    return Store()\n\nasync def work():\n    store = await run_in_threadpool(build)\n    store.read()\n",
        "tasks.add_task(work)",
    ),
    "a task that a thread hands back": (
        "async def work():\n    time.sleep(5)\n\ndef build(kind):\n    return work, kind\n",
        "task, other = await run_in_threadpool(build, kind)\n    tasks.add_task(task)",
    ),
    "registered in a thread": (
        "async def work():\n    time.sleep(5)\n\ndef register(kind, tasks):\n    tasks.add_task(work)\n",
        "await run_in_threadpool(register, kind, tasks)",
    ),
    "registered in a thread by a method": (
        "async def work():\n    time.sleep(5)\n\nclass Jobs:\n    def register(self, tasks):\n        tasks.add_task(work)\n",
        "await asyncio.to_thread(Jobs().register, tasks)",
    ),
    "declared, but kept in app.state": (
        "def store_of(request: Request) -> Store:\n    return request.app.state.store\n\n"
        "async def work(store):\n    store.read()\n\n"
        "@app.post('/stores')\nasync def stores(tasks: BackgroundTasks, store: Store = Depends(store_of)):\n    tasks.add_task(work, store)\n",
        "pass",
    ),
}
SILENT = {
    "a generator that threads go through": (
        "from fastapi.concurrency import iterate_in_threadpool\n\ndef lines():\n    time.sleep(5)\n    yield 1\n\n"
        "async def work():\n    async for line in iterate_in_threadpool(lines()):\n        len(line)\n",
        "tasks.add_task(work)",
    ),
    "a generator that a thread goes through": (
        "def lines():\n    time.sleep(5)\n    yield 1\n\n"
        "async def work():\n    found = lines()\n    while await asyncio.to_thread(next, found, None):\n        pass\n    found.close()\n",
        "tasks.add_task(work)",
    ),
    "a coroutine that a lambda makes and the runner drops": (
        "async def work():\n    time.sleep(5)\n",
        "tasks.add_task(lambda: work())",
    ),
    "a coroutine that a task returns and the runner drops": (
        "async def work():\n    time.sleep(5)\n\ndef begin():\n    return work()\n",
        "tasks.add_task(begin)",
    ),
    "refused on the loop": (
        "async def inner():\n    time.sleep(5)\n\nasync def work():\n    asyncio.run(inner())\n",
        "tasks.add_task(work)",
    ),
}


def sleeping(folder: Path, definitions: str, registers: str) -> list[str]:
    """The rules that report the sleep."""
    (folder / "main.py").write_text(APP.format(definitions=definitions, registers=f"    {registers}"))
    report = lint([folder], Config(select=("BG201", "BG303")))
    return sorted({finding.code for finding in report.findings})


@pytest.mark.parametrize(("definitions", "registers"), SLEEPS.values(), ids=SLEEPS)
def test_the_sleep_is_reached(tmp_path: Path, definitions: str, registers: str) -> None:
    assert sleeping(tmp_path, definitions, registers) == ["BG201"]


@pytest.mark.parametrize(("definitions", "registers"), SILENT.values(), ids=SILENT)
def test_the_sleep_is_not_reached(tmp_path: Path, definitions: str, registers: str) -> None:
    assert sleeping(tmp_path, definitions, registers) == []


def test_a_thread_may_run_a_loop_of_its_own(tmp_path: Path) -> None:
    definitions = "async def inner():\n    time.sleep(5)\n\ndef work():\n    asyncio.run(inner())\n"
    assert sleeping(tmp_path, definitions, "tasks.add_task(work)") == ["BG303"]


@pytest.mark.parametrize(
    "work",
    [
        "for one in session.query(int): ...",
        "[one for one in session.query(int).filter(True)]",
        "return {one: 1 for one in session.query(int)}",
    ],
)
def test_iterating_over_a_query_asks_the_database(tmp_path: Path, work: str) -> None:
    definitions = f"async def work(session: Session):\n    {work}\n"
    (tmp_path / "main.py").write_text(
        APP.format(definitions=definitions, registers="    tasks.add_task(work)")
    )
    findings = lint([tmp_path], Config(select=("BG203",))).findings
    assert [finding.code for finding in findings] == ["BG203"]


@pytest.mark.parametrize(("waits", "codes"), [("with", ["BG203"]), ("async with", [])])
def test_what_an_async_with_opens_is_awaited(tmp_path: Path, waits: str, codes: list[str]) -> None:
    definitions = (
        "from sqlalchemy import Engine\nfrom sqlalchemy.ext.asyncio import AsyncEngine\n\n"
        f"async def work(engine: Engine | AsyncEngine):\n    {waits} engine.begin(): ...\n"
    )
    (tmp_path / "main.py").write_text(
        APP.format(definitions=definitions, registers="    tasks.add_task(work)")
    )
    findings = lint([tmp_path], Config(select=("BG203",))).findings
    assert [finding.code for finding in findings] == codes


def test_many_ways_to_call_a_helper_leave_its_branches_closed(tmp_path: Path) -> None:
    definitions = "class Job:\n    def __init__(self, number): ...\n\n"
    definitions += "def helper(job, slow=False):\n    if slow:\n        time.sleep(5)\n\n"
    definitions += "".join(f"async def work{n}():\n    helper(Job({n}))\n\n" for n in range(60))
    registers = "\n    ".join(f"tasks.add_task(work{n})" for n in range(60))
    assert sleeping(tmp_path, definitions, registers) == []


def test_many_calls_do_not_hide_the_first(tmp_path: Path) -> None:
    many = "".join(f"def f{n}(): ...\n" for n in range(400))
    definitions = f"{many}\ndef last():\n    time.sleep(5)\n\nasync def work():\n    last()\n"
    definitions += "".join(f"    f{n}()\n" for n in range(400))
    assert sleeping(tmp_path, definitions, "tasks.add_task(work)") == ["BG201"]


def test_each_of_several_tasks_is_named(tmp_path: Path) -> None:
    definitions = "async def first(): ...\n\nasync def second():\n    time.sleep(5)\n"
    registers = "tasks.add_task({'a': first, 'b': second}[kind])"
    (tmp_path / "main.py").write_text(APP.format(definitions=definitions, registers=f"    {registers}"))
    (finding,) = lint([tmp_path], Config(select=("BG201",))).findings
    assert (finding.task, "`second`" in finding.message) == ("main:second", True)
    assert finding.trace[0].message == "`start` adds the task `second`"


def test_what_nobody_sets_is_not_followed(tmp_path: Path) -> None:
    definitions = "def sender(request: Request):\n    return request.app.state.sender\n\n"
    definitions += "@app.post('/mails')\nasync def mails(tasks: BackgroundTasks, sender=Depends(sender)):\n    tasks.add_task(sender.send)\n"
    (tmp_path / "main.py").write_text(APP.format(definitions=definitions, registers="    pass"))
    report = lint([tmp_path])
    assert (report.tasks, [lost.expression for lost in report.unfollowed]) == (0, ["sender.send"])


def test_a_model_of_the_project_is_as_heavy_as_its_base(tmp_path: Path) -> None:
    definitions = "class Net(torch.nn.Module): ...\n\nasync def work():\n    net = Net()\n    net(1)\n"
    text = APP.format(definitions=definitions, registers="    tasks.add_task(work)")
    (tmp_path / "main.py").write_text(text)
    assert {finding.code for finding in lint([tmp_path]).findings} == {"BG208"}
