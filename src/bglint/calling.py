"""What a call gives, what awaiting, entering, iterating and indexing a value gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from bglint import deciding, filling, hints, members, special, spreading
from bglint import tree as t
from bglint.values import (
    Annotation,
    Birth,
    Cls,
    Const,
    Coroutine,
    Frame,
    Func,
    Generator,
    Instance,
    Items,
    Outside,
    Partial,
    Unknown,
    Value,
    Values,
    anonymous,
    declared_as,
    known,
    unique,
)  # fmt: skip

if TYPE_CHECKING:
    from bglint.names import Names

Arguments = tuple[tuple[Values, ...], dict[str, Values]]

MORE = "**"
"""The keyword that stands for arguments that nobody can list."""

MOST_CONSTRUCTED = 3
"""How many constructors inside constructors' arguments are kept apart."""

MOST_TEXT = 32
"""Longer texts are no keys or names; their value is not handed on to callees."""


# ------------------------------------------------------------------ arguments


def arguments(names: Names, call: t.Call, frame: Frame, skip: int = 0) -> Arguments:
    """The values of a call's arguments, `*args` and `**kwargs` spread where they are known.

    The keyword `MORE` says that other parameters may be given too.
    """
    positional: list[Values] = []
    keywords: dict[str, Values] = {}
    for argument in call.arguments[skip:]:
        if argument.star == "**":
            found, closed = spreading.keywords(names, argument.value, frame)
            keywords.update(found)
            if not closed and not deciding.passed_on(argument.value, frame):
                keywords[MORE] = ()
            continue
        values = names.evaluate(argument.value, frame)
        if argument.star == "*":
            positional.extend(_spread(names, values))
            if not deciding.passed_on(argument.value, frame):
                keywords[MORE] = ()
        elif argument.keyword is not None:
            keywords[argument.keyword] = _certain(names, values, argument.value, frame)
        else:
            positional.append(_certain(names, values, argument.value, frame))
    return tuple(positional), keywords


def _certain(names: Names, values: Values, expr: t.Expr, frame: Frame) -> Values:
    """The values, with a doubt where a constant among them is not written by the caller."""
    if isinstance(expr, t.Constant) or not any(isinstance(v, Const) for v in values):
        return values
    return unique([*values, *(v for v in deciding.stable(names, expr, frame) if v == Unknown())])


def _spread(names: Names, values: Values) -> tuple[Values, ...]:
    rows = (v for v in values if isinstance(v, Items) and v.kind in ("tuple", "list"))
    return next((row.items for row in rows if _is_as_displayed(names, row)), ())


def _is_as_displayed(names: Names, value: Items) -> bool:
    """True where each position is known."""
    return value.whole and filling.filled(names, value) is value


def bind(
    names: Names,
    func: Func,
    positional: tuple[Values, ...],
    keywords: Mapping[str, Values],
    *,
    births: bool = False,
) -> Frame:
    """The frame of a call: parameters with the values given to them, `self` and literal defaults included.

    With `births` objects keep where they were made: one frame for each, where a task is registered and begins; else one
    for all equal objects.
    """
    function = func.function
    if func.bound is not None:
        positional = ((func.bound,), *positional)
    if not births:
        positional, keywords = _lighter(positional, keywords)
    rest = dict(keywords)
    closed = rest.pop(MORE, None) is None
    given = _given(function, positional, rest, closed=closed)
    if closed and not func.decorators:
        given = {**_defaults(names, func, given), **given}
    options = {name: given.pop(name) for name in spreading.options(names, function, given)}
    bindings = sorted((*_kept(given), *options.items()), key=lambda pair: pair[0])
    return names.frame(function, function.source.path, tuple(bindings), func.closure)


def _lighter(positional: tuple[Values, ...], keywords: Mapping[str, Values]) -> Arguments:
    """The arguments without the births of what was made on the way."""
    return tuple(map(_unborn, positional)), {name: _unborn(values) for name, values in keywords.items()}


def _unborn(values: Values) -> Values:
    made = [isinstance(v, Instance) and v.birth is not None and not _lives_shorter(v) for v in values]
    if not any(made):
        return values
    return unique([replace(v, birth=None) if of else v for v, of in zip(values, made, strict=True)])


def _given(
    function: t.Function, positional: tuple[Values, ...], rest: dict[str, Values], *, closed: bool
) -> dict[str, Values]:
    """The values by parameter; `closed` where nothing else can be given."""
    given: dict[str, Values] = {}
    position = 0
    for parameter in function.parameters:
        if parameter.kind == "*":
            given[parameter.name] = (Items(None, "tuple", positional[position:]),)
        elif parameter.kind == "**":
            given[parameter.name] = (Items(None, "dict", tuple(rest.values()), tuple(rest), closed),)
        elif parameter.kind != "keyword-only" and position < len(positional):
            given[parameter.name] = positional[position]
            position += 1
        elif parameter.name in rest:
            given[parameter.name] = rest.pop(parameter.name)
    return given


def _defaults(names: Names, func: Func, given: Mapping[str, Values]) -> dict[str, Values]:
    """What the caller left out and a test may ask for."""
    left_out = [p for p in func.function.parameters if p.default is not None and p.name not in given]
    if not left_out:
        return {}
    outer = func.closure or names.module_frame(func.function.source.path)
    asked = deciding.handed_on(func.function)
    found = {p.name: deciding.stable(names, p.default, outer) for p in left_out if p.name in asked}  # type: ignore[arg-type]
    return {name: values for name, values in found.items() if Unknown() not in values}


def _kept(given: Mapping[str, Values]) -> tuple[tuple[str, Values], ...]:
    """The bindings that tell a callee something, in a fixed order.

    Every difference makes another frame to follow: what only says "some text" is forgotten, and constructors that are
    nested too deep.
    """
    kept = ((name, _telling(values)) for name, values in given.items())
    return tuple(sorted((pair for pair in kept if pair[1]), key=lambda pair: pair[0]))


def _telling(values: Values) -> Values:
    telling = tuple(_shallow(v) for v in values if _says(v))
    doubt = len(telling) < len(values) and any(isinstance(v, Const) for v in telling)
    return (*telling, Unknown()) if doubt else telling


def _says(value: Value) -> bool:
    if isinstance(value, Const):
        return not isinstance(value.value, (str, bytes)) or len(value.value) < MOST_TEXT
    if isinstance(value, Items):
        return any(_says(v) and not isinstance(v, Const) for v in value.elements()) or _lives_shorter(value)
    if isinstance(value, Outside):
        plain = value.instance and (anonymous(value) or value.name.startswith("builtins."))
        return not plain or _lives_shorter(value)
    return not isinstance(value, Unknown) or _lives_shorter(value)


def _lives_shorter(value: Value | None) -> bool:
    """True for what comes from a dependency or a `with`, and may end before the task does."""
    while value is not None:
        if value.birth is not None and value.birth.kind in ("dependency", "with"):
            return True
        value = value.of if isinstance(value, Outside) else None
    return False


def _shallow(value: Value) -> Value:
    if isinstance(value, Instance) and _is_deep(value, MOST_CONSTRUCTED):
        return replace(value, init=None)
    return value


def _is_deep(value: Value, levels: int) -> bool:
    """True where constructors are nested more than `levels` deep."""
    if not isinstance(value, Instance) or value.init is None:
        return False
    inner = (v for _, values in value.init.bindings for v in values if v is not value)
    return levels == 0 or any(_is_deep(v, levels - 1) for v in inner)


# -------------------------------------------------------------------- calling


def result(names: Names, value: Value, call: t.Call, frame: Frame) -> Values:
    """What calling `value` with the arguments of `call` gives."""
    if isinstance(value, Outside):
        return _outside(names, value, call, frame)
    return apply(names, value, *arguments(names, call, frame), Birth("call", frame, call))


def apply(
    names: Names,
    value: Value,
    positional: tuple[Values, ...],
    keywords: dict[str, Values],
    birth: Birth | None,
) -> Values:
    """What calling a first-party value gives."""
    if isinstance(value, Func):
        return _called(names, value, bind(names, value, positional, keywords), birth)
    if isinstance(value, Cls):
        return (construct(names, value, positional, keywords, birth),)
    if isinstance(value, Partial):
        return apply(
            names, value.target, (*value.positional, *positional), {**dict(value.keywords), **keywords}, birth
        )
    if isinstance(value, Instance):
        func = members.bound(names, value, "__call__")
        if func is not None:
            return apply(names, func, positional, keywords, birth)
    if isinstance(value, Outside):
        return _plain_outside(names, value, birth)
    return (Unknown(birth),)


def _called(names: Names, func: Func, frame: Frame, birth: Birth | None) -> Values:
    if func.function.is_generator:
        return (Generator(birth, func, frame),)
    if func.function.is_async:
        return (Coroutine(birth, func, frame),)
    return returned(names, frame)


def construct(
    names: Names,
    value: Cls,
    positional: tuple[Values, ...],
    keywords: Mapping[str, Values],
    birth: Birth | None,
) -> Value:
    """The object that calling a class gives; a dataclass or model keeps its fields as its constructor's bindings."""
    new = Instance(birth, value.klass, True)
    found = members.method(names, value.klass, "__init__")
    if found is None:
        given = dict(keywords) | dict(zip(_fields(names, value), positional, strict=False))
        return replace(new, init=names.frame(None, value.klass.source.path, _filled_in(given)))
    func = Func(None, found[1], found[0].closure, Instance(None, value.klass))
    return replace(new, init=bind(names, func, positional, keywords))


def _filled_in(given: Mapping[str, Values]) -> tuple[tuple[str, Values], ...]:
    """The bindings of a record: what is not among them was left out."""
    telling = dict(_kept(given))
    return tuple((name, telling.get(name, (Unknown(),))) for name in sorted(given))


def _fields(names: Names, value: Cls) -> list[str]:
    """The parameters of the constructor that a class is given; bases of a dataclass add theirs if they are dataclasses."""
    found: list[str] = []
    lineage = members.lineage(names, value.klass)
    if members.has_decorator(value.klass, "dataclass"):
        lineage = tuple(klass for klass in lineage if members.has_decorator(klass, "dataclass"))
    for klass in reversed(lineage):
        entries = klass.entry.members if klass.entry else ()
        found += [entry.name for entry in entries if entry.kind == "assign" and entry.name not in found]
    return found


def returned(names: Names, frame: Frame) -> Values:
    """What a function returns in a frame; its annotation where its `return` statements say nothing."""
    return names.remember(("returned", frame), lambda: _returned(names, frame))


def _returned(names: Names, frame: Frame) -> Values:
    declared = known(_declared(names, frame))
    if declared and (all(map(_is_plain, declared)) or members.is_abstract(frame.function)):  # type: ignore[arg-type]
        return declared
    given = handed_back(names, frame)
    if not declared or not all(map(anonymous, known(given))):
        return given
    short = [declared_as(value, kind) for value in given if _lives_shorter(value) for kind in declared]
    return unique(short) or declared


def _is_plain(value: Value) -> bool:
    """True for texts, numbers, collections: where those come from nobody asks."""
    return not isinstance(value, (Instance, Cls, Outside)) or (
        isinstance(value, Outside)
        and value.name.startswith(("builtins.", "typing.", "datetime.", "decimal.", "uuid."))
    )


def _declared(names: Names, frame: Frame) -> Values:
    function = frame.function
    if function is None or function.returns is None:
        return ()
    return hints.typed(names, function.returns, frame.closure or names.module_frame(frame.path))


def handed_back(names: Names, frame: Frame) -> Values:
    """What the `return` statements of a function give, whatever its annotation says."""
    return names.remember(("handed back", frame), lambda: _handed_back(names, frame))


def _handed_back(names: Names, frame: Frame) -> Values:
    assert frame.function is not None
    found: list[Value] = []
    for node in deciding.live_of(names, frame, t.Return):
        if node.value is not None:
            found.extend(names.evaluate(node.value, frame))
    return unique(found) or (Const(value=None),)


def yielded(names: Names, generator: Generator) -> Values:
    """What a generator function yields."""
    return names.remember(("yielded", generator.call), lambda: _yielded(names, generator))


def _yielded(names: Names, generator: Generator) -> Values:
    found: list[Value] = []
    for node in deciding.live_of(names, generator.call, t.Yield):
        if node.value is not None:
            values = names.evaluate(node.value, generator.call)
            found.extend(
                v for value in values for v in (element(names, value) if node.delegates else (value,))
            )
    returns = generator.func.function.returns
    if not known(tuple(found)) and returns is not None:
        outer = generator.call.closure or names.module_frame(generator.call.path)
        found.extend(v for value in hints.typed(names, returns, outer) for v in element(names, value))
    return unique(found) or (Unknown(),)


def awaited(names: Names, value: Value) -> Values:
    """What `await value` gives."""
    if isinstance(value, Coroutine):
        return returned(names, value.call)
    return (value,)


def entered(names: Names, value: Value, birth: Birth) -> Values:
    """What `with value as name` binds; born of the `with`."""
    return unique([_stamped(v, birth, value) for v in _entered(names, value)])


def _entered(names: Names, value: Value) -> Values:
    if isinstance(value, Generator):
        return yielded(names, value)
    if isinstance(value, Instance):
        for name in ("__enter__", "__aenter__"):
            method = members.bound(names, value, name)
            if method is not None:
                return known(returned(names, bind(names, method, (), {}))) or (value,)
    if isinstance(value, Outside):
        for name in ("__enter__", "__aenter__"):
            fact = names.knowledge.fact(f"{value.name}.{name}")
            if fact is not None and fact.returns:
                return (Outside(value.birth, names.knowledge.canonical(fact.returns), True, value),)
    return (value,)


def _stamped(value: Value, birth: Birth, manager: Value) -> Value:
    if isinstance(value, Outside):
        return replace(value, birth=birth, of=manager)
    if isinstance(value, (Instance, Unknown, Items)):
        return replace(value, birth=birth)
    return value


def element(names: Names, value: Value) -> Values:
    """What iterating over a value gives."""
    if isinstance(value, Items):
        return unique(list(filling.filled(names, value).elements())) or (Unknown(value.birth),)
    if isinstance(value, Generator):
        declared = unique([v for kind in _declared(names, value.call) for v in element(names, kind)])
        return known(declared) or yielded(names, value)
    if isinstance(value, Outside) and value.instance:
        return (Outside(value.birth, f"{value.name}[]", True, value),)
    return (Unknown(),)


def nth(names: Names, value: Value, index: int) -> Values:
    """What unpacking gives at one position."""
    if isinstance(value, Items) and _is_as_displayed(names, value) and index < len(value.items):
        return value.items[index]
    return element(names, value)


def item(names: Names, value: Value, index: tuple[t.Expr, ...], frame: Frame, expr: t.Subscript) -> Values:
    """What `value[index]` gives."""
    if isinstance(value, Items):
        return at_key(names, value, index[0] if len(index) == 1 else None, frame)
    if isinstance(value, Cls) or (isinstance(value, Outside) and not value.instance):
        return (Annotation(None, expr, frame),)
    if isinstance(value, Outside):
        fact = names.knowledge.fact(f"{value.name}.__getitem__")
        kind = fact.returns if fact is not None and fact.returns else f"{value.name}[]"
        return (Outside(value.birth, kind, True, value),)
    if isinstance(value, Instance):
        method = members.bound(names, value, "__getitem__")
        if method is not None:
            return returned(names, bind(names, method, (), {}))
    return (Unknown(),)


def at_key(names: Names, value: Items, index: t.Expr | None, frame: Frame) -> Values:
    """What a collection holds at an index; all that it holds where that is not known."""
    keys = (
        [v.value for v in names.evaluate(index, frame) if isinstance(v, Const)] if index is not None else []
    )
    full = filling.filled(names, value)
    if len(keys) == 1 and full.kind == "dict" and keys[0] in full.keys:
        under = (values for key, values in zip(full.keys, full.items, strict=False) if key == keys[0])
        return unique([v for values in under for v in values])
    if (
        len(keys) == 1
        and isinstance(keys[0], int)
        and _is_as_displayed(names, value)
        and -len(value.items) <= keys[0] < len(value.items)
    ):
        return value.items[keys[0]]
    return unique(list(full.elements())) or (Unknown(value.birth),)


def _is_type(names: Names, value: Value) -> bool:
    if isinstance(value, Outside):
        return not value.instance and names.knowledge.is_class(value.name)
    return isinstance(value, (Cls, Annotation))


def arithmetic(names: Names, expr: t.Operation, frame: Frame) -> Values:
    """Numbers are computed; `path / name` and `text + text` come from their left side."""
    sides = [names.evaluate(operand, frame) for operand in expr.operands]
    if expr.kind == "|" and any(_is_type(names, value) for side in sides for value in side):
        return (Annotation(None, expr, frame),)
    numbers = [side[0].value for side in sides if len(side) == 1 and isinstance(side[0], Const)]
    compute = _ARITHMETIC.get(expr.kind)
    if compute and len(numbers) == 2 and all(isinstance(n, (int, float)) for n in numbers):
        try:
            return (Const(value=compute(*numbers)),)
        except (ArithmeticError, ValueError):
            return (Unknown(),)
    if expr.kind in ("/", "+", "%"):
        left = tuple(v for v in sides[0] if isinstance(v, Outside) and v.instance)
        return tuple(Outside(Birth("display", frame, expr), v.name, True, v) for v in left) or (Unknown(),)
    return (Unknown(),)


_ARITHMETIC: dict[str, Callable[..., int | float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "//": lambda a, b: a // b,
    "**": lambda a, b: a**b if abs(b) < 64 else float("inf"),
}


# ----------------------------------------------------------- outside callables


def _outside(names: Names, value: Outside, call: t.Call, frame: Frame) -> Values:
    known_call = special.SPECIAL.get(value.name)
    if known_call is not None:
        found = known_call(names, value, call, frame)
        if found:
            return found
    birth = Birth("call", frame, call)
    fact = names.knowledge.fact(value.name)
    if fact is not None and fact.is_async and isinstance(fact.runs, int):
        found = _handed_over(names, call, frame, fact.runs, birth)
        if known(found):
            return found
    if fact is not None and fact.returns_from:
        chosen = call.keyword(fact.returns_from)
        types = names.evaluate(chosen, frame) if chosen is not None else ()
        made = tuple(_made(v, birth) for v in types if isinstance(v, (Cls, Outside)))
        if made:
            return made
    return _plain_outside(names, value, birth)


def _handed_over(names: Names, call: t.Call, frame: Frame, position: int, birth: Birth) -> Values:
    """What `await run_in_threadpool(f, x)` gives: what `f(x)` does."""
    handed = call.argument(position)
    values = names.evaluate(handed, frame) if handed is not None else ()
    given = arguments(names, call, frame, position + 1) if values else ((), {})
    return unique([v for value in values for v in apply(names, value, *given, birth)])


def _made(value: Value, birth: Birth) -> Value:
    if isinstance(value, Cls):
        return Instance(birth, value.klass)
    assert isinstance(value, Outside)
    return Outside(birth, value.name, True)


def _plain_outside(names: Names, value: Outside, birth: Birth | None) -> Values:
    knowledge = names.knowledge
    name = f"{value.name}.__call__" if value.instance else value.name
    fact = knowledge.fact(name)
    if fact is not None and fact.returns:
        return (Outside(birth, knowledge.canonical(fact.returns), True, value),)
    if not value.instance and knowledge.is_class(name):
        return (Outside(birth, name, True, value.of),)
    return (Outside(birth, knowledge.canonical(f"{name}()"), True, value),)


# ----------------------------------------------------------------- decorators


def decorate(names: Names, wrapper: Value, value: Value) -> Values:
    """What `@wrapper` makes of `value`; an unreadable decorator leaves it, with a mark."""
    if isinstance(wrapper, Outside):
        return (_marked(value, wrapper.name),)
    if isinstance(wrapper, (Func, Cls, Partial, Instance)):
        made = apply(names, wrapper, ((value,),), {}, None)
        callables = tuple(v for v in made if isinstance(v, (Func, Partial, Cls)) or _is_callable(names, v))
        if callables:
            return callables
    return (_marked(value, "?"),)


def _is_callable(names: Names, value: Value) -> bool:
    return isinstance(value, Instance) and members.method(names, value.klass, "__call__") is not None


def _marked(value: Value, name: str) -> Value:
    if isinstance(value, Func) and not name.startswith("functools.wraps"):
        return replace(value, decorators=(*value.decorators, name))
    return value
