"""What a call of a library gives: a coroutine, something that nobody can call, or nobody knows what."""

from __future__ import annotations

from bglint import tree as t
from bglint.knowledge import Fact
from bglint.knowledge.pattern import expand
from bglint.project import Project, dotted
from bglint.values import Frame, Missing, Outside, Unknown, Value

_DATA = {"sleep", "network", "database", "file", "process", "queue", "log", "print"}
"""What such calls give is None, a number, a text, an answer or a record."""

_MAY_BE_A_FUNCTION = {"pickle.load", "marshal.load", "joblib.load", "redis.Redis.register_script"}

_WITHOUT_EFFECT = (
    "os.{chdir,chmod,chown,link,makedirs,mkdir,putenv,remove,removedirs,rename,renames,replace,rmdir,symlink}",
    "os.{truncate,unlink,utime}",
    "pathlib.Path.{chmod,hardlink_to,mkdir,rename,replace,rmdir,symlink_to,touch,unlink}",
    "builtins.{delattr,len,repr,setattr,sum}",
    "builtins.list.{append,clear,extend,insert,remove,reverse,sort}",
    "builtins.dict.{clear,update}",
    "builtins.set.{add,clear,discard,remove,update}",
    "gc.collect",
    "json.{dumps,loads}",
    "threading.{Thread,Timer}.{join,start}",
    "threading.Timer.cancel",
    "threading.Event.{clear,set,wait}",
    "multiprocessing.Process.{join,kill,start,terminate}",
    "asyncio.Event.{clear,set}",
    "asyncio.Queue.put_nowait",
    "queue.{Queue,SimpleQueue}.{put,put_nowait}",
)
_GIVES_DATA = frozenset(name for key in _WITHOUT_EFFECT for name in expand(key))

_OBJECTS = frozenset({
    "celery.result.AsyncResult", "concurrent.futures.Future", "multiprocessing.Process", "pathlib.Path",
    "subprocess.CompletedProcess", "subprocess.Popen", "threading.Thread", "threading.Timer",
})  # fmt: skip
"""Classes whose objects cannot be called."""

_CALLABLE_OBJECTS = ("celery.canvas.", "celery.chain", "celery.chord", "celery.group")

_MAKERS = (
    "anyio.", "asgiref.", "asyncer.", "asyncio.", "builtins.", "celery.", "concurrent.", "contextvars.", "copy.",
    "cytoolz.", "dask.", "functools.", "importlib.", "inspect.", "itertools.", "joblib.", "operator.", "toolz.",
    "types.", "typing.", "unittest.", "weakref.", "wrapt.",
)  # fmt: skip
"""Libraries that work with functions: what else they give may well be one."""

_FACTORY_NAMES = {
    "as_job", "as_task", "bound", "chain", "choice", "chord", "closure", "compose", "delayed", "find", "get", "group",
    "import_from_string", "import_object", "import_string", "lazy", "load", "locate", "lookup", "pipe", "pop", "popleft",
    "prepare", "result", "s", "setdefault", "si", "signature", "subtask", "thunk", "to_task",
}  # fmt: skip
_FACTORY_WORDS = (
    "make", "create", "build", "factory", "wrap", "bind", "partial", "curry", "getattr", "get_", "resolve", "callable",
    "callback", "function", "handler", "decorat", "async_to", "sync_to",
)  # fmt: skip

_STARTS = {"asyncio.gather", "asyncio.shield", "asyncio.AbstractEventLoop.run_in_executor"}
_START_AT_ONCE = ("motor.", "google.cloud.firestore.")
"""What is named async but works without `await`, or is not a coroutine in every case."""

_ASYNC_DEF = (
    "aiosmtplib.", "anyio.", "arq.", "asyncio.", "fastapi_mail.", "httpx.", "sqlalchemy.", "starlette.", "taskiq.",
)  # fmt: skip
"""Their async functions are written `async def`, so that the runner awaits them; others only return a coroutine."""


def is_outside_coroutine(project: Project, expr: t.Expr, frame: Frame) -> bool:
    """True for the call of an async function of a library, such as `asyncio.sleep(1)`."""
    called = _called(project, expr, frame)
    return bool(called) and all(_makes_coroutine(project, name) for name in called)


def _makes_coroutine(project: Project, name: str) -> bool:
    fact = project.knowledge.fact(name)
    starts = name in _STARTS or name.startswith(_START_AT_ONCE)
    return fact is not None and fact.is_async and fact.wraps is None and not starts


def starts_work(project: Project, expr: t.Expr, frame: Frame) -> bool:
    """True for a call that starts something and gives what stands for it."""
    called = _called(project, expr, frame)
    return bool(called) and _STARTS.issuperset(called)


def makes_awaitable(project: Project, expr: t.Expr, frame: Frame) -> bool:
    """True for a call that gives a coroutine, or what stands for work that runs already."""
    return is_outside_coroutine(project, expr, frame) or starts_work(project, expr, frame)


def makes_object(project: Project, expr: t.Expr, frame: Frame) -> bool:
    """True for the call of a class of a library."""
    called = _called(project, expr, frame)
    return bool(called) and all(map(project.knowledge.is_class, called))


def _called(project: Project, expr: t.Expr, frame: Frame) -> tuple[str, ...]:
    """The names of the library functions that an expression calls; none where it may call anything else."""
    called = project.evaluate(expr.func, frame) if isinstance(expr, t.Call) else ()
    plain = all(isinstance(value, Outside) and not value.instance for value in called)
    return tuple(value.name for value in called if isinstance(value, Outside)) if plain else ()


def is_awaited_by_runner(project: Project, call: t.Call, frame: Frame) -> bool:
    """Would the runner await this async function of a library, if it were handed over?"""
    return all(name.startswith(_ASYNC_DEF) for name in _called(project, call, frame))


def is_callable_object(project: Project, value: Outside) -> bool:
    """True for an object of a library that is known to take a call."""
    takes_calls = project.knowledge.fact(f"{value.name}.__call__") is not None
    return takes_calls or value.name.startswith(_CALLABLE_OBJECTS)


def is_data(project: Project, value: Outside) -> bool:
    """True for what a call gave, or an object, that nobody can call."""
    made_by = value.of
    if value.name in _OBJECTS:
        return True
    if value.birth is None or value.birth.kind != "call" or not isinstance(made_by, Outside):
        return False
    return not made_by.instance and _gives_data(project, made_by.name)


def _gives_data(project: Project, name: str) -> bool:
    fact = project.knowledge.fact(name)
    if name in _GIVES_DATA or fact is None or _works_with_functions(fact):
        return name in _GIVES_DATA
    return fact.effect in _DATA and name not in _MAY_BE_A_FUNCTION


def may_give_function(project: Project, call: t.Call, frame: Frame) -> bool:
    """False for a call of something unknown of which nothing says that it makes functions."""
    name = dotted(call.func)
    if _sounds_like_factory(name) or name.endswith(("()", "[...]")):
        return True
    called = project.evaluate(call.func, frame)
    return not called or any(_may_make_one(project, value) for value in called)


def _sounds_like_factory(name: str) -> bool:
    last = name.rpartition(".")[2].lower()
    return last in _FACTORY_NAMES or any(word in last for word in _FACTORY_WORDS)


def _may_make_one(project: Project, value: Value) -> bool:
    if not isinstance(value, Outside):
        return not isinstance(value, (Unknown, Missing))
    if value.instance or project.knowledge.is_class(value.name) or value.name in _MAY_BE_A_FUNCTION:
        return True
    return value.name.startswith(_MAKERS) or _works_with_functions(project.knowledge.fact(value.name))


def _works_with_functions(fact: Fact | None) -> bool:
    return fact is not None and bool(fact.decorates or fact.runs is not None or fact.wraps is not None)
