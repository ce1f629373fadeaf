"""What `**options` hands on: the keys that a dict has, and whether it can have others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from bglint import calling, filling
from bglint import tree as t
from bglint.memo import memo
from bglint.scope import scope
from bglint.values import Const, Frame, Func, Items, Unknown, Value, Values, unique

if TYPE_CHECKING:
    from bglint.names import Names

_HARMLESS = {"get", "keys", "values", "items", "copy", "pop", "setdefault"}
"""Methods of a dict that hand it to nobody."""


def keywords(names: Names, expr: t.Expr, frame: Frame) -> tuple[dict[str, Values], bool]:
    """The values by key, and True where no other key can be in it.

    A key that may be missing or have another value has `Unknown` among them.
    """
    values = names.evaluate(expr, frame)
    if not any(map(_is_displayed, values)):
        values = (
            names.remember(("handed on", expr, frame), lambda: _handed_back(names, expr, frame)) or values
        )
    mapping = next((value for value in values if isinstance(value, Items) and value.kind == "dict"), None)
    if mapping is None:
        return {}, False
    full = filling.filled(names, mapping)
    pairs = zip(full.keys, full.items, strict=False)
    left_alone = _is_left_alone(names, expr, frame, mapping)
    given = {
        key: values if left_alone and key in mapping.keys else unique([*values, Unknown()])
        for key, values in pairs
        if isinstance(key, str)
    }
    closed = {mapping, Const(value=None)}.issuperset(values) and is_closed(names, mapping)
    return given, closed and left_alone


def is_closed(names: Names, mapping: Items) -> bool:
    """True for a dict of which all keys are written down: `f(a=1)`, `{"a": 1}`, also with `options["b"] = 2` later."""
    birth = mapping.birth
    if birth is None:
        return mapping.whole and len(mapping.keys) == len(mapping.items)
    if birth.kind != "display":
        return False
    full = filling.filled(names, mapping)
    if len(full.keys) < len(full.items) or not all(isinstance(key, str) for key in full.keys):
        return False
    return not birth.name or _stays(names, birth.name, birth.frame)


def options(names: Names, function: t.Function, given: Mapping[str, Values]) -> tuple[str, ...]:
    """The parameters that hold a dict of known keys which the function spreads: nothing else is handed on."""
    found = ((name, given[name]) for name in _spread(function) if len(given.get(name, ())) == 1)
    return tuple(n for n, (v,) in found if isinstance(v, Items) and v.kind == "dict" and is_closed(names, v))


@memo
def _spread(function: t.Function) -> frozenset[str]:
    """The names that a function hands on as `**name`."""
    starred = (a.value for call in t.nodes_of(function, t.Call) for a in call.arguments if a.star == "**")
    return frozenset(value.id for value in starred if isinstance(value, t.Name))


def _is_displayed(value: Value) -> bool:
    return isinstance(value, Items) and value.birth is not None and value.birth.kind == "display"


# ------------------------------------------------------------ who else gets hold of it


def _is_left_alone(names: Names, expr: t.Expr, frame: Frame, mapping: Items) -> bool:
    """True where nothing is put in under the name that the dict has here."""
    birth = mapping.birth
    if not isinstance(expr, t.Name) or (birth is not None and (birth.frame, birth.name) == (frame, expr.id)):
        return True
    return _stays(names, expr.id, frame) and not filling.is_filled(frame.function, expr.id)


def _stays(names: Names, name: str, frame: Frame) -> bool:
    """True where nobody but the function itself changes what the name stands for."""
    function = frame.function
    if function is None or "." in name or name in _exposed(function):
        return False
    answer = names.remember(("stays", function, name), lambda: (Const(value=_is_kept(names, name, frame)),))
    return answer == (Const(value=True),)


def _is_kept(names: Names, name: str, frame: Frame) -> bool:
    assert frame.function is not None
    calls = ((call, a) for call in t.nodes_of(frame.function, t.Call) for a in call.arguments)
    given = ((c, a) for c, a in calls if not a.star and isinstance(a.value, t.Name) and a.value.id == name)
    return all(_is_only_read(names, call, argument, frame) for call, argument in given)


def _is_only_read(names: Names, call: t.Call, argument: t.Argument, frame: Frame) -> bool:
    """True for an argument of functions that leave it as it is."""
    values = names.evaluate(call.func, frame)
    parameters = [_parameter(value, call, argument) for value in values if isinstance(value, Func)]
    return len(parameters) == len(values) > 0 and all(
        parameter is not None
        and not filling.is_filled(func.function, parameter.name)
        and _stays(
            names, parameter.name, names.frame(func.function, func.function.source.path, (), func.closure)
        )
        for func, parameter in zip(values, parameters, strict=True)
        if isinstance(func, Func)
    )


def _parameter(func: Func, call: t.Call, argument: t.Argument) -> t.Parameter | None:
    if argument.keyword is not None:
        return func.function.parameter(argument.keyword)
    position = call.arguments.index(argument) + (func.bound is not None)
    plain = [p for p in func.function.parameters if p.kind not in ("*", "**", "keyword-only")]
    return plain[position] if position < len(plain) and not call.spread else None


@memo
def _exposed(function: t.Function) -> frozenset[str]:
    """The names that a function puts into something else, gives another name, or uses in functions inside."""
    nodes = t.walk_function(function)
    safe = {id(node) for part in nodes for node in _safe(part)}
    inner = (
        node
        for part in nodes
        if isinstance(part, (t.Define, t.Lambda))
        for node in t.walk_function(part.function)
    )
    every = (*inner, *(node for node in nodes if id(node) not in safe))
    return frozenset(node.id for node in every if isinstance(node, t.Name))


def _safe(part: t.Node) -> Iterator[t.Node]:
    """Where a dict is named and nobody keeps it: arguments are looked at apart."""
    if isinstance(part, (t.Argument, t.Subscript)) or (
        isinstance(part, t.Attribute) and part.name in _HARMLESS
    ):
        yield part.value
    elif isinstance(part, t.Assign):
        yield from (x for target in part.targets for x in _several(target) if isinstance(x, t.Name))
    elif isinstance(part, t.Return) and part.value is not None:
        yield from _several(part.value)
    elif isinstance(part, (t.Branch, t.Conditional)):
        yield part.test
    elif isinstance(part, t.Operation):
        yield from part.operands if part.kind in ("not", "is", "is not", "in", "not in", "==", "!=") else ()
    elif isinstance(part, t.Mapping):
        yield from (value for key, value in part.items if key is None)


def _several(expr: t.Expr) -> tuple[t.Expr, ...]:
    """`a` and `b` of `a, b`."""
    return expr.items if isinstance(expr, t.Collection) else (expr,)


# ------------------------------------------------------------ where it comes from


def _handed_back(names: Names, expr: t.Expr, frame: Frame) -> Values:
    """What the function hands back that `expr` comes from, whatever its annotation says."""
    if not isinstance(expr, t.Name) or frame.function is None:
        return _called(names, expr, frame)
    bindings = scope(frame.function).visible(expr.id, expr.at)
    if len(bindings) != 1 or bindings[0].value is None:
        return ()
    values = _called(names, bindings[0].value, frame)
    for step in bindings[0].steps:
        each = values if isinstance(step, int) else ()
        values = unique([v for value in each for v in calling.nth(names, value, int(step))])
    return values


def _called(names: Names, expr: t.Expr, frame: Frame) -> Values:
    call = expr.value if isinstance(expr, t.Await) else expr
    values = names.evaluate(call.func, frame) if isinstance(call, t.Call) else ()
    only = values[0] if len(values) == 1 else None
    if not isinstance(only, Func) or not isinstance(call, t.Call):
        return ()
    return calling.handed_back(names, calling.bind(names, only, *calling.arguments(names, call, frame)))
