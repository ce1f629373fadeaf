"""What a task does that a library makes, starts or wraps, where the library is not among those that the tests run."""

from __future__ import annotations

from pathlib import Path

import pytest

from bglint import Config, lint

APP = """
import asyncio
import acme, boto3, cachetools, cachetools.func, celery, dill, joblib, redis, stripe, structlog, toolz, torch, transformers
import redis.asyncio
from acme.jobs import nightly
from arq import ArqRedis
from asgiref.sync import async_to_sync, sync_to_async
from docket import Docket
from fastapi import BackgroundTasks, FastAPI, Request
from fastapi_mail import FastMail
from rq import Queue
from sqlalchemy.orm import Session

app = FastAPI()
log = structlog.get_logger()
mail = FastMail(None)
shared = redis.asyncio.Redis()
plain = redis.Redis()


@celery.shared_task
def report(month):
    log.info(month)


@toolz.curry
def curried(month, year):
    log.info(month)


@cachetools.cached(cachetools.TTLCache(10, 60))
async def rates(month):
    await shared.get(month)


@cachetools.func.ttl_cache
async def prices(month):
    await shared.get(month)


@cachetools.cached({{}})
def sums(month):
    log.info(month)


@app.post("/jobs")
async def start(
    request: Request, tasks: BackgroundTasks, arq: ArqRedis, db: Session, docket: Docket, queue: Queue
):
    tasks.add_task({task})
"""

COROUTINES = (
    "mail.send_message(None)",
    "shared.publish('a', 'b')",
    "arq.enqueue_job('import')",
)
CALLED_NOW = (
    "report.delay(1)",
    "report.apply_async(args=[1])",
    "queue.enqueue('jobs.report', 1)",
    "plain.set('a', 1)",
    "db.commit()",
    "log.info('a')",
    "stripe.Charge.create(amount=1)",
    "boto3.client('s3').upload_file('a', 'b', 'c')",
    "await shared.get('a')",
    "asyncio.gather(shared.get('a'), shared.get('b'))",
)
UNKNOWN = (
    "acme.notify('a')",
    "nightly('a')",
    "await acme.notify('a')",
    "request.app.state.mailer.notify('a')",
)
PERHAPS_CALLABLE = (
    "acme.make_job('a')",
    "acme.wrap(report), 1",
    "acme.notify('a'), 1",
    "acme.Job('a')",
    "acme.registry['a']",
    "acme.registry['a']('b')",
    "acme.registry.get('a'), 1",
    "report.s(1)",
    "report.si(1)",
    "celery.chain(report.s(1), report.s(2))",
    "celery.signature('report', args=(1,))",
    "sync_to_async(report), 1",
    "async_to_sync(rates), 1",
    "docket.add(report), 1",
    "transformers.pipeline('a'), 'b'",
    "torch.load('a')",
    "joblib.load('a')",
    "dill.load('a')",
    "plain.register_script('a')",
    "curried(1)",
    "toolz.partial(report, 1)",
)


def found(folder: Path, task: str, code: str) -> list[tuple[str, str, str]]:
    """Level, message and fix of what a rule says of a task."""
    (folder / "main.py").write_text(APP.format(task=task), "utf-8")
    report = lint([folder], Config(select=(code,)))
    assert report.tasks + len(report.unfollowed) == 1
    return [(f.level, f.message, f"{f.cure} {f.fix.safe if f.fix else None}") for f in report.findings]


@pytest.mark.parametrize("task", COROUTINES)
def test_a_coroutine_of_a_library_is_no_task(task: str, tmp_path: Path) -> None:
    ((level, message, _),) = found(tmp_path, task, "BG101")
    assert level == "error"
    assert "coroutine that nobody awaits" in message


@pytest.mark.parametrize("task", CALLED_NOW)
def test_the_result_of_a_library_is_no_task(task: str, tmp_path: Path) -> None:
    ((level, message, _),) = found(tmp_path, task, "BG101")
    assert level == "error"
    assert " now" in message


@pytest.mark.parametrize("task", UNKNOWN)
def test_an_unknown_result_may_be_no_task(task: str, tmp_path: Path) -> None:
    ((level, message, _),) = found(tmp_path, task, "BG101")
    assert level == "warning"
    assert "if it is no function" in message


@pytest.mark.parametrize("task", PERHAPS_CALLABLE)
def test_what_may_be_called_is_left_alone(task: str, tmp_path: Path) -> None:
    assert found(tmp_path, task, "BG101") == []


def test_only_an_async_def_is_handed_over_as_it_is(tmp_path: Path) -> None:
    ((_, _, written),) = found(tmp_path, "arq.enqueue_job('import')", "BG101")
    assert written.startswith("Write `add_task(arq.enqueue_job, ...)`")
    assert written.endswith("True")
    ((_, _, written),) = found(tmp_path, "shared.publish('a', 'b')", "BG101")
    assert written.startswith("Write an `async def` that awaits `shared.publish(...)`")
    assert written.endswith("None")


@pytest.mark.parametrize("task", ["rates, 1", "prices, 1"])
def test_an_async_task_behind_a_cache_does_nothing(task: str, tmp_path: Path) -> None:
    ((level, message, _),) = found(tmp_path, task, "BG105")
    assert level == "error"
    assert "async behind a cache" in message
    assert found(tmp_path, task, "BG401") == []


def test_a_plain_task_behind_a_cache_works(tmp_path: Path) -> None:
    assert found(tmp_path, "sums, 1", "BG105") == []
