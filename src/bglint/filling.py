"""What is put into a collection after it was made: `hooks.append(send)`, `HANDLERS["mail"] = send`, `@register`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from bglint import calling, members, registering
from bglint import tree as t
from bglint.excerpts import excerpts, inside
from bglint.frozen import by_value
from bglint.memo import memo
from bglint.needles import begun
from bglint.scope import scope
from bglint.values import Birth, Const, Frame, Instance, Items, Value, Values, known

if TYPE_CHECKING:
    from bglint.names import Names
    from bglint.program import Module

_ONE = {"append": 0, "appendleft": 0, "add": 0, "put_nowait": 0, "insert": 1, "setdefault": 1}
"""Methods that put one value in, with the position of that value."""

_SEVERAL = {"extend", "extendleft", "update"}
_PUTTING = (
    r"\s*(?:\[[^\n]*\])?\s*(?:\.\s*(?:append|add|put_nowait|insert|setdefault|extend|update)|=[^=]|\+=)"
)


@by_value
class Put:
    """One place that puts `value` into what `holder` stands for; `key` where it is kept under one.

    `deep` is a value put into a collection inside (`HANDLERS[event].append(value)`), `several` one that holds them.
    """

    node: t.Node
    holder: t.Expr
    value: t.Expr
    key: t.Expr | None = None
    several: bool = False
    deep: bool = False


_COLLECTIONS = (t.Collection, t.Mapping, t.Comprehension, t.Call)


def named(values: Values, made: t.Expr | None, name: str) -> Values:
    """The values of the expression `made`, or of a part of it: a display knows under which name it is kept."""
    if not isinstance(made, _COLLECTIONS):
        return values
    places = (made, *made.items) if isinstance(made, t.Collection) else (made,)
    return tuple(_named(v, name) if _is_displayed(v, places) else v for v in values)


def _is_displayed(value: Value, places: tuple[t.Node, ...]) -> bool:
    birth = value.birth if isinstance(value, Items) else None
    return birth is not None and birth.kind == "display" and not birth.name and birth.node in places


def _named(value: Value, name: str) -> Value:
    assert value.birth is not None
    return replace(value, birth=replace(value.birth, name=name))


def filled(names: Names, value: Items) -> Items:
    """A displayed collection with all that is put into it elsewhere; `whole` where that happens in no loop."""
    birth = value.birth
    if birth is None or birth.kind != "display" or not birth.name:
        return value
    found = names.remember(("filled", value), lambda: (_filled(names, value, birth),))
    return found[0] if found and isinstance(found[0], Items) else value


def is_filled(function: t.Function | None, name: str) -> bool:
    """Does a function put something into what this name of it stands for?"""
    return function is not None and any(_holds(put.holder, name, "") for put in _puts(function))


def _filled(names: Names, value: Items, birth: Birth) -> Items:
    keys = [*value.keys, *([None] * (len(value.items) - len(value.keys)))]
    items, whole = list(value.items), value.whole
    for key, values, once in _added(names, birth):
        keys.append(key)
        items.append(values)
        whole = whole and once
    if len(items) == len(value.items):
        return value
    return Items(birth, value.kind, tuple(items), tuple(keys), whole)


def _added(names: Names, birth: Birth) -> Iterator[tuple[object, Values, bool]]:
    """The key, the value, and whether it is put in at most once."""
    for frame, put in _places(names, birth):
        yield _key(names, put, frame), _value(names, put, frame, birth), _is_single(put, frame, birth)


def _places(names: Names, birth: Birth) -> Iterator[tuple[Frame, Put]]:
    if birth.frame.function is None:
        yield from _global_places(names, birth)
        return
    for frame in (birth.frame, *_methods(names, birth)):
        assert frame.function is not None
        own = frame.function.parameters[0].name if birth.name.startswith("self.") else ""
        for inner in (frame, *inside(names, frame)):  # a decorator keeps in its own function what it is given
            for put in _puts(inner.function):  # type: ignore[arg-type]
                if _holds(put.holder, birth.name, own):
                    yield inner, put


def _methods(names: Names, birth: Birth) -> Iterator[Frame]:
    """The other methods of the class, where an attribute of `self` holds the collection."""
    function = birth.frame.function
    owner = (
        members.owner(names, function, birth.frame) if function and birth.name.startswith("self.") else None
    )
    for method in members.methods(names, owner) if owner is not None else ():
        if owner is not None and method is not function and method.parameters:
            yield members.method_frame(names, method, Instance(None, owner), owner)


def _holds(holder: t.Expr, name: str, own: str) -> bool:
    """Is this the local name, or the attribute of `self`, that the collection was given?"""
    if isinstance(holder, t.Name):
        return holder.id == name
    is_own = isinstance(holder, t.Attribute) and isinstance(holder.value, t.Name) and holder.value.id == own
    return bool(own) and is_own and name == f"self.{holder.name}"  # type: ignore[attr-defined]


def _global_places(names: Names, birth: Birth) -> Iterator[tuple[Frame, Put]]:
    """In the module itself; everywhere where it was made empty, to be filled by others."""
    module = names.program.module(birth.frame.path)
    if module is None or not module.outline.named(birth.name):  # it is an attribute of a class
        return
    pattern = rf"\b{birth.name}{_PUTTING}"
    is_empty = isinstance(birth.node, (t.Collection, t.Mapping)) and not birth.node.items
    others = _importing(names, module, pattern) if is_empty else ()
    for path in dict.fromkeys((birth.frame.path, *others)):
        for frame, put in _putting_in(names, path, re.compile(pattern)):
            held = names.evaluate(put.holder, frame)
            if any(isinstance(v, Items) and v.birth is not None and v.birth.node is birth.node for v in held):
                yield frame, put


def _importing(names: Names, module: Module, pattern: str) -> Iterator[str]:
    """The files with a match that may import a module: they name it, or its package."""
    sources, last = names.program.sources, module.file.module.rpartition(".")[2]
    near = {file.path for file in sources.mentioning(re.compile(rf"\b{last}\b".encode()))}
    found = sources.mentioning(re.compile(begun(pattern).encode()))
    yield from (file.path for file in found if file.path in near)


def _putting_in(names: Names, path: str, pattern: re.Pattern[str]) -> Iterator[tuple[Frame, Put]]:
    module = names.program.module(path)
    for frame, nodes in excerpts(names, module, pattern) if module is not None else ():
        yield from ((frame, put) for node in nodes for put in _put(node))


def _is_single(put: Put, frame: Frame, birth: Birth) -> bool:
    if frame is not birth.frame or put.several:
        return False
    if frame.function is None:
        return True
    local = scope(frame.function)
    around = {id(node) for node, _ in local.chain(birth.node.at)}
    loops = (node for node, _ in local.chain(put.node.at) if isinstance(node, (t.For, t.While)))
    return all(id(node) in around for node in loops)


def _key(names: Names, put: Put, frame: Frame) -> object:
    values = names.evaluate(put.key, frame) if put.key is not None else ()
    return values[0].value if len(values) == 1 and isinstance(values[0], Const) else None


def _value(names: Names, put: Put, frame: Frame, birth: Birth) -> Values:
    values = names.evaluate(put.value, frame)
    if frame is not birth.frame and not known(values):
        values = registering.registered(names, put.value, frame) or values
    if put.several:
        values = tuple(v for value in values for v in calling.element(names, value))
    return (Items(None, "list", (values,), whole=False),) if put.deep else values


@memo
def _puts(function: t.Function) -> tuple[Put, ...]:
    """What a function puts in somewhere."""
    return tuple(put for node in t.nodes_of(function, t.Call, t.Assign) for put in _put(node))


def _put(node: t.Node) -> Iterator[Put]:
    if isinstance(node, t.Call) and isinstance(node.func, t.Attribute):
        yield from _by_method(node, node.func)
    elif isinstance(node, t.Assign) and node.value is not None:
        for target in node.targets:
            if node.operator == "+=":
                yield Put(node, target, node.value, several=True)
            elif isinstance(target, t.Subscript) and len(target.index) == 1 and not node.operator:
                yield Put(node, target.value, node.value, target.index[0])


def _by_method(node: t.Call, func: t.Attribute) -> Iterator[Put]:
    several = func.name in _SEVERAL
    position = 0 if several else _ONE.get(func.name)
    value = node.argument(position) if position is not None else None
    if value is None:
        return
    inner, key = func.value, node.argument(0) if func.name == "setdefault" else None
    if isinstance(inner, t.Subscript) and len(inner.index) == 1:
        yield Put(node, inner.value, value, inner.index[0], several, deep=True)
    elif (
        isinstance(inner, t.Call) and isinstance(inner.func, t.Attribute) and inner.func.name == "setdefault"
    ):
        yield Put(node, inner.func.value, value, inner.argument(0), several, deep=True)
    else:
        yield Put(node, inner, value, key, several)
