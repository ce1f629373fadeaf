"""What the calls give that have a meaning of their own: `next`, `getattr`, `super`, `functools.partial` ..."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from bglint import calling, hints, members
from bglint import tree as t
from bglint.values import (
    Birth,
    Cls,
    Const,
    Frame,
    Instance,
    Items,
    ModuleValue,
    Outside,
    Partial,
    Super,
    Unknown,
    Value,
    Values,
    known,
    unique,
)  # fmt: skip

if TYPE_CHECKING:
    from bglint.names import Names


def _partial(names: Names, value: Outside, call: t.Call, frame: Frame) -> Values:
    if not call.arguments or call.arguments[0].star:
        return ()
    positional, keywords = calling.arguments(names, call, frame)
    birth = Birth("call", frame, call)
    return tuple(Partial(birth, target, positional[1:], tuple(keywords.items())) for target in positional[0])


def _first(names: Names, value: Outside, call: t.Call, frame: Frame) -> Values:
    """Functions that hand their first argument on: closing(x), copy(x), shield(x) ..."""
    given = call.argument(0)
    return names.evaluate(given, frame) if given is not None else ()


def _gathered(names: Names, value: Outside, call: t.Call, frame: Frame) -> Values:
    """list(x), sorted(x) ...: the elements of x."""
    kind = value.name.rpartition(".")[2]
    if not call.arguments:
        return (Items(Birth("display", frame, call), _GATHERED.get(kind, kind)),)
    found: list[Value] = []
    for source in _first(names, value, call, frame):
        whole = isinstance(source, Items) and source.kind != "dict"
        found.append(
            source
            if whole
            else Items(None, _GATHERED.get(kind, kind), (calling.element(names, source),), whole=False)
        )
    return tuple(found)


_GATHERED = {"sorted": "list", "reversed": "list", "iter": "iterator", "aiter": "iterator"}


def _dict(names: Names, value: Outside, call: t.Call, frame: Frame) -> Values:
    """`dict(a=1, **others)`; `dict()`."""
    positional, keywords = calling.arguments(names, call, frame)
    if positional or calling.MORE in keywords:
        return ()
    return (Items(Birth("display", frame, call), "dict", tuple(keywords.values()), tuple(keywords)),)


def _made_empty(names: Names, value: Outside, call: t.Call, frame: Frame) -> Values:
    """`deque(maxlen=9)`, `defaultdict(list)`: nothing in them yet."""
    last = value.name.rpartition(".")[2]
    filled_at_once = [a for a in call.arguments if a.keyword != "maxlen"][last == "defaultdict" :]
    if filled_at_once:
        return ()
    return (Items(Birth("display", frame, call), "list" if last == "deque" else "dict"),)


def _cast(names: Names, value: Outside, call: t.Call, frame: Frame) -> Values:
    kind = call.argument(0)
    return known(hints.typed(names, kind, frame)) if kind is not None else ()


def _next(names: Names, value: Outside, call: t.Call, frame: Frame) -> Values:
    birth = Birth("call", frame, call)
    found = [v for source in _first(names, value, call, frame) for v in calling.element(names, source)]
    return unique([replace(v, birth=birth) if isinstance(v, (Outside, Instance)) else v for v in found])


def _getattr(names: Names, value: Outside, call: t.Call, frame: Frame) -> Values:
    attribute = _constant_text(names, call.argument(1), frame)
    if attribute is None:
        return ()
    return unique(
        [v for of in _first(names, value, call, frame) for v in members.attribute(names, of, attribute)]
    )


def _constant_text(names: Names, expr: t.Expr | None, frame: Frame) -> str | None:
    """The one text that an expression stands for."""
    values = names.evaluate(expr, frame)
    value = values[0].value if len(values) == 1 and isinstance(values[0], Const) else None
    return value if isinstance(value, str) else None


def _super(names: Names, value: Outside, call: t.Call, frame: Frame) -> Values:
    current: Frame | None = frame
    while current is not None and current.function is not None and not current.function.owner:
        current = current.closure
    if current is None or current.function is None or not current.function.parameters:
        return ()
    klass = members.owner(names, current.function, current)
    own = names.lookup(current.function.parameters[0].name, current, None)
    return tuple(Super(None, klass, v) for v in own if klass is not None)


def _type(names: Names, value: Outside, call: t.Call, frame: Frame) -> Values:
    return tuple(Cls(None, v.klass) for v in _first(names, value, call, frame) if isinstance(v, Instance))


def _enumerate(names: Names, value: Outside, call: t.Call, frame: Frame) -> Values:
    found = unique([v for of in _first(names, value, call, frame) for v in calling.element(names, of)])
    pair = Items(None, "tuple", ((Outside(None, "builtins.int", True),), found))
    return (Items(None, "list", ((pair,),), whole=False),)


def _zip(names: Names, value: Outside, call: t.Call, frame: Frame) -> Values:
    columns = []
    for argument in call.arguments:
        values = names.evaluate(argument.value, frame)
        columns.append(unique([v for of in values for v in calling.element(names, of)]))
    return (Items(None, "list", ((Items(None, "tuple", tuple(columns)),),), whole=False),)


def _dict_values(names: Names, value: Outside, call: t.Call, frame: Frame) -> Values:
    mapping = value.of
    return (replace(mapping, kind="list", keys=()),) if isinstance(mapping, Items) else ()


def _dict_items(names: Names, value: Outside, call: t.Call, frame: Frame) -> Values:
    mapping = value.of
    if not isinstance(mapping, Items):
        return ()
    key: Values = (Unknown(),)
    pairs = tuple((Items(None, "tuple", (key, values)),) for values in mapping.items)
    return (Items(mapping.birth, "list", pairs, whole=mapping.whole),)


def _dict_get(names: Names, value: Outside, call: t.Call, frame: Frame) -> Values:
    mapping, key = value.of, call.argument(0)
    if not isinstance(mapping, Items) or key is None:
        return ()
    default = call.argument(1)
    other = names.evaluate(default, frame) if default is not None else ()
    return unique([*calling.at_key(names, mapping, key, frame), *other])


def _import_module(names: Names, value: Outside, call: t.Call, frame: Frame) -> Values:
    name = _constant_text(names, call.argument(0), frame)
    if name is None:
        return ()
    found = names.imported(frame.path, name)
    return found if all(isinstance(v, ModuleValue) for v in found) else ()


SPECIAL: dict[str, Callable[[Names, Outside, t.Call, Frame], Values]] = {
    "functools.partial": _partial,
    "functools.partialmethod": _partial,
    "typing.cast": _cast,
    "builtins.next": _next,
    "builtins.anext": _next,
    "builtins.getattr": _getattr,
    "builtins.super": _super,
    "builtins.type": _type,
    "builtins.enumerate": _enumerate,
    "builtins.zip": _zip,
    "builtins.dict": _dict,
    "builtins.dict.values": _dict_values,
    "builtins.dict.items": _dict_items,
    "builtins.dict.get": _dict_get,
    "builtins.dict.pop": _dict_get,
    "importlib.import_module": _import_module,
    **dict.fromkeys(
        ("collections.deque", "collections.defaultdict", "collections.OrderedDict"), _made_empty
    ),
    **dict.fromkeys(
        (
            "builtins.list", "builtins.tuple", "builtins.set", "builtins.sorted", "builtins.reversed", "builtins.iter",
            "builtins.aiter",
        ),
        _gathered,
    ),
    **dict.fromkeys(
        (
            "contextlib.closing", "contextlib.aclosing", "copy.copy", "copy.deepcopy",
            "builtins.list.copy", "builtins.dict.copy", "inspect.unwrap", "asyncio.shield",
        ),
        _first,
    ),
}  # fmt: skip
