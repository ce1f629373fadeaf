"""A callable that is put into a collection is followed when the collection is taken from."""

from __future__ import annotations

from pathlib import Path

import pytest

from bglint import Config, lint

TASK = """
import time
from collections import defaultdict, deque
from functools import partial
from fastapi import BackgroundTasks, FastAPI

app = FastAPI()


async def slow(text: str = "") -> None:
    time.sleep(5)


async def quick(text: str = "") -> None: ...

"""
ROUTE = """
@app.post("/mails")
async def handler(tasks: BackgroundTasks, kind: str = "mail"):
{body}
"""
LOCAL = {
    "append": "hooks = []\nhooks.append(slow)\nfor hook in hooks:\n    tasks.add_task(hook)",
    "list()": "hooks = list()\nhooks.append(slow)\nfor hook in hooks:\n    tasks.add_task(hook)",
    "deque": "hooks = deque()\nhooks.appendleft(slow)\nfor hook in hooks:\n    tasks.add_task(hook)",
    "insert": "hooks = []\nhooks.insert(0, slow)\ntasks.add_task(hooks[0])",
    "add": "hooks = set()\nhooks.add(slow)\nfor hook in hooks:\n    tasks.add_task(hook)",
    "extend": "hooks = []\nhooks.extend([quick, slow])\nfor hook in hooks:\n    tasks.add_task(hook)",
    "+=": "hooks = [quick]\nhooks += [slow]\nfor hook in hooks:\n    tasks.add_task(hook)",
    "a branch": "hooks = []\nif kind:\n    hooks.append(slow)\nfor hook in hooks:\n    tasks.add_task(hook)",
    "pairs": "hooks = []\nhooks.append((slow, kind))\nfor hook, text in hooks:\n    tasks.add_task(hook, text)",
    "key": 'hooks = {}\nhooks["mail"] = slow\ntasks.add_task(hooks[kind])',
    "the key asked for": 'hooks = {}\nhooks["a"] = slow\nhooks["b"] = quick\ntasks.add_task(hooks["a"])',
    "get": 'hooks = {"a": quick}\nhooks["mail"] = slow\ntasks.add_task(hooks.get(kind, quick))',
    "setdefault": 'hooks = {}\nhooks.setdefault("mail", slow)\ntasks.add_task(hooks[kind])',
    "lists by key": 'hooks = defaultdict(list)\nhooks["mail"].append(slow)\nfor hook in hooks[kind]:\n    tasks.add_task(hook)',
    "made when needed": 'hooks = {}\nhooks.setdefault("mail", []).append(slow)\nfor hook in hooks[kind]:\n    tasks.add_task(hook)',
    "partial": "hooks = []\nhooks.append(partial(slow, kind))\nfor hook in hooks:\n    tasks.add_task(hook)",
}
ELSEWHERE = {
    "another key": 'hooks = {}\nhooks["a"] = slow\nhooks["b"] = quick\ntasks.add_task(hooks["b"])',
    "another list": "hooks, others = [], []\nothers.append(slow)\nhooks.append(quick)\nfor hook in hooks:\n    tasks.add_task(hook)",
    "only counted": "hooks = []\nhooks.append(slow)\ntasks.add_task(quick, str(len(hooks)))",
}
KEPT = {
    "a global list": (
        "HOOKS = []\nHOOKS.append(slow)\n",
        "for hook in HOOKS:\n    tasks.add_task(hook)",
    ),
    "a global dict": (
        'HOOKS: dict = {}\nHOOKS["mail"] = slow\n',
        "tasks.add_task(HOOKS[kind])",
    ),
    "a registering call": (
        "HOOKS = []\ndef register(hook):\n    HOOKS.append(hook)\n\nregister(slow)\n",
        "for hook in HOOKS:\n    tasks.add_task(hook)",
    ),
    "a decorator": (
        "HOOKS = []\ndef register(hook):\n    HOOKS.append(hook)\n    return hook\n\n"
        "@register\nasync def mail() -> None:\n    time.sleep(5)\n",
        "for hook in HOOKS:\n    tasks.add_task(hook)",
    ),
    "a decorator with a key": (
        "HOOKS = {}\ndef on(event):\n    def keep(hook):\n        HOOKS[event] = hook\n        return hook\n    return keep\n\n"
        '@on("mail")\nasync def mail() -> None:\n    time.sleep(5)\n',
        "tasks.add_task(HOOKS[kind])",
    ),
    "a bus": (
        "class Bus:\n    def __init__(self) -> None:\n        self.hooks = defaultdict(list)\n\n"
        "    def on(self, event: str, hook) -> None:\n        self.hooks[event].append(hook)\n\n"
        'bus = Bus()\nbus.on("mail", slow)\n',
        "for hook in bus.hooks[kind]:\n    tasks.add_task(hook)",
    ),
    "a bus with a decorator": (
        "class Bus:\n    def __init__(self) -> None:\n        self.hooks = defaultdict(list)\n\n"
        "    def on(self, event: str):\n        def register(hook):\n            self.hooks[event].append(hook)\n"
        "            return hook\n        return register\n\n"
        'bus = Bus()\n\n@bus.on("mail")\nasync def mail() -> None:\n    time.sleep(5)\n',
        "for hook in bus.hooks[kind]:\n    tasks.add_task(hook)",
    ),
    "an attribute of self": (
        "class Mailer:\n    def __init__(self) -> None:\n        self.hooks = []\n        self.prepare()\n\n"
        "    def prepare(self) -> None:\n        self.hooks.append(slow)\n\nmailer = Mailer()\n",
        "for hook in mailer.hooks:\n    tasks.add_task(hook)",
    ),
}


def found(folder: Path, definitions: str, body: str) -> tuple[int, int]:
    """How many tasks were followed, and how many of them sleep on the event loop."""
    indented = "\n".join(f"    {line}" for line in body.splitlines())
    (folder / "main.py").write_text(TASK + definitions + ROUTE.format(body=indented))
    report = lint([folder], Config(select=("BG201",)))
    return report.tasks, len(report.findings)


@pytest.mark.parametrize("body", LOCAL.values(), ids=LOCAL)
def test_what_is_put_in_is_followed(tmp_path: Path, body: str) -> None:
    assert found(tmp_path, "", body) == (1, 1)


@pytest.mark.parametrize("body", ELSEWHERE.values(), ids=ELSEWHERE)
def test_what_is_not_taken_out_is_not(tmp_path: Path, body: str) -> None:
    assert found(tmp_path, "", body) == (1, 0)


@pytest.mark.parametrize(("definitions", "body"), KEPT.values(), ids=KEPT)
def test_what_is_kept_for_later_is_followed(tmp_path: Path, definitions: str, body: str) -> None:
    assert found(tmp_path, definitions, body) == (1, 1)


def test_a_registry_that_other_modules_fill(tmp_path: Path) -> None:
    (tmp_path / "registry.py").write_text(
        "HOOKS = {}\n\ndef hook(function):\n    HOOKS[function.__name__] = function\n"
    )
    (tmp_path / "mails.py").write_text(
        "import time\nimport registry\n\n@registry.hook\nasync def mail() -> None:\n    time.sleep(5)\n"
    )
    (tmp_path / "news.py").write_text(
        "import time\nfrom registry import HOOKS\n\nasync def news() -> None:\n    time.sleep(5)\n\nHOOKS['news'] = news\n"
    )
    assert found(tmp_path, "from registry import HOOKS\n", "tasks.add_task(HOOKS[kind])") == (1, 2)
