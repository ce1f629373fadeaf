"""Tasks that run nothing when they are called."""

from __future__ import annotations

from bglint import members
from bglint import tree as t
from bglint.project import Project, short_function
from bglint.questions.callable import is_context_manager, wrappers
from bglint.questions.written import is_plain
from bglint.sites import TaskSite
from bglint.values import Class, Cls, Func, Generator, Partial, Value, known

Reason = tuple[str, str]

_CACHES = {
    "functools.lru_cache", "functools.cache", "functools.lru_cache()", "cachetools.cached()",
    "cachetools.cachedmethod()",
}  # fmt: skip
_INERT_BASES = {"builtins.object", "abc.ABC", "typing.Protocol", "typing.Generic"}


def why_inert(project: Project, site: TaskSite) -> Reason | None:
    """Why calling the task does nothing, and what to write; None where it does something."""
    targets = known(site.targets) if site.kind in ("add_task", "BackgroundTask") else ()
    reasons = [_reason(project, _unwrapped(value)) for value in targets]
    sure = reasons and all(reasons) and len(targets) == len(site.targets)
    return reasons[0] if sure and is_plain(project, site) else None


def _unwrapped(value: Value) -> Value:
    while isinstance(value, Partial):
        value = value.target
    return value


def _reason(project: Project, value: Value) -> Reason | None:
    if isinstance(value, Func):
        return _inert_function(value) or _lambda(project, value)
    return _class(project, value.klass) if isinstance(value, Cls) else None


def _class(project: Project, klass: Class) -> Reason | None:
    """A class whose objects are to be called (or awaited): making one is not enough."""
    found = members.method(project.names, klass, "__call__")
    name, cure = klass.name, f"hand over an object: `add_task({klass.name}(...))`"
    if found is not None and found[1].is_async:
        return f"`{name}` is a class: the runner makes an object of it and fails to await it", cure
    special = "__call__" if found is not None else "__await__"
    if found is None and members.method(project.names, klass, special) is None:
        return None
    if not _only_keeps_arguments(project, klass):
        return None
    if special == "__await__":
        cure = "hand over an async function that awaits the object"
    return (
        f"`{name}` is a class: the runner makes an object of it and drops it, `{name}.{special}` never runs",
        cure,
    )


def _inert_function(value: Func) -> Reason | None:
    function, name = value.function, short_function(value.function)
    if is_context_manager(value):
        return _manager(function, name)
    if function.is_generator and not wrappers(value):
        kind = "an async generator" if function.is_async else "a generator"
        return (
            f"`{name}` is {kind} function: calling it runs not a line of it, the task does nothing",
            f"take the `yield` out of `{name}`, or hand over a function that goes through it with a `for`",
        )
    if (
        function.is_async
        and not function.is_generator
        and wrappers(value)
        and all(map(_is_cache, wrappers(value)))
    ):
        return (
            f"`{name}` is async behind a cache: the runner does not see that it must await it, the task does nothing",
            f"hand over a function without the cache, or one that awaits `{name}`",
        )
    return None


def _manager(function: t.Function, name: str) -> Reason:
    word = "async with" if function.is_async else "with"
    return (
        f"`{name}` only makes a context manager: nobody enters it, not a line of it runs, the task does nothing",
        f"hand over a function that does its work inside `{word} {name}(...):`",
    )


def _is_cache(decorator: str) -> bool:
    return decorator in _CACHES or decorator.startswith("cachetools.func.")


def _lambda(project: Project, value: Func) -> Reason | None:
    """`lambda: rows()`, which only makes the generator."""
    body = value.function.body[0] if value.function.is_lambda else None
    if not isinstance(body, t.Return):
        return None
    frame = project.bind(value, (), {})
    values = project.evaluate(body.value, frame)
    if not values or not all(isinstance(made, Generator) and not wrappers(made.func) for made in values):
        return None
    return (
        "the lambda only makes a generator: not a line of it runs, the task does nothing",
        "hand over a function that goes through the generator with a `for`",
    )


def _only_keeps_arguments(project: Project, klass: Class) -> bool:
    """True for a class whose construction does no work."""
    makers = ("__init__", "__new__", "__post_init__")
    return _is_plain(project, klass) and not any(_works(project, klass, name) for name in makers)


def _is_plain(project: Project, klass: Class) -> bool:
    """No outside base and no metaclass that could do the work."""
    parts = members.lineage(project.names, klass)
    outside = members.outside_bases(project.names, klass)
    return set(outside) <= _INERT_BASES and not any(a.keyword for part in parts for a in part.bases)


def _works(project: Project, klass: Class, name: str) -> bool:
    found = members.method(project.names, klass, name)
    return found is not None and not all(_only_keeps(statement) for statement in found[1].body)


def _only_keeps(statement: t.Statement) -> bool:
    if isinstance(statement, t.Assign):
        return statement.value is None or all(map(_is_harmless, t.walk(statement.value)))
    if isinstance(statement, t.Evaluate):
        return isinstance(statement.value, t.Constant) or _calls_parent(statement.value)
    return False


def _is_harmless(node: t.Node) -> bool:
    """No call but that of a class: `self.client = Client()`."""
    if not isinstance(node, t.Call):
        return not isinstance(node, t.Await)
    name = node.func.name if isinstance(node.func, t.Attribute) else getattr(node.func, "id", "")
    return name[:1].isupper() or name in ("dict", "list", "set", "tuple", "str", "int", "getLogger")


def _calls_parent(expr: t.Expr) -> bool:
    return isinstance(expr, t.Call) and isinstance(expr.func, t.Attribute) and expr.func.name == "__init__"
