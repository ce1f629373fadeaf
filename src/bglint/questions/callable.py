"""Can the runner call it? What a value is worth as a task."""

from __future__ import annotations

from typing import Literal

from bglint import members
from bglint.project import Project
from bglint.questions.results import is_callable_object, is_data
from bglint.sites import TASK, TASKS
from bglint.values import (
    Cls,
    Const,
    Coroutine,
    Func,
    Generator,
    Instance,
    Items,
    ModuleValue,
    Outside,
    Partial,
    Value,
)  # fmt: skip

Answer = Literal["yes", "no", "maybe"]

PLAIN = {
    f"builtins.{name}" for name in ("str", "bytes", "int", "float", "bool", "list", "dict", "set", "tuple")
}
STARTED = {
    "asyncio.create_task",
    "asyncio.ensure_future",
    "asyncio.gather",
    "asyncio.run_coroutine_threadsafe",
}
DONE = {"asyncio.run", "anyio.run", "anyio.from_thread.run"}


def can_be_called(project: Project, value: Value) -> Answer:
    """What calling `value` after the response would do; "maybe" where nothing is known of it."""
    if isinstance(value, (Func, Partial, Cls)):
        return "yes"
    if isinstance(value, (Coroutine, Generator, Items, Const, ModuleValue)):
        return "no"
    if isinstance(value, Instance):
        return _instance(project, value)
    return _outside(project, value) if isinstance(value, Outside) else "maybe"


def _instance(project: Project, value: Instance) -> Answer:
    if members.method(project.names, value.klass, "__call__") is not None:
        return "yes"
    return "no" if members.is_closed(project.names, value.klass) else "maybe"


def _outside(project: Project, value: Outside) -> Answer:
    if not value.instance or value.name in (*TASK, *TASKS) or is_callable_object(project, value):
        return "yes"
    plain = value.name in PLAIN or is_data(project, value)
    return "no" if plain or is_started(value) or is_done(value) else "maybe"


def is_started(value: Value) -> bool:
    """True for what `create_task`, `submit` and their like give: the work has begun."""
    if not isinstance(value, Outside):
        return False
    name = value.name
    return (
        name.removesuffix("()") in STARTED
        or name in ("asyncio.Task", "asyncio.Future", "concurrent.futures.Future")
        or (name.startswith("asyncio.") and name.endswith((".create_task()", ".run_in_executor()")))
    )


def is_done(value: Outside) -> bool:
    """True for what `asyncio.run` gives: the work has been done already."""
    return value.name.removesuffix("()") in DONE or value.name.endswith(".run_until_complete()")


def wrappers(value: Func) -> set[str]:
    """The outside decorators around a function; those of FastAPI and Starlette give it back as it is."""
    return {name for name in value.decorators if not name.startswith(("fastapi.", "starlette."))}


def is_context_manager(value: Func) -> bool:
    """True for a generator function of which `contextlib` makes context managers, and nothing else anything more."""
    names = {name.rpartition(".")[2] for name in value.decorators}
    return value.function.is_generator and bool(names) and names <= {"contextmanager", "asynccontextmanager"}


def is_background(project: Project, value: Value) -> bool:
    """True for a BackgroundTask or BackgroundTasks object."""
    return project.is_a(value, *TASK, *TASKS) and not isinstance(value, Cls)
