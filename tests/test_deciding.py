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
    "handled": "try:\n    if not slow:\n        raise ValueError\nexcept ValueError:\n    pass\ntime.sleep(5)",
    "changed on the way": "async def inner(slow=True):\n    if slow:\n        time.sleep(5)\nasync def outer(**more):\n    more['slow'] = True\n    await inner(**more)\nawait outer(slow=slow)",
}


@pytest.mark.parametrize("body", NOT_REACHED.values(), ids=NOT_REACHED)
def test_not_reached(tmp_path: Path, body: str) -> None:
    assert not sleeps(tmp_path, "slow=False", "", body)


@pytest.mark.parametrize("body", REACHED.values(), ids=REACHED)
def test_reached(tmp_path: Path, body: str) -> None:
    assert sleeps(tmp_path, "slow=False", "", body)
