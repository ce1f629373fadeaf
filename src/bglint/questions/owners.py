"""Which dependency closes a value when the request is over."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from bglint import members
from bglint import tree as t
from bglint.calling import handed_back
from bglint.frozen import by_value
from bglint.hints import marker, provide
from bglint.project import Project, dotted
from bglint.values import Const, Frame, Func, Generator, Instance, Outside, Unknown, Value

CLOSERS = {
    "close", "aclose", "close_all", "disconnect", "release", "dispose", "quit", "remove", "cleanup", "shutdown",
    "stop", "terminate", "rollback", "commit", "unlink", "wait_closed", "logout", "invalidate",
}  # fmt: skip
"""Methods by which an owner ends the life of what it has handed out."""

RESOURCE = re.compile(
    r"(?i)sess(ion)?$|conn(ection)?$|client$|cursor$|pool$|channel$|file(io)?$|io(wrapper)?$|buffered|reader$|writer$"
    r"|smtp|ftp|sock(et)?$|executor$|transport$|browser$|page$|driver$|stream$|^database$|^db$|redis$|unit_?of_?work"
    r"|^uow$|transaction$|producer$|consumer$|temporarydirectory|_session\(\)$|_client\(\)$|_connection\(\)$|^open\(\)"
)
"""Names of types (of variables, where the type is not known) whose objects are useless once they are closed."""

DEPTH = 4


@by_value
class Owner:
    """`provider` yields the value of the parameter `name` and closes it; `raw` is the value where it is made.

    Where `middleware`, the provider is a middleware that keeps it in `request.state` and closes it there.
    """

    provider: Func
    name: str
    raw: Value
    function_scope: bool = False
    middleware: bool = False


def owner(project: Project, value: Value, depth: int = DEPTH) -> Owner | None:
    """The dependency that owns a value; None where it belongs to nobody, or nobody knows."""
    birth = value.birth
    if isinstance(value, Outside) and not value.instance:
        return _kept_in_state(project, value, birth.name if birth else value.name.rpartition(".")[2])
    if birth is None or birth.kind != "dependency" or not depth:
        return None
    for provider in birth.providers:
        found = _through(project, provider, value, birth.name, depth)
        if found is not None:
            scoped = found.function_scope or _is_function_scoped(project, birth.node, birth.frame)
            return replace(found, name=birth.name, function_scope=scoped)
    return None


def _through(project: Project, provider: Value, value: Value, name: str, depth: int) -> Owner | None:
    """The owner behind one provider: the generator itself, or what a plain function hands on."""
    if isinstance(provider, Instance):
        provider = members.bound(project.names, provider, "__call__") or provider
    if not isinstance(provider, Func):
        return None
    if provider.function.is_generator:
        raw = next(iter(provide(project.names, provider)), value)
        known = raw if not isinstance(raw, Unknown) else value
        return Owner(provider, name, raw) if closes(project, provider, known, name) else None
    kept = (
        _kept_in_state(project, v, name) for v in handed_back(project.names, project.frame(provider.function))
    )
    likely = (
        owner(project, raw, depth - 1) for raw in provide(project.names, provider) if _alike(raw, value)
    )
    return next((found for found in (*kept, *likely) if found is not None), None)


def _alike(raw: Value, value: Value) -> bool:
    if isinstance(raw, Outside) and isinstance(value, Outside):
        return raw.name == value.name
    if isinstance(raw, Instance) and isinstance(value, Instance):
        return raw.klass is value.klass
    return isinstance(raw, Unknown) and isinstance(value, Unknown)


def _is_function_scoped(project: Project, parameter: t.Node, frame: Frame) -> bool:
    if not isinstance(parameter, t.Parameter):
        return False
    outer = frame.closure or project.names.module_frame(frame.path)
    found = marker(project.names, parameter, outer)
    scope = found[0].keyword("scope") if found else None
    return isinstance(scope, t.Constant) and scope.value == "function"


def _kept_in_state(project: Project, value: Value, name: str) -> Owner | None:
    """The middleware that closes `request.state.db` when the handler has answered."""
    kept = [of.name for of in (value, getattr(value, "of", None)) if isinstance(of, Outside)]
    found = next(filter(None, map(_STATE.fullmatch, kept)), None)
    if found is None:
        return None
    for function in project.functions(rf"\.state\.{found[1]}\.({'|'.join(sorted(CLOSERS))})\("):
        if function.parameter("request") is not None:
            return Owner(Func(None, function), name, value, middleware=True)
    return None


_STATE = re.compile(r"(?:fastapi|starlette)(?:\.requests)?\.Request\.state\.(\w+)")


# ----------------------------------------------------------------- generators


def closes(
    project: Project,
    provider: Func,
    value: Value,
    name: str,
    depth: int = DEPTH,
    *,
    call: Frame | None = None,
) -> bool:
    """True where a generator function closes what it yields; in this `call` of it, if one is given."""
    function = provider.function
    body = project.nodes(call) if call is not None else t.walk_function(function)
    for node in body:
        if isinstance(node, t.Yield) and node.value is not None:
            if node.delegates:
                return _delegates(project, node.value, provider, value, name, depth)
            if any(_explicitly(part.id, node, body) for part in _parts(node.value)):
                return True
            if any(_closed_after(project, part, node, provider, value, name) for part in _parts(node.value)):
                return True
    return False


def _delegates(project: Project, expr: t.Expr, provider: Func, value: Value, name: str, depth: int) -> bool:
    """`yield from other()` and `for x in other(): yield x` close what the other closes."""
    frame = project.frame(provider.function)
    inner = [v for v in project.evaluate(expr, frame) if isinstance(v, Generator)]
    return bool(depth) and any(closes(project, v.func, value, name, depth - 1) for v in inner)


def _parts(expr: t.Expr) -> Iterator[t.Name]:
    """The names that a yielded expression stands on: `x`, `x.session`, `Repository(x)`."""
    if isinstance(expr, t.Name):
        yield expr
    elif isinstance(expr, t.Attribute):
        yield from _parts(expr.value)
    elif isinstance(expr, t.Call):
        yield from (name for argument in expr.arguments for name in _parts(argument.value))
    elif isinstance(expr, t.Collection):
        yield from (name for item in expr.items for name in _parts(item))


def _closed_after(
    project: Project, part: t.Name, node: t.Yield, provider: Func, value: Value, name: str
) -> bool:
    frame = project.frame(provider.function)
    for around, section in project.chain(node, provider.function):
        if section == "body" and isinstance(around, t.With) and _holds(project, around, part.id, frame):
            held = project.evaluate(part, frame)
            return any(is_resource(each, one) for each in (value, *held) for one in (name, part.id))
        if section == "body" and isinstance(around, t.For) and _names(around.target, part.id):
            return _delegates(project, around.iterable, provider, value, name, DEPTH)
    return False


def _explicitly(name: str, node: t.Yield, body: Iterable[t.Node]) -> bool:
    """`name.close()` or `pool.release(name)` behind the yield."""
    for call in body:
        if not isinstance(call, t.Call) or call.at < node.at or not isinstance(call.func, t.Attribute):
            continue
        own = isinstance(call.func.value, t.Name) and call.func.value.id == name
        given = any(_names(argument.value, name) for argument in call.arguments)
        takes = call.func.name in _TAKERS or dotted(call.func) in _REMOVERS
        if (own and call.func.name in CLOSERS) or (given and takes):
            return True
    return False


_REMOVERS = {"shutil.rmtree", "os.remove", "os.unlink", "os.rmdir", "os.removedirs"}
_TAKERS = {"release", "putconn", "put_conn", "close", "return_connection", "put", "dispose", "give_back"}


def _holds(project: Project, node: t.With, name: str, frame: Frame) -> bool:
    held = (item for item in node.items if _names(item.target, name) or _names(item.value, name))
    return any(not leaves_open(project, item, frame) for item in held)


def leaves_open(project: Project, item: t.WithItem, frame: Frame) -> bool:
    """True for `with sqlite3.connect(...) as connection`, which ends a transaction and no more."""
    if isinstance(item.value, t.Call) and t.last_name(item.value.func) == "closing":
        return False
    return any(project.is_a(value, *_ENDS_TRANSACTION) for value in project.evaluate(item.value, frame))


_ENDS_TRANSACTION = ("sqlite3.Connection", "psycopg2.extensions.connection", "pyodbc.Connection")


def _names(expr: t.Expr | None, name: str) -> bool:
    return isinstance(expr, t.Name) and expr.id == name


def is_resource(value: Value, name: str = "") -> bool:
    """True for a kind of object that is useless once it is closed; by the name that holds it where the kind is unknown."""
    if isinstance(value, Outside) and value.instance:
        if value.name.startswith("builtins.") and value.name != "builtins.open()":
            return isinstance(value.of, Outside) and "TemporaryDirectory" in value.of.name
        last = value.name.rpartition(".")[2]
        anonymous = value.name.endswith("()") and bool(RESOURCE.search(name))
        return anonymous or bool(RESOURCE.search(last))
    if isinstance(value, Instance):
        return bool(RESOURCE.search(value.klass.name))
    return isinstance(value, Unknown) and not isinstance(value, Const) and bool(RESOURCE.search(name))
