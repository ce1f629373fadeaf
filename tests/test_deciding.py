"""Branches that the arguments of the calls on the way close are not read; those that may be open are."""

from __future__ import annotations

from pathlib import Path

import pytest

from bglint import lint

APP = """
import enum, os, time
from fastapi import BackgroundTasks, FastAPI
app = FastAPI()

class Mode(enum.Enum):
    FAST = "fast"
    SLOW = "slow"

class Settings:
    slow = False

settings = Settings()

async def task({parameters}):
{body}

@app.post("/jobs")
async def start(tasks: BackgroundTasks, wanted: bool):
    tasks.add_task(task{arguments})
"""


def sleeps(tmp_path: Path, parameters: str, arguments: str, body: str) -> bool:
    """Is the `time.sleep` of the task reported?"""
    lines = "\n".join(f"    {line}" for line in body.split("\n"))
    text = APP.format(parameters=parameters, arguments=f", {arguments}" if arguments else "", body=lines)
    (tmp_path / "main.py").write_text(text)
    return "BG201" in {finding.code for finding in lint([tmp_path]).findings}


ASKS = "if {test}:\n    time.sleep(5)"

CLOSED = {
    "default": ("slow=False", "", "slow"),
    "literal": ("slow", "False", "slow"),
    "keyword": ("slow=True", "slow=False", "slow"),
    "none default": ("way=None", "", "way"),
    "is not None": ("way=None", "", "way is not None"),
    "function is None": ("way", "start", "way is None"),
    "negated": ("quiet", "True", "not quiet"),
    "and": ("slow=False, more=3", "", "more and slow"),
    "or": ("slow=False, more=None", "", "more or slow"),
    "equal": ("mode='fast'", "", "mode == 'slow'"),
    "unequal": ("mode='fast'", "", "mode != 'fast'"),
    "in": ("mode='fast'", "", "mode in ('slow', 'slower')"),
    "enum": ("mode", "Mode.FAST", "mode == Mode.SLOW"),
    "enum default": ("mode=Mode.FAST", "", "mode is Mode.SLOW"),
    "isinstance": ("value", "0", "isinstance(value, (str, bytes))"),
    "starts with": ("name", "'SLOW_DOWN'", "name.startswith('os.environ/')"),
}
OPEN = {
    "true": ("slow=True", "", "slow"),
    "unknown": ("slow=False", "wanted", "slow"),
    "setting": ("slow=True", "settings.slow", "slow"),
    "environment": ("slow=False", "os.environ.get('SLOW')", "slow"),
    "either": ("slow=False", "True if wanted else False", "slow"),
    "spread": ("slow=False", "**settings.options", "slow"),
    "another name": ("slow=False", "", "settings.slow"),
    "enum": ("mode", "Mode.SLOW", "mode == Mode.SLOW"),
    "or": ("slow=False, more=None", "", "more or slow or wanted"),
    "isinstance": ("value", "0", "isinstance(value, (int, bytes))"),
    "starts with": ("name", "'SLOW_DOWN'", "name.startswith('SLOW')"),
    "changed text": ("name", "'SLOW_DOWN'", "name.lower().startswith('s')"),
}


@pytest.mark.parametrize(("parameters", "arguments", "test"), CLOSED.values(), ids=CLOSED)
def test_closed(tmp_path: Path, parameters: str, arguments: str, test: str) -> None:
    assert not sleeps(tmp_path, parameters, arguments, ASKS.format(test=test))


@pytest.mark.parametrize(("parameters", "arguments", "test"), OPEN.values(), ids=OPEN)
def test_open(tmp_path: Path, parameters: str, arguments: str, test: str) -> None:
    assert sleeps(tmp_path, parameters, arguments, ASKS.format(test=test))


NOT_REACHED = {
    "left early": "if not slow:\n    return\ntime.sleep(5)",
    "raised early": "if slow is False:\n    raise ValueError\ntime.sleep(5)",
    "other arm": "if not slow:\n    pass\nelse:\n    time.sleep(5)",
    "left out of try": "try:\n    if not slow:\n        return\n    time.sleep(5)\nfinally:\n    pass",
    "loop": "while slow:\n    time.sleep(5)",
    "one of two": "time.sleep(5) if slow else None",
    "short circuit": "slow and time.sleep(5)",
    "by another name": "long = slow and True\nif long:\n    time.sleep(5)",
    "handed on": "async def inner(slow):\n    if slow:\n        time.sleep(5)\nawait inner(slow)",
    "closure": "async def inner():\n    if slow:\n        time.sleep(5)\nawait inner()",
    "set in a closed arm": "if slow:\n    slow = True\nif slow:\n    time.sleep(5)",
    "given on by or": "call = slow and time.sleep or print\ncall(5)",
    "given on by if": "call = time.sleep if slow else print\ncall(5)",
    "until it is set": "if slow:\n    time.sleep(5)\nslow = True",
}
REACHED = {
    "set before": "slow = True\nif slow:\n    time.sleep(5)",
    "set in an open arm": "if not slow:\n    slow = True\nif slow:\n    time.sleep(5)",
    "given on": "call = time.sleep if not slow else print\ncall(5)",
    "counted up": "slow += 1\nif slow:\n    time.sleep(5)",
    "set in a loop": "for _ in range(3):\n    if slow:\n        time.sleep(5)\n    slow = True",
    "set for a closure": "async def inner():\n    if slow:\n        time.sleep(5)\nslow = True\nawait inner()",
    "made of itself": "again = again or slow\nif again:\n    time.sleep(5)",
    "made of each other": "again = more or slow\nmore = again or slow\nif more:\n    time.sleep(5)",
    "handled": "try:\n    if not slow:\n        raise ValueError\nexcept ValueError:\n    pass\ntime.sleep(5)",
    "changed on the way": "async def inner(slow=True):\n    if slow:\n        time.sleep(5)\nasync def outer(**more):\n    more['slow'] = True\n    await inner(**more)\nawait outer(slow=slow)",
}


@pytest.mark.parametrize("body", NOT_REACHED.values(), ids=NOT_REACHED)
def test_not_reached(tmp_path: Path, body: str) -> None:
    assert not sleeps(tmp_path, "slow=False", "", body)


@pytest.mark.parametrize("body", REACHED.values(), ids=REACHED)
def test_reached(tmp_path: Path, body: str) -> None:
    assert sleeps(tmp_path, "slow=False", "", body)


OWN = """
import time
from fastapi import BackgroundTasks, FastAPI
app = FastAPI()

class Job:
    def __init__(self, folder=None, level=0):
        self._folder = folder
        self._level = level
        self.public = folder

    async def run(self):
        if {test}:
            time.sleep(5)

    def other(self):
        {other}

@app.post("/jobs")
async def start(tasks: BackgroundTasks, name: str):
    job = {job}
    tasks.add_task(job.run)
"""
OWN_TESTS = {
    "left out": ("self._folder", "pass", "Job()", False),
    "given as none": ("self._folder is not None", "pass", "Job(None)", False),
    "another value": ("self._level > 1 or self._folder", "pass", "Job()", True),
    "equal": ("self._level == 1", "pass", "Job(level=0)", False),
    "given": ("self._folder", "pass", "Job('here')", True),
    "given by the client": ("self._folder", "pass", "Job(name)", True),
    "set by another method": ("self._folder", "self._folder = 'here'", "Job()", True),
    "set by name": ("self._folder", "setattr(self, '_folder', 'here')", "Job()", True),
    "public": ("self.public", "pass", "Job()", False),
    "public and set from outside": ("self.public", "pass", "Job()\n    job.public = name", True),
}


@pytest.mark.parametrize(("test", "other", "job", "expected"), OWN_TESTS.values(), ids=OWN_TESTS)
def test_what_a_constructor_keeps_decides(
    tmp_path: Path, test: str, other: str, job: str, expected: bool
) -> None:
    (tmp_path / "main.py").write_text(OWN.format(test=test, other=other, job=job))
    assert ("BG201" in {finding.code for finding in lint([tmp_path]).findings}) is expected


FIELDS = """
import time
from dataclasses import dataclass, field
from typing import Optional
from fastapi import BackgroundTasks, FastAPI
from pydantic import BaseModel, Field, field_validator
app = FastAPI()

{kind}
    folder: Optional[str] = {default}
    level: int = 0
    {more}

async def run(job: Job):
    if job.folder:
        time.sleep(5)

async def change(job, other):
    {change}

@app.post("/jobs")
async def start(tasks: BackgroundTasks, name: str):
    tasks.add_task(run, {job})
"""
DATA, MODEL = "@dataclass\nclass Job:", "class Job(BaseModel):"
FIELD_TESTS = {
    "left out": (DATA, "None", "", "pass", "Job()", False),
    "left out of a model": (MODEL, "None", "", "pass", "Job(level=1)", False),
    "a field": (DATA, "field(default=None)", "", "pass", "Job()", False),
    "a field of a model": (MODEL, 'Field(None, description="where")', "", "pass", "Job()", False),
    "given": (DATA, "None", "", "pass", "Job('here')", True),
    "given by the client": (DATA, "None", "", "pass", "Job(folder=name)", True),
    "given as none": (DATA, "'here'", "", "pass", "Job(None)", False),
    "perhaps given": (DATA, "None", "", "pass", "Job(**app.extra)", True),
    "made by a factory": (DATA, "field(default_factory=str)", "", "pass", "Job()", True),
    "by another name": (MODEL, 'Field(None, alias="dir")', "", "pass", "Job(dir=name)", True),
    "set afterwards": (DATA, "None", "", "other = Job()\n    other.folder = job", "Job()", True),
    "set of who knows what": (DATA, "None", "", "other.folder = job", "Job()", True),
    "set by name": (DATA, "None", "", "setattr(Job(), other, 1)", "Job()", True),
    "set of something else": (DATA, "None", "", "app.folder = job", "Job()", True),
    "set by a name that is written": (DATA, "None", "", "setattr(job, 'level', 1)", "Job()", False),
    "compared": (DATA, "None", "", "print(other.folder == job)", "Job()", False),
    "set by a method": (DATA, "None", "def go(self):\n        self.folder = 'x'", "pass", "Job()", True),
    "set after the constructor": (DATA, "None", "def __post_init__(self): load(self)", "pass", "Job()", True),
    "validated": (
        MODEL, "None", "@field_validator('folder')\n    def check(cls, value): return 'x'", "pass", "Job()", True
    ),
    "of a class that others fill": ("class Job(Base):", "None", "", "pass", "Job()", True),
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "default", "more", "change", "job", "expected"), FIELD_TESTS.values(), ids=FIELD_TESTS
)
def test_what_a_field_was_given_decides(
    tmp_path: Path, kind: str, default: str, more: str, change: str, job: str, expected: bool
) -> None:
    text = FIELDS.format(kind=kind, default=default, more=more, change=change, job=job)
    (tmp_path / "main.py").write_text(text)
    assert ("BG201" in {finding.code for finding in lint([tmp_path]).findings}) is expected


KINDS = """
import time
from fastapi import BackgroundTasks, FastAPI
app = FastAPI()

class New: ...
class Newer(New): ...
class Old: ...

async def task(value):
    if isinstance(value, {kinds}):
        time.sleep(5)

@app.post("/jobs")
async def start(tasks: BackgroundTasks, given: Old):
    tasks.add_task(task, {value})
"""
OF_KIND = {
    ("Newer()", "New"): True,
    ("New()", "Old"): False,
    ("New()", "(Old, str)"): False,
    ("New()", "(Old, New)"): True,
    ("None", "New"): False,
    ("'text'", "(New, str)"): True,
    ("given", "New"): True,
    ("New()", "Missing"): True,
}


@pytest.mark.parametrize(("value", "kinds"), OF_KIND)
def test_the_class_of_what_was_made_decides(tmp_path: Path, value: str, kinds: str) -> None:
    (tmp_path / "main.py").write_text(KINDS.format(value=value, kinds=kinds))
    found = "BG201" in {finding.code for finding in lint([tmp_path]).findings}
    assert found is OF_KIND[value, kinds]


SPREAD = """
import time
from fastapi import BackgroundTasks, FastAPI
app = FastAPI()

async def work(name="", slow=False, **more):
    if slow:
        time.sleep(5)

async def fill(options):
    options["slow"] = True

async def show(options):
    return options.get("name")

async def options_of(name) -> dict:
    found = {{}}
    if name:
        found["name"] = name
    return found

async def pair_of(name) -> tuple[dict, str]:
    return {{"name": name}}, name

async def open_options() -> dict:
    return load()

async def task(name, others=None):
{body}

@app.post("/jobs")
async def start(tasks: BackgroundTasks, name: str):
    tasks.add_task(task, name)
"""

LEFT_OUT = {
    "a display": 'options = {"name": name}\nawait work(**options)',
    "a display itself": 'await work(**{"name": name})',
    "dict()": "options = dict(name=name)\nawait work(**options)",
    "set later": 'options = {}\noptions["name"] = name\nawait work(**options)',
    "a display in a display": 'first = {"name": name}\noptions = {"more": 1, **first}\nawait work(**options)',
    "a display in dict()": 'first = {"name": name}\nawait work(**dict(more=1, **first))',
    "handed back": "options = await options_of(name)\nawait work(**options)",
    "handed back in a tuple": "options, other = await pair_of(name)\nawait work(**options)",
    "shown to others": 'options = {"name": name}\nawait show(options)\nawait work(**options)',
    "handed to a helper": 'async def inner(given):\n    await work(**given)\nawait inner({"name": name})',
    "asked": 'options = {"name": name}\nif options is not None and "x" not in options:\n    await work(**options)',
}
PERHAPS_GIVEN = {
    "not known": "await work(**others)",
    "given": 'options = {"name": name, "slow": True}\nawait work(**options)',
    "set in a branch": 'options = {"name": name}\nif name:\n    options["slow"] = True\nawait work(**options)',
    "set under a key": 'options = {"name": name}\noptions[name] = True\nawait work(**options)',
    "updated": 'options = {"name": name}\noptions.update(others)\nawait work(**options)',
    "filled by a helper": 'options = {"name": name}\nawait fill(options)\nawait work(**options)',
    "handed to somebody": 'options = {"name": name}\napp.extra(options)\nawait work(**options)',
    "kept elsewhere": 'options = {"name": name}\nother = options\nother["slow"] = True\nawait work(**options)',
    "handed back by others": "options = await open_options()\nawait work(**options)",
    "set after it was handed back": 'options = await options_of(name)\noptions["slow"] = True\nawait work(**options)',
    "set by a function inside": 'options = {"name": name}\ndef more():\n    options["slow"] = True\nmore()\nawait work(**options)',
    "one of two": 'options = {"name": name}\nif name:\n    options = others\nawait work(**options)',
}


def sleeps_in(tmp_path: Path, body: str) -> bool:
    lines = "\n".join(f"    {line}" for line in body.split("\n"))
    (tmp_path / "main.py").write_text(SPREAD.format(body=lines))
    return "BG201" in {finding.code for finding in lint([tmp_path]).findings}


@pytest.mark.parametrize("body", LEFT_OUT.values(), ids=LEFT_OUT)
def test_what_a_spread_dict_leaves_out_is_not_given(tmp_path: Path, body: str) -> None:
    assert not sleeps_in(tmp_path, body)


@pytest.mark.parametrize("body", PERHAPS_GIVEN.values(), ids=PERHAPS_GIVEN)
def test_what_a_spread_dict_may_hold_may_be_given(tmp_path: Path, body: str) -> None:
    assert sleeps_in(tmp_path, body)


EITHER = """
import asyncio, functools, inspect, time
from fastapi import BackgroundTasks, FastAPI
from starlette.concurrency import run_in_threadpool
app = FastAPI()

{decorator}

@safely
{kind} work(name):
    time.sleep(5)

@app.post("/jobs")
async def start(tasks: BackgroundTasks, name: str):
    tasks.add_task(work, name)
"""
ASKS_WHETHER_ASYNC = {
    "in the wrapper": """
def safely(fn):
    @functools.wraps(fn)
    async def run(*args):
        if inspect.iscoroutinefunction(fn):
            await fn(*args)
        else:
            await run_in_threadpool(fn, *args)
    return run
""",
    "around the wrapper": """
def safely(fn):
    is_async = asyncio.iscoroutinefunction(fn)
    async def run(*args):
        if not is_async:
            return await run_in_threadpool(fn, *args)
        return await fn(*args)
    return run
""",
    "by two wrappers": """
def safely(fn):
    if inspect.iscoroutinefunction(fn):
        async def run(*args):
            await fn(*args)
    else:
        def run(*args):
            fn(*args)
    return run
""",
    "of an attribute": """
class safely:
    def __init__(self, fn):
        self.fn = fn
    async def __call__(self, *args):
        if inspect.iscoroutinefunction(self.fn):
            await self.fn(*args)
        else:
            await run_in_threadpool(self.fn, *args)
""",
    "of a partial": """
async def either(job):
    if inspect.iscoroutinefunction(job):
        await job()
    else:
        await run_in_threadpool(job)
def safely(fn):
    async def run(*args):
        await either(functools.partial(fn, *args))
    return run
""",
}


@pytest.mark.parametrize("decorator", ASKS_WHETHER_ASYNC.values(), ids=ASKS_WHETHER_ASYNC)
def test_whether_a_function_is_async_decides(tmp_path: Path, decorator: str) -> None:
    for kind, expected in (("def", set()), ("async def", {"BG201"})):
        (tmp_path / "main.py").write_text(EITHER.format(decorator=decorator, kind=kind))
        assert {finding.code for finding in lint([tmp_path]).findings} & {"BG201", "BG202"} == expected
