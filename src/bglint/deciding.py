"""Which branches a call's own arguments close, and what of a function can then run.

Only what the caller wrote down decides: literals, defaults, enum members, handed on as they are or in an attribute that
nobody sets again. Settings and results may be something else tomorrow, so they leave both branches open.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from bglint import members, settled
from bglint import tree as t
from bglint.memo import memo
from bglint.scope import Binding, Chain, scope
from bglint.values import (
    Cls,
    Const,
    Coroutine,
    Frame,
    Func,
    Generator,
    Instance,
    Items,
    ModuleValue,
    Outside,
    Partial,
    Unknown,
    Value,
    Values,
    unique,
)  # fmt: skip

if TYPE_CHECKING:
    from bglint.names import Names

_ENUMS = ("enum.Enum", "enum.StrEnum", "enum.IntEnum")
_OBJECTS = (Func, Cls, Partial, Coroutine, Generator, ModuleValue)
_TYPES: dict[str, type] = {
    kind.__name__: kind for kind in (str, bytes, int, float, bool, list, dict, tuple, set)
}
_TEXT_TESTS = ("startswith", "endswith")
_ASYNC_TESTS = ("iscoroutinefunction", "is_async_callable", "is_coroutine_callable")
_COMPARED: dict[str, Callable[[object, object], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "is": operator.is_,
    "is not": operator.is_not,
}


def live(names: Names, frame: Frame) -> tuple[t.Node, ...]:
    """The nodes of a frame's function that can run in it, in run order."""
    if frame.function is None:
        return ()
    if frame not in names.live:
        verdicts = dict(_verdicts(names, frame))
        every = t.walk_function(frame.function)
        names.live[frame] = _Living(verdicts).read(frame.function.body) if verdicts else every
    return names.live[frame]


def can_run(names: Names, frame: Frame, node: t.Node) -> bool:
    """True for a node of the frame's function that is not left out."""
    nodes = live(names, frame)
    return (frame.function is not None and nodes is t.walk_function(frame.function)) or node in nodes


def live_of(names: Names, frame: Frame, *kinds: type[t.Node]) -> tuple[Any, ...]:
    """Those of these classes."""
    nodes = live(names, frame)
    if frame.function is None or nodes is t.walk_function(frame.function):
        return t.nodes_of(frame.function, *kinds) if frame.function is not None else ()
    wanted = t.concrete(kinds)
    return tuple([node for node in nodes if type(node) in wanted])


def _verdicts(names: Names, frame: Frame) -> Iterator[tuple[t.Expr, bool]]:
    """The tests of a function that its frame decides."""
    assert frame.function is not None
    told = set(_told(frame))
    for test, words in _tested(frame.function) if told else ():
        verdict = None if told.isdisjoint(words) else decide(names, test, frame)
        if verdict is not None:
            yield test, verdict


def _told(frame: Frame) -> Iterator[str]:
    """The parameters of which a frame, or one around it, knows what they hold, and what is made of the outer ones."""
    current: Frame | None = frame
    while current is not None:
        yield from (name for name, _ in current.bindings)
        current = current.closure
        if current is not None and current.function is not None and current.bindings:
            yield from scope(current.function).bindings


@memo
def _tested(function: t.Function) -> tuple[tuple[t.Expr, frozenset[str]], ...]:
    """A function's tests, each with the names that it mentions and those that such a name is made of."""
    asking = t.nodes_of(function, t.Branch, t.While, t.Conditional, t.Operation)
    tests = (test for node in asking for test in _tests(node))
    return tuple((test, frozenset(_words(function, test))) for test in tests)


def _words(function: t.Function, test: t.Expr) -> set[str]:
    found = {part.id for part in t.walk(test) if isinstance(part, t.Name)}
    made = (b.value for name in found for b in scope(function).bindings.get(name, ()) if b.value is not None)
    return found | {part.id for part in t.walk(*made) if isinstance(part, t.Name)}


def _tests(node: t.Node) -> tuple[t.Expr, ...]:
    if isinstance(node, (t.Branch, t.While, t.Conditional)):
        return (node.test,)
    return node.operands if isinstance(node, t.Operation) and node.kind in ("and", "or") else ()


@memo
def handed_on(function: t.Function) -> frozenset[str]:
    """The names that decide something in a function, in what it calls, or in the functions inside it."""
    nodes = t.walk_function(function)
    arguments = (a.value for node in nodes if isinstance(node, t.Call) for a in node.arguments)
    given = {expr.id for expr in arguments if isinstance(expr, t.Name)}
    inner = (node.function for node in nodes if isinstance(node, (t.Define, t.Lambda)))
    asked = (words for _, words in _tested(function))
    kept = (node.value.id for node in nodes if isinstance(node, t.Assign) and _is_kept(node))  # type: ignore[union-attr]
    return frozenset(given).union(kept, *asked, *map(handed_on, inner))


def _is_kept(node: t.Assign) -> bool:
    """`self._quiet = quiet`: what the constructor is given decides in other methods."""
    return isinstance(node.value, t.Name) and any(
        isinstance(target, t.Attribute) and target.name.startswith("_") for target in node.targets
    )


class _Living:
    """Collects what can run; a block that is left for good hides what stands behind."""

    def __init__(self, verdicts: dict[t.Expr, bool]) -> None:
        self._verdicts = verdicts
        self._found: list[t.Node] = []

    def read(self, body: t.Block) -> tuple[t.Node, ...]:
        self._block(body)
        return tuple(self._found)

    def _block(self, body: t.Block) -> bool:
        """True where the run may come out at the end of the block."""
        return all(self._statement(statement) for statement in body)

    def _statement(self, node: t.Statement) -> bool:
        goes_on = True
        if isinstance(node, t.Branch):
            goes_on = self._branch(node)
        elif isinstance(node, t.While):
            goes_on = self._while(node)
        elif isinstance(node, t.Guard):
            goes_on = self._guard(node)
        else:
            self._parts(node)
        self._found.append(node)
        return goes_on and not isinstance(node, (t.Return, t.Raise, t.Break, t.Continue))

    def _branch(self, node: t.Branch) -> bool:
        verdict = self._test(node.test)
        arms = [node.body] * (verdict is not False) + [node.orelse] * (verdict is not True)
        ends = [self._block(arm) for arm in arms]
        return any(ends)

    def _while(self, node: t.While) -> bool:
        if self._test(node.test) is not False:
            self._block(node.body)
        return self._block(node.orelse)

    def _guard(self, node: t.Guard) -> bool:
        whole = self._block(node.body) and self._block(node.orelse)
        caught = [self._handler(handler) for handler in node.handlers]
        return self._block(node.final) and (whole or any(caught))

    def _handler(self, node: t.Handler) -> bool:
        self._each(node.types)
        goes_on = self._block(node.body)
        self._found.append(node)
        return goes_on

    def _test(self, test: t.Expr) -> bool | None:
        self._node(test)
        return self._verdicts.get(test)

    def _node(self, node: t.Node) -> None:
        if isinstance(node, t.Conditional):
            verdict = self._test(node.test)
            self._each([node.body] * (verdict is not False) + [node.orelse] * (verdict is not True))
        elif isinstance(node, t.Operation) and node.kind in ("and", "or"):
            self._short_circuit(node)
        else:
            self._parts(node)
        self._found.append(node)

    def _short_circuit(self, node: t.Operation) -> None:
        for operand in node.operands:
            if self._test(operand) is (node.kind == "or"):
                break

    def _parts(self, node: t.Node) -> None:
        for name in t.CHILD_FIELDS[type(node)]:
            part = getattr(node, name)
            if isinstance(part, tuple) and part and isinstance(part[0], t.Statement):
                self._block(part)
            else:
                self._each(t.flat(part))

    def _each(self, nodes: Iterable[t.Node]) -> None:
        for node in nodes:
            self._node(node)


# ------------------------------------------------------------------- deciding


def evaluated(names: Names, chain: t.Operation, frame: Frame) -> tuple[t.Expr, ...]:
    """The operands of `and` or `or` that can be what it gives."""
    first, second = chain.operands
    verdict = decide(names, first, frame)
    if verdict is None:
        return chain.operands
    return (first,) if verdict is (chain.kind == "or") else (second,)


def decide(names: Names, test: t.Expr, frame: Frame) -> bool | None:
    """The outcome of a test in a frame; None where it is open."""
    if isinstance(test, t.Operation):
        verdict = _DECIDED.get(test.kind)
        return verdict(names, test, frame) if verdict is not None else None
    if isinstance(test, t.Call):
        return next((v for ask in _CALLED if (v := ask(names, test, frame)) is not None), None)
    return _agreed(_truth(names, value) for value in stable(names, test, frame))


def _agreed(answers: Iterable[bool | None]) -> bool | None:
    found = set(answers)
    return found.pop() if len(found) == 1 else None


def _not(names: Names, test: t.Operation, frame: Frame) -> bool | None:
    verdict = decide(names, test.operands[0], frame)
    return None if verdict is None else not verdict


def _chained(names: Names, test: t.Operation, frame: Frame) -> bool | None:
    ends = test.kind == "or"
    verdicts = [decide(names, operand, frame) for operand in test.operands]
    if ends in verdicts:
        return ends
    return None if None in verdicts else not ends


def _compared(names: Names, test: t.Operation, frame: Frame) -> bool | None:
    left, right = (stable(names, operand, frame) for operand in test.operands)
    compare = _COMPARED[test.kind]
    if right == (Const(value=None),):
        return _agreed(_none_test(value, wanted=compare(None, None)) for value in left)
    if all(isinstance(value, Const) for value in (*left, *right)):
        return _agreed(compare(a.value, b.value) for a in left for b in right)  # type: ignore[attr-defined]
    return None


def _none_test(value: Value, *, wanted: bool) -> bool | None:
    is_none = _is_none(value)
    return None if is_none is None else is_none is wanted


def _contained(names: Names, test: t.Operation, frame: Frame) -> bool | None:
    left, right = test.operands
    if not isinstance(right, t.Collection):
        return None
    members_ = [value for item in right.items for value in stable(names, item, frame)]
    values = stable(names, left, frame)
    if not all(isinstance(value, Const) for value in (*values, *members_)):
        return None
    return _agreed((value in members_) is (test.kind == "in") for value in values)


_DECIDED: dict[str, Callable[[Names, t.Operation, Frame], bool | None]] = {
    "not": _not,
    "and": _chained,
    "or": _chained,
    **dict.fromkeys(_COMPARED, _compared),
    "in": _contained,
    "not in": _contained,
}


def _text_test(names: Names, test: t.Call, frame: Frame) -> bool | None:
    """`name.startswith("x")` of a text that the caller wrote."""
    func, wanted = test.func, test.argument(0)
    if not isinstance(func, t.Attribute) or func.name not in _TEXT_TESTS or wanted is None:
        return None
    texts, parts = stable(names, func.value, frame), stable(names, wanted, frame)
    if len(test.arguments) > 1 or not all(
        isinstance(getattr(v, "value", None), str) for v in (*texts, *parts)
    ):
        return None
    return _agreed(getattr(a.value, func.name)(b.value) for a in texts for b in parts)  # type: ignore[attr-defined]


def _is_instance(names: Names, test: t.Call, frame: Frame) -> bool | None:
    if not (isinstance(test.func, t.Name) and test.func.id == "isinstance" and len(test.arguments) == 2):
        return None
    wanted = test.arguments[1].value
    kinds = wanted.items if isinstance(wanted, t.Collection) else (wanted,)
    values = stable(names, test.arguments[0].value, frame)
    return _agreed(_any(_is_of(names, value, kind, frame) for kind in kinds) for value in values)


def _is_async_function(names: Names, test: t.Call, frame: Frame) -> bool | None:
    """`inspect.iscoroutinefunction(function)` of what the caller handed over."""
    asked = (
        test.arguments[0].value
        if len(test.arguments) == 1 and t.last_name(test.func) in _ASYNC_TESTS
        else None
    )
    if asked is None or not any(isinstance(v, Outside) for v in names.evaluate(test.func, frame)):
        return None
    return _agreed(_runs_async(names, value) for value in stable(names, asked, frame))


def _runs_async(names: Names, value: Value) -> bool | None:
    while isinstance(value, Partial):
        value = value.target
    if isinstance(value, Func):
        return None if value.decorators else value.function.is_async and not value.function.is_generator
    if isinstance(value, Outside) and not value.instance:
        fact = names.knowledge.fact(value.name)
        return fact.is_async if fact is not None else None
    return False if isinstance(value, Cls) else None


_CALLED = (_is_instance, _text_test, _is_async_function)


def _any(answers: Iterable[bool | None]) -> bool | None:
    found = set(answers)
    return True if True in found else None if None in found else False


def _is_of(names: Names, value: Value, kind: t.Expr, frame: Frame) -> bool | None:
    """Is a value of one class: a builtin one, or one of the project?"""
    if isinstance(kind, t.Name) and kind.id in _TYPES:
        if isinstance(value, Const):
            return isinstance(value.value, _TYPES[kind.id])
        return False if _is_plain(names, value) else None
    classes = names.evaluate(kind, frame)
    only = classes[0] if len(classes) == 1 else None
    if not isinstance(only, Cls):
        return None
    if isinstance(value, Const):
        return False
    made = isinstance(value, Instance) and value.exact
    return only.klass in members.lineage(names, value.klass) if made else None  # type: ignore[attr-defined]


def _is_plain(names: Names, value: Value) -> bool:
    """True for an object that was made of a class which rests on nothing outside."""
    return isinstance(value, Instance) and value.exact and not members.outside_bases(names, value.klass)


def _truth(names: Names, value: Value) -> bool | None:
    if isinstance(value, Const):
        return bool(value.value)
    if isinstance(value, Instance):
        plain = _is_plain(names, value)
        sized = plain and any(members.method(names, value.klass, name) for name in ("__bool__", "__len__"))
        return True if plain and not sized else None
    return True if isinstance(value, _OBJECTS) else None


def _is_none(value: Value) -> bool | None:
    if isinstance(value, Const):
        return value.value is None
    if isinstance(value, Instance):
        return False if value.exact else None
    return False if isinstance(value, (*_OBJECTS, Items)) else None


# --------------------------------------------------------------- stable values


def stable(names: Names, expr: t.Expr, frame: Frame) -> Values:
    """What the caller's text fixes of an expression; `Unknown` among them where it may be something else."""
    if isinstance(expr, t.Constant):
        return (Const(value=expr.value),) if expr.value is not ... else (Unknown(),)  # type: ignore[arg-type]
    if isinstance(expr, t.Name):
        return _name(names, expr, frame)
    if isinstance(expr, t.Attribute):
        return _held(names, expr, frame) or _enum_member(names, expr, frame)
    if isinstance(expr, (t.Operation, t.Call)):
        return _const(decide(names, expr, frame))
    return (Unknown(),)


def _const(verdict: bool | None) -> Values:
    return (Unknown(),) if verdict is None else (Const(value=verdict),)


def _name(names: Names, expr: t.Name, frame: Frame) -> Values:
    at: int | None = expr.at
    current: Frame | None = frame
    while current is not None and current.function is not None:
        if current.function.parameter(expr.id) is not None:
            untouched = not _rebound(names, current, expr.id, at)
            return (current.binding(expr.id) if untouched else None) or (Unknown(),)
        if expr.id in scope(current.function).bindings:
            return _local(names, expr, current, inside=at is not None)
        at, current = None, current.closure
    return (Unknown(),)


def _rebound(names: Names, frame: Frame, name: str, at: int | None) -> bool:
    """Is a parameter given another value before (or in a loop around) a use?"""
    assert frame.function is not None
    if name in _augmented(frame.function):
        return True
    local = scope(frame.function)
    loops = {id(node) for node, _ in local.chain(at) if isinstance(node, (t.For, t.While))} if at else set()
    return any(
        at is None
        or (binding.at <= at and not _is_closed(names, binding.chain, frame))
        or any(id(node) in loops for node, _ in binding.chain)
        for binding in local.bindings.get(name, ())
    )


def open_bindings(names: Names, bindings: list[Binding], frame: Frame) -> list[Binding]:
    """Those of a name's bindings that do not stand in a closed arm."""
    if len(bindings) < 2 or not any(True for _ in _told(frame)):
        return bindings
    return [binding for binding in bindings if not _is_closed(names, binding.chain, frame)] or bindings


def _is_closed(names: Names, chain: Chain, frame: Frame) -> bool:
    """True in an arm that an earlier test closes."""
    tests = ((node.test, part == "orelse") for node, part in chain if isinstance(node, t.Branch))
    return any(decide(names, test, frame) is closing for test, closing in tests)


@memo
def _augmented(function: t.Function) -> frozenset[str]:
    changed = (n for n in t.nodes_of(function, t.Assign) if n.operator)
    return frozenset(target.id for node in changed for target in node.targets if isinstance(target, t.Name))


def _local(names: Names, use: t.Name, frame: Frame, *, inside: bool) -> Values:
    """A name that is assigned once, before its use, whatever happens: `wanted = background and not quiet`."""
    assert frame.function is not None
    every = scope(frame.function).bindings[use.id]
    only = every[0] if len(every) == 1 and use.id not in _augmented(frame.function) else None
    if only is None or only.value is None or only.steps or only.chain or only.kind != "assign":
        return (Unknown(),)
    if inside and not all(part.at < use.at for part in t.walk(only.value)):
        return (Unknown(),)
    return stable(names, only.value, frame)


def passed_on(expr: t.Expr, frame: Frame) -> bool:
    """True for the `args` and `kwargs` of a function that does nothing with them but to pass them on."""
    if not isinstance(expr, t.Name) or frame.function is None or frame.binding(expr.id) is None:
        return False
    parameter = frame.function.parameter(expr.id)
    return parameter is not None and parameter.kind in ("*", "**") and expr.id not in _changed(frame.function)


@memo
def _changed(function: t.Function) -> frozenset[str]:
    """The names that a function does more with than to give them as `*args` or `**kwargs`."""
    nodes = t.walk_function(function)
    starred = {id(node.value) for node in nodes if isinstance(node, t.Argument) and node.star}
    bound = frozenset(scope(function).bindings)
    return bound | {node.id for node in nodes if isinstance(node, t.Name) and id(node) not in starred}


def _held(names: Names, expr: t.Attribute, frame: Frame) -> Values:
    """What objects that the caller made were given for good; () where others may set it."""
    objects = _name(names, expr.value, frame) if isinstance(expr.value, t.Name) else ()
    found = [settled.attribute(names, each, expr.name) for each in objects]
    return unique([value for values in found for value in values]) if all(found) else ()


def _enum_member(names: Names, expr: t.Attribute, frame: Frame) -> Values:
    for value in names.evaluate(expr.value, frame) if t.last_name(expr.value)[:1].isupper() else ():
        if isinstance(value, Cls) and members.is_a(names, value, *_ENUMS):
            return names.evaluate(expr, frame)
    return (Unknown(),)
