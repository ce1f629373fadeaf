"""`bglint tasks`: the map of what runs after which response."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bglint import Config
from bglint.report import tasks as drawn
from bglint.taskmap import Origin, Task, task_map
from tests.apps import SLEEPY, Bglint

SHOP = """\
import httpx
from fastapi import APIRouter, BackgroundTasks, Depends
from mail import send

router = APIRouter()


def audit(tasks: BackgroundTasks) -> None:
    tasks.add_task(print, "audited")


async def fetch(url: str) -> None:
    async with httpx.AsyncClient() as client:
        await client.get(url)


class Orders:
    def __init__(self, tasks: BackgroundTasks) -> None:
        self.tasks = tasks

    def confirm(self) -> None:
        self.tasks.add_task(send, "a@b.c")


@router.post("/orders", dependencies=[Depends(audit)])
async def order(tasks: BackgroundTasks) -> dict[str, str]:
    tasks.add_task(fetch, "https://x.example")
    Orders(tasks).confirm()
    tasks.add_task(unknown_thing())
    return {}
"""
MAIL = "import smtplib\n\n\ndef send(to: str) -> None:\n    smtplib.SMTP('localhost', timeout=5).sendmail('', to, '')\n"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "mail.py").write_text(MAIL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_each_origin_lists_its_tasks_in_the_order_in_which_they_run(shop: Path) -> None:
    dependency, route = task_map(["."], Config())
    assert (dependency.title, dependency.handler) == ("dependency", "audit")
    assert (route.title, route.handler, route.path, route.line) == ("POST /orders", "order", "shop.py", 26)
    assert route.tasks == (
        Task("fetch", "shop.py", 27, "event loop", ("network",)),
        Task("send", "shop.py", 22, "thread", ("network",)),
        Task("unknown_thing()", "shop.py", 29, "unknown", ()),
    )


def test_only_what_touches_the_given_files_is_shown(shop: Path) -> None:
    (shop / "pyproject.toml").write_text("")
    (shop / "other.py").write_text(SLEEPY)
    assert [origin.path for origin in task_map(["other.py"], Config())] == ["other.py"]


def test_the_three_forms(bglint: Bglint, sleepy: Path) -> None:
    assert bglint("tasks").out == (
        "POST /signup  signup  app.py:13\n└── 1. remind  event loop  sleep  app.py:14\n\n"
    )
    assert json.loads(bglint("tasks", "--output-format", "json").out) == [
        {
            "title": "POST /signup",
            "handler": "signup",
            "path": "app.py",
            "line": 13,
            "tasks": [
                {"name": "remind", "path": "app.py", "line": 14, "where": "event loop", "effects": ["sleep"]}
            ],
        }
    ]
    assert bglint("tasks", "--output-format", "mermaid").out == (
        'flowchart LR\n    r0["POST /signup<br>signup"]\n    r0t0("remind<br>event loop<br>sleep")\n    r0 --> r0t0\n'
    )


def test_mermaid_is_not_broken_by_a_name() -> None:
    evil = Task('f"]<b>&', "a.py", 1, "thread", ())
    drawing = drawn.as_mermaid([Origin("GET /", "h", "a.py", 1, (evil,))])
    assert '("f#quot;]#lt;b#gt;#amp;<br>thread")' in drawing


def test_a_project_without_tasks_says_so(bglint: Bglint, tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text("x = 1\n")
    assert bglint("tasks").out == "No tasks found.\n"
