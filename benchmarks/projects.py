"""Projects made to measure: one thing grows, everything else stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

HEAD = """\
import logging
import time

from fastapi import BackgroundTasks, FastAPI

logger = logging.getLogger(__name__)
app = FastAPI()
"""
SITE = """

@app.post("/orders/{number}")
async def order_{number}(item: str, tasks: BackgroundTasks) -> dict[str, str]:
    tasks.add_task({task}, item)
    return {{"status": "success"}}
"""
SLEEPY = """

async def remind(item: str) -> None:
    time.sleep(5)
"""
UNRELATED = '''\
"""Prices of one department."""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass
class Price:
    article: str
    amount: int

    def with_tax(self, rate: float) -> float:
        """The amount that the customer pays."""
        return self.amount * (1 + rate)


class Prices:
    def __init__(self, text: str) -> None:
        self.known = {{key: Price(key, value) for key, value in json.loads(text).items()}}

    def cheapest(self, limit: int = {number}) -> list[Price]:
        found = sorted(self.known.values(), key=lambda price: price.amount)
        return [price for price in found if price.amount < limit]

    def total(self, articles: list[str]) -> int:
        amount = 0
        for article in articles:
            if article in self.known:
                amount += self.known[article].amount
        return amount


def load(path: str) -> Prices:
    with open(path) as file:
        return Prices(file.read())
'''

Files = Mapping[str, str]


def unrelated_files(count: int) -> Files:
    """One app with one task, and files that it does not import."""
    files = {f"shop/department_{i // 100}/prices_{i}.py": UNRELATED.format(number=i) for i in range(count)}
    return {"main.py": HEAD + SLEEPY + _site(0, "remind"), **files}


def wide(count: int) -> Files:
    """A task whose function calls all the others, one after the other."""
    calls = "".join(f"    step_{i}(item)\n" for i in range(count))
    steps = "".join(_step(i, "logger.info(item)") for i in range(count))
    return {"main.py": f"{HEAD}{steps}\n\ndef work(item: str) -> None:\n{calls}{_site(0, 'work')}"}


def modules(count: int) -> Files:
    """Functions in modules of ten, each module with a task of its own that calls them all."""
    groups = range(0, count, 10)
    files = {f"services/group_{g}.py": _group(g, min(10, count - g)) for g in groups}
    imports = "".join(f"from services import group_{g}\n" for g in groups)
    sites = "".join(_site(g, f"group_{g}.work") for g in groups)
    return {"main.py": HEAD.replace("\nlogger", f"{imports}\nlogger", 1) + sites, **files}


def methods(count: int) -> Files:
    """One task whose methods of one class call each other in a tree."""
    bodies = "".join(_method(i, [c for c in (2 * i + 1, 2 * i + 2) if c < count]) for i in range(count))
    klass = (
        f"\n\nclass Worker:\n    def __init__(self, item: str) -> None:\n        self.item = item\n{bodies}"
    )
    task = "\n\ndef work(item: str) -> None:\n    Worker(item).step_0(item)\n"
    return {"main.py": HEAD + klass + task + _site(0, "work")}


def depth(count: int) -> Files:
    """A chain: each function calls the next one with its argument."""
    steps = [_step(i, f"step_{i + 1}(item)") for i in range(count - 1)]
    last = f"\n\ndef step_{count - 1}(item: str) -> None:\n    time.sleep(5)\n"
    return {"main.py": HEAD + "".join(steps) + last + _site(0, "step_0")}


def results(count: int) -> Files:
    """A chain: each function returns what the next one returns, and uses what it is given."""
    steps = "".join(
        f"\n\ndef step_{i}(item: str) -> str:\n    found = step_{i + 1}(item.strip())\n    return found\n"
        for i in range(count - 1)
    )
    last = f"\n\ndef step_{count - 1}(item: str) -> str:\n    time.sleep(5)\n    return item\n"
    task = "\n\ndef work(item: str) -> None:\n    logger.info(step_0(item))\n"
    return {"main.py": HEAD + steps + last + task + _site(0, "work")}


def sites_in_one_file(count: int) -> Files:
    """Handlers in one file, each with a task of its own."""
    tasks = "".join(_step(i, "logger.info(item)") for i in range(count))
    return {"main.py": HEAD + tasks + "".join(_site(i, f"step_{i}") for i in range(count))}


def sites_of_one_task(count: int) -> Files:
    """Handlers in one file that all add the same task."""
    return {"main.py": HEAD + SLEEPY + "".join(_site(i, "remind") for i in range(count))}


def sites_in_many_files(count: int) -> Files:
    """Routers, each in a file of its own, with a task from a shared module."""
    mail = "import time\n\n\nasync def remind(item: str) -> None:\n    time.sleep(5)\n"
    router = HEAD.replace("FastAPI\n", "APIRouter\n\nfrom mail import remind\n", 1).replace(
        "FastAPI", "APIRouter"
    )
    files = {f"routers/orders_{i}.py": router + _site(i, "remind") for i in range(count)}
    return {"mail.py": mail, **files}


def sites_of_one_helper(count: int) -> Files:
    """Handlers that hand their tasks to one helper, which adds."""
    helper = "\n\ndef enqueue(tasks: BackgroundTasks, item: str) -> None:\n    tasks.add_task(remind, item)\n"
    handlers = "".join(
        _site(i, "remind").replace("tasks.add_task(remind, item)", "enqueue(tasks, item)")
        for i in range(count)
    )
    return {"main.py": HEAD + SLEEPY + helper + handlers}


def tasks_of_one_handler(count: int) -> Files:
    """One handler that adds them all."""
    adds = "".join(f"    tasks.add_task(remind, item + '{i}')\n" for i in range(count))
    handler = _site(0, "remind").replace("    tasks.add_task(remind, item)\n", adds)
    return {"main.py": HEAD + SLEEPY + handler}


@dataclass(frozen=True)
class Growth:
    """What grows, from how many to how many, and how to make it."""

    what: str
    make: Callable[[int], Files]
    sizes: tuple[int, ...]


GROWTHS = (
    Growth("files without tasks", unrelated_files, (0, 500, 5_000, 20_000, 50_000)),
    Growth("functions that one function calls", wide, (10, 100, 1_000, 10_000)),
    Growth("functions in modules", modules, (10, 100, 1_000, 10_000)),
    Growth("methods of one class", methods, (10, 100, 1_000, 10_000)),
    Growth("depth of calls", depth, (10, 100, 1_000, 10_000)),
    Growth("depth of results", results, (10, 100, 1_000, 10_000)),
    Growth("sites in one file", sites_in_one_file, (1, 50, 500, 5_000)),
    Growth("sites of one task", sites_of_one_task, (1, 50, 500, 5_000)),
    Growth("sites in many files", sites_in_many_files, (1, 50, 500, 5_000)),
    Growth("sites of one helper", sites_of_one_helper, (1, 50, 500, 5_000)),
    Growth("tasks of one handler", tasks_of_one_handler, (1, 50, 500, 5_000)),
)


def write(files: Files, folder: Path) -> None:
    """Lay the project out in a folder, with a manifest, so that the folder is a project of its own."""
    (folder / "pyproject.toml").write_text('[project]\nname = "made"\nversion = "1"\ndependencies = []\n')
    for path, text in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)


def _site(number: int, task: str) -> str:
    return SITE.format(number=number, task=task)


def _step(number: int, body: str) -> str:
    return f"\n\ndef step_{number}(item: str) -> None:\n    {body}\n"


def _group(first: int, count: int) -> str:
    head = "import logging\n\nlogger = logging.getLogger(__name__)\n"
    steps = "".join(_step(first + i, "logger.info(item)") for i in range(count))
    calls = "".join(f"    step_{first + i}(item)\n" for i in range(count))
    return f"{head}{steps}\n\ndef work(item: str) -> None:\n{calls}"


def _method(number: int, called: list[int]) -> str:
    calls = "".join(f"        self.step_{other}(item)\n" for other in called) or "        logger.info(item)\n"
    return f"\n    def step_{number}(self, item: str) -> None:\n{calls}"
