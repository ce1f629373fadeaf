"""Three tasks that look as if they ran side by side: each one waits for the one before."""

import logging
import time

from fastapi import BackgroundTasks, FastAPI

app = FastAPI()
logger = logging.getLogger(__name__)


def draw_chart(month: str) -> None:
    time.sleep(10)  # stands for a slow library
    logger.info("chart of %s drawn", month)


def write_summary(month: str) -> None:
    logger.info("summary of %s written", month)


def warm_cache(month: str) -> None:
    logger.info("cache of %s warm", month)


@app.post("/reports")
def create_report(month: str, tasks: BackgroundTasks) -> dict[str, str]:
    tasks.add_task(draw_chart, month)
    tasks.add_task(write_summary, month)
    tasks.add_task(warm_cache, month)
    return {"status": "accepted"}
