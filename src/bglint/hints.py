"""What annotations and dependency markers say about a value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from bglint import calling
from bglint import tree as t
from bglint.lowering import lower_expression
from bglint.values import (
    Annotation,
    Birth,
    Cls,
    Frame,
    Func,
    Generator,
    Instance,
    Items,
    Outside,
    Unknown,
    Value,
    Values,
    anonymous,
    known,
    unique,
)  # fmt: skip

if TYPE_CHECKING:
    from bglint.names import Names

DEPENDS = {
    f"{module}.{name}"
    for module in ("fastapi", "fastapi.params", "fastapi.param_functions")
    for name in ("Depends", "Security")
}
_UNIONS = {"Optional", "Union"}
_FIRST = {"Annotated", "Final", "ClassVar", "Required", "NotRequired", "ReadOnly", "InitVar"}
_ELEMENTS = {
    "List", "Sequence", "Iterable", "Set", "FrozenSet", "Tuple", "Collection", "MutableSequence", "Iterator", "Deque",
    "AsyncIterator", "AsyncIterable", "Generator", "AsyncGenerator", "AbstractSet", "MutableSet", "AbstractContextManager",
    "AbstractAsyncContextManager", "ContextManager", "AsyncContextManager", "list", "set", "frozenset", "tuple", "deque",
}  # fmt: skip
_MAPPINGS = {"Dict", "Mapping", "MutableMapping", "DefaultDict", "OrderedDict", "dict", "defaultdict"}
_LAST = {"Awaitable", "Coroutine"}
_SILENT = {"Callable", "Literal", "TypeVar", "Any", "ParamSpec", "NewType", "object", "Self"}


def typed(names: Names, expr: t.Expr, frame: Frame, birth: Birth | None = None) -> Values:
    """Instances of the types that an annotation names; `Unknown` where it names none."""
    found = names.remember(
        ("typed", expr, frame, birth), lambda: unique(list(_typed(names, expr, frame, birth)))
    )
    return found or (Unknown(birth),)


def _typed(names: Names, expr: t.Expr, frame: Frame, birth: Birth | None) -> Iterator[Value]:
    if isinstance(expr, t.Constant):
        if isinstance(expr.value, str):
            inner = parsed(names, expr, frame)
            yield from typed(names, inner, frame, birth) if inner is not None else ()
    elif isinstance(expr, t.Operation) and expr.kind == "|":
        for operand in expr.operands:
            yield from known(typed(names, operand, frame, birth))
    elif isinstance(expr, t.Subscript):
        yield from _subscripted(names, expr, frame, birth)
    elif isinstance(expr, (t.Name, t.Attribute)):
        for value in names.evaluate(expr, frame):
            yield from _instance(names, value, birth)


def parsed(names: Names, expr: t.Constant, frame: Frame) -> t.Expr | None:
    """A string annotation as an expression; None where it is not one."""
    source = t.Source(frame.path, "", 1, 1)
    try:
        return names.parsed(str(expr.value), lambda text: lower_expression(text, source))
    except SyntaxError:
        return None


def _instance(names: Names, value: Value, birth: Birth | None) -> Iterator[Value]:
    if isinstance(value, Cls):
        yield Instance(birth, value.klass)
    elif isinstance(value, Annotation):
        yield from known(typed(names, value.expr, value.frame, birth))
    elif isinstance(value, Outside) and not value.instance and value.name.rpartition(".")[2] not in _SILENT:
        if value.name.rpartition(".")[2] not in _ELEMENTS | _MAPPINGS:
            yield Outside(birth, value.name, True)
        else:
            yield Items(birth, _kind(value.name.rpartition(".")[2]), ((Unknown(birth),),), whole=False)


def _subscripted(names: Names, expr: t.Subscript, frame: Frame, birth: Birth | None) -> Iterator[Value]:
    for head in names.evaluate(expr.value, frame):
        if isinstance(head, Cls):
            yield Instance(birth, head.klass)
        elif isinstance(head, Outside):
            yield from _generic(names, head.name, expr, frame, birth)


def _generic(
    names: Names, name: str, expr: t.Subscript, frame: Frame, birth: Birth | None
) -> Iterator[Value]:
    last = name.rpartition(".")[2]
    arguments = _arguments(expr)
    if last in _UNIONS:
        for argument in arguments:
            yield from known(typed(names, argument, frame, birth))
    elif last in _FIRST:
        yield from known(typed(names, arguments[0], frame, birth))
    elif last in _LAST:
        yield from known(typed(names, arguments[-1], frame, birth))
    elif last in ("type", "Type"):
        yield from names.evaluate(arguments[0], frame)
    elif last in _ELEMENTS or last in _MAPPINGS:
        element = typed(names, arguments[-1 if last in _MAPPINGS else 0], frame, birth)
        yield Items(birth, _kind(last), (element,), whole=False)
    elif last not in _SILENT:
        yield Outside(birth, name, True)


def _arguments(expr: t.Subscript) -> tuple[t.Expr, ...]:
    only = expr.index[0] if len(expr.index) == 1 else None
    return only.items if isinstance(only, t.Collection) and only.kind == "tuple" else expr.index


def _kind(last: str) -> str:
    lowered = last.lower()
    if last in _MAPPINGS:
        return "dict"
    return next((kind for kind in ("tuple", "set") if kind in lowered), "list")


# --------------------------------------------------------------- dependencies


def marker(names: Names, parameter: t.Parameter, frame: Frame) -> tuple[t.Call, Frame] | None:
    """The `Depends(...)` or `Security(...)` of a parameter, as default or in `Annotated`, and where it is written."""
    if isinstance(parameter.default, t.Call) and is_marker(names, parameter.default, frame):
        return parameter.default, frame
    if parameter.annotation is None:
        return None
    return _annotated_marker(names, parameter.annotation, frame)


def is_marker(names: Names, call: t.Call, frame: Frame) -> bool:
    """True for a call of FastAPI's Depends or Security."""
    return any(isinstance(v, Outside) and v.name in DEPENDS for v in names.evaluate(call.func, frame))


def _annotated_marker(names: Names, expr: t.Expr, frame: Frame) -> tuple[t.Call, Frame] | None:
    if isinstance(expr, t.Constant) and isinstance(expr.value, str):
        inner = parsed(names, expr, frame)
        return _annotated_marker(names, inner, frame) if inner is not None else None
    if isinstance(expr, t.Subscript):
        for argument in _arguments(expr)[1:]:
            if isinstance(argument, t.Call) and is_marker(names, argument, frame):
                return argument, frame
    elif isinstance(expr, (t.Name, t.Attribute)):
        for value in names.evaluate(expr, frame):
            if isinstance(value, Annotation):
                return _annotated_marker(names, value.expr, value.frame)
    return None


def providers(names: Names, parameter: t.Parameter, frame: Frame) -> Values:
    """What FastAPI calls for a parameter: functions, classes or callable objects; () where it is no dependency."""
    found = marker(names, parameter, frame)
    if found is None:
        return ()
    call, where = found
    target = call.argument(0, "dependency")
    if target is not None:
        return names.evaluate(target, where)
    if parameter.annotation is None:
        return ()
    types = typed(names, parameter.annotation, frame)
    return tuple(Cls(None, v.klass) for v in types if isinstance(v, Instance))


def injected(names: Names, parameter: t.Parameter, frame: Frame, outer: Frame) -> Values:
    """What a dependency parameter holds; () where the parameter is none."""
    sources = providers(names, parameter, outer)
    if not sources and marker(names, parameter, outer) is None:
        return ()
    birth = Birth("dependency", frame, parameter, parameter.name, sources)
    provided = unique([replace(v, birth=birth) for source in sources for v in provide(names, source)])
    declared = typed(names, parameter.annotation, outer, birth) if parameter.annotation is not None else ()
    if not _telling(provided) and known(declared):
        return declared
    return provided or declared or (Unknown(birth),)


def _telling(values: Values) -> bool:
    """True where the values say more than "what some outside function gave"."""
    return any(not anonymous(v) for v in known(values))


def _best(given: Values, declared: Values) -> Values:
    """What is really returned, where that says more than the annotation."""
    return given if _telling(given) or not known(declared) else declared


def provide(names: Names, source: Value) -> Values:
    """What FastAPI gets from a provider."""
    if isinstance(source, Func):
        frame = calling.bind(names, source, (), {calling.MORE: ()})
        if source.function.is_generator:
            return calling.yielded(names, Generator(None, source, frame))
        return _best(calling.handed_back(names, frame), calling.returned(names, frame))
    if isinstance(source, Cls):
        return (calling.construct(names, source, (), {calling.MORE: ()}, None),)
    if isinstance(source, Instance):
        from bglint.members import attribute

        return unique(
            [v for f in attribute(names, source, "__call__") for v in provide(names, f) if f != source]
        )
    return (Unknown(),)
