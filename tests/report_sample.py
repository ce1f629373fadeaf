"""A report with everything that a format may stumble over."""

from __future__ import annotations

from bglint.model import Edit, Finding, Fix, Problem, Report, Span, Step, Suppressed, Unfollowed

MAIL = "async def send(to):\n    x = '🙂é'; time.sleep(5)\n"
MAIN = "import time\n\nawait tasks.add_task(\n    send,\n    to,\n)\n"

SLEEP = Finding(
    code="BG201",
    name="blocking-sleep",
    level="error",
    message="The async task sleeps with `time.sleep`, and for 5 s the server answers nobody.",
    path="app/mail.py",
    span=Span(2, 15, 2, 28),
    cure="Write `await asyncio.sleep(5)`.",
    task="app.mail:send",
    trace=(
        Step("app/main.py", Span(3, 7, 6, 2), "`send` is added as a task here, and gets 100% of `to`"),
        Step("app/mail.py", Span(2, 15, 2, 28), "`time.sleep(5)` stops the event loop"),
    ),
    fix=Fix(
        "Sleep with asyncio",
        (
            Edit("app/mail.py", Span(2, 15, 2, 25), "await asyncio.sleep"),
            Edit("app/mail.py", Span(1, 1, 1, 1), "import asyncio\n"),
        ),
        safe=True,
    ),
    symbol="send",
    expression="time.sleep(5)",
    other_tasks=2,
)
AWAITED = Finding(
    code="BG102",
    name="awaited-add-task",
    level="warning",
    message="Awaiting `add_task`, which returns None:\n\x1b[31mthe request fails, 100% of the time.",
    path="app/ma:in, ü 1.py",
    span=Span(3, 1, 6, 2),
    cure="Drop `await`.",
    fix=Fix("Drop `await`", (Edit("app/ma:in, ü 1.py", Span(3, 1, 3, 7), ""),), safe=False),
    expression="await tasks.add_task(\n    send,\n    to,\n)",
)
QUESTION = Finding(
    code="BG702",
    name="work-lost-at-restart",
    level="advice",
    message="May this work be lost?",
    path="app/mail.py",
    span=Span(2, 15, 2, 28),
    symbol="send",
    expression="time.sleep(5)",
)
TWIN = Finding(
    code="BG702",
    name="work-lost-at-restart",
    level="advice",
    message="May this work be lost?",
    path="app/mail.py",
    span=Span(7, 5, 7, 18),
    symbol="send",
    expression="time.sleep( 5 )",
)

REPORT = Report(
    findings=(AWAITED, SLEEP, QUESTION, TWIN),
    problems=(
        Problem("app/broken.py", "'(' was never closed", 7),
        Problem("", "No lock file: <FastAPI> unknown"),
    ),
    unfollowed=(Unfollowed("app/main.py", Span(9, 5, 9, 9), "handlers[kind]", "its value is not known"),),
    suppressed=(Suppressed(TWIN, "comment", "it may"),),
    notes=("FastAPI 0.115.14",),
    files=12,
    tasks=7,
    seconds=0.1234,
    sources={"app/mail.py": MAIL},
)
EMPTY = Report(files=3, seconds=0.01)
