"""What one function does in a frame: the first-party functions it runs, and the outside calls it comes to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from bglint import calling, deciding, members, operators
from bglint import tree as t
from bglint.frozen import by_identity
from bglint.knowledge import Fact
from bglint.memo import memo
from bglint.names import Names
from bglint.values import (
    Cls,
    Coroutine,
    Frame,
    Func,
    Generator,
    Instance,
    Items,
    Outside,
    Partial,
    Value,
    Values,
)  # fmt: skip

Place = Literal["event loop", "thread", "process"]


@by_identity
class Edge:
    """A call in a frame that runs `target`; `shift` is where to, None for the same place.

    `off_loop` where it only runs in a thread without an event loop: `asyncio.run(f())`.
    """

    node: t.Node
    target: Frame
    shift: Place | None = None
    off_loop: bool = False


@by_identity
class Outer:
    """An outside call in a frame; `shift` is where it is handed to, None where it runs in place."""

    node: t.Call
    value: Outside
    fact: Fact | None
    awaited: bool
    shift: Place | None = None


_READ = (t.Call, t.Attribute, t.WithItem, t.Await, t.Evaluate, t.For, t.CompLoop, t.With)


def _awaited(node: t.Node) -> tuple[t.Expr, ...]:
    """What `await`, `async with` and `async for` wait for."""
    if isinstance(node, t.Await):
        return (node.value,)
    if isinstance(node, t.With) and node.is_async:
        return tuple(item.value for item in node.items)
    return (node.iterable,) if isinstance(node, t.For) and node.is_async else ()


class Steps:
    """Reads each frame once."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._steps: dict[Frame, tuple[tuple[Edge, ...], tuple[Outer, ...]]] = {}
        self._seen_as: dict[t.Call, t.Call] = {}

    def of(self, frame: Frame) -> tuple[tuple[Edge, ...], tuple[Outer, ...]]:
        """The first-party calls and the outside calls of a frame, in run order; what operators run comes last."""
        if frame not in self._steps:
            self._steps[frame] = ((), ())
            edges: list[Edge] = []
            outers: list[Outer] = []
            if frame.function is not None:
                self._read(frame, edges, outers)
            self._steps[frame] = (tuple(edges), tuple(outers))
        return self._steps[frame]

    def _read(self, frame: Frame, edges: list[Edge], outers: list[Outer]) -> None:
        nodes = deciding.live_of(self._names, frame, *_READ)
        awaited = {id(expr) for node in nodes for expr in _awaited(node)}
        dropped = {id(node.value) for node in nodes if isinstance(node, t.Evaluate)}
        called = {id(node.func) for node in nodes if isinstance(node, t.Call)}
        properties = members.property_names(self._names)
        for node in nodes:
            if isinstance(node, t.Call):
                for value in self._names.evaluate(node.func, frame):
                    self._call(node, value, frame, id(node) in awaited, id(node) in dropped, edges, outers)
            elif isinstance(node, t.Attribute) and node.name in properties and id(node) not in called:
                edges.extend(self._property(node, frame))
            elif isinstance(node, t.WithItem):
                edges.extend(self._managed(node, frame))
            elif isinstance(node, (t.For, t.CompLoop)) and isinstance(node.iterable, t.Call):
                outers.extend(self._iterated(node.iterable, frame))
        places = deciding.live_of(self._names, frame, *operators.NODES)
        edges.extend(Edge(place, target) for place, target in operators.run_by(self._names, places, frame))

    def _iterated(self, iterable: t.Call, frame: Frame) -> Iterator[Outer]:
        """`for user in session.query(User)`: what iterating does, told at the call."""
        for value in self._names.evaluate(iterable, frame):
            name = f"{value.name}.__iter__" if isinstance(value, Outside) and value.instance else ""
            fact = self._names.knowledge.fact(name) if name else None
            if fact is not None:
                yield Outer(iterable, Outside(value.birth, name, True, value), fact, False)

    def _call(
        self,
        node: t.Call,
        value: Value,
        frame: Frame,
        awaited: bool,
        dropped: bool,
        edges: list[Edge],
        outers: list[Outer],
    ) -> None:
        if isinstance(value, Outside):
            fact = self._fact(value, node)
            outers.append(Outer(node, value, fact, awaited))
            self._handed_on(node, fact, frame, edges, outers)
            return
        if isinstance(value, Instance):
            outers.extend(self._inherited(node, value, awaited))
        positional, keywords = calling.arguments(self._names, node, frame)
        place = self._place(value)
        off_loop = frame.function is not None and node in _run_apart(frame.function)
        for target, is_async in self.entered(value, positional, keywords):
            if not (is_async and dropped and not awaited) and not self._runs_in_thread(node, target, frame):
                edges.append(Edge(node, target, place, off_loop))
        if isinstance(value, Partial) and isinstance(value.target, Outside):
            self._call(node, value.target, frame, awaited, dropped, edges, outers)

    def _runs_in_thread(self, call: t.Call, target: Frame, frame: Frame) -> bool:
        """True for a generator that is made here, and gone through in another thread: `iterate_in_threadpool(lines())`."""
        if target.function is None or not target.function.is_generator or frame.function is None:
            return False
        around = (c for c in t.nodes_of(frame.function, t.Call) if any(a.value is call for a in c.arguments))
        names = (
            v.name for c in around for v in self._names.evaluate(c.func, frame) if isinstance(v, Outside)
        )
        facts = filter(None, map(self._names.knowledge.fact, names))
        offloaded = any(fact.runs is not None and fact.where == "thread" for fact in facts)
        return offloaded or call in _gone_through_elsewhere(frame.function)

    def _inherited(self, node: t.Call, value: Instance, awaited: bool) -> Iterator[Outer]:
        """What calling an object does by an outside base: `model(x)` of a class derived from `torch.nn.Module`."""
        if members.method(self._names, value.klass, "__call__") is None:
            for base in members.outside_bases(self._names, value.klass):
                fact = self._names.knowledge.fact(f"{base}.__call__")
                if fact is not None:
                    yield Outer(node, Outside(value.birth, base, True), fact, awaited)

    def _place(self, value: Value) -> Place | None:
        if not isinstance(value, Func):
            return None
        return next((p for name in value.decorators if (p := self._decorator_place(name))), None)

    def _fact(self, value: Outside, node: t.Call) -> Fact | None:
        """What a call does; nothing where it only acts if an argument is given that is missing."""
        fact = self._names.knowledge.fact(f"{value.name}.__call__" if value.instance else value.name)
        if fact is None or not fact.if_given or node.spread or node.argument(0, fact.if_given) is not None:
            return fact
        return None

    def _handed_on(
        self, node: t.Call, fact: Fact | None, frame: Frame, edges: list[Edge], outers: list[Outer]
    ) -> None:
        """The callable that an outside call runs: in a thread, a process, or here."""
        if fact is None or fact.runs is None:
            return
        handed = node.keyword(fact.runs) if isinstance(fact.runs, str) else node.argument(fact.runs)
        shift: Place | None = fact.where if fact.where in ("thread", "process") else None  # type: ignore[assignment]
        for value in self._names.evaluate(handed, frame) if handed is not None else ():
            if isinstance(value, Outside) and not value.instance and handed is not None:
                call = self._as_call(node, handed, fact)
                outers.append(Outer(call, value, self._fact(value, call), False, shift))
            else:
                given = self._handed_arguments(node, fact, frame)
                edges.extend(Edge(node, target, shift) for target, _ in self.entered(value, *given))

    def _handed_arguments(self, node: t.Call, fact: Fact, frame: Frame) -> calling.Arguments:
        if isinstance(fact.runs, str):
            more: dict[str, Values] = {calling.MORE: ()} if node.keyword("kwargs") is not None else {}
            return self._thread_arguments(node, frame), more
        return calling.arguments(self._names, node, frame, int(fact.runs or 0) + 1)

    def _as_call(self, node: t.Call, handed: t.Expr, fact: Fact) -> t.Call:
        """`to_thread(f, x)` seen as the call `f(x)`, at the same place."""
        if node not in self._seen_as:
            skip = fact.runs + 1 if isinstance(fact.runs, int) else len(node.arguments)
            self._seen_as[node] = t.Call(node.at, handed, node.arguments[skip:])
        return self._seen_as[node]

    def _thread_arguments(self, node: t.Call, frame: Frame) -> tuple[Values, ...]:
        given = node.keyword("args")
        values = self._names.evaluate(given, frame) if given is not None else ()
        return next((v.items for v in values if isinstance(v, Items) and v.whole), ())

    def _property(self, node: t.Attribute, frame: Frame) -> Iterator[Edge]:
        for value in self._names.evaluate(node.value, frame):
            if isinstance(value, Instance):
                getter = members.bound(self._names, value, node.name)
                if getter is not None and members.has_decorator(getter.function, *members.PROPERTIES):
                    yield Edge(node, calling.bind(self._names, getter, (), {}))

    def _managed(self, node: t.WithItem, frame: Frame) -> Iterator[Edge]:
        for value in self._names.evaluate(node.value, frame):
            if isinstance(value, Instance):
                for name in ("__enter__", "__exit__", "__aenter__", "__aexit__"):
                    method = members.bound(self._names, value, name)
                    if method is not None:
                        yield Edge(node, calling.bind(self._names, method, (), {}))

    # ----------------------------------------------------------- what calling runs

    def entered(
        self,
        value: Value,
        positional: tuple[Values, ...],
        keywords: dict[str, Values],
        *,
        births: bool = False,
    ) -> Iterator[tuple[Frame, bool]]:
        """The frames that calling a value runs, and whether that is asynchronous; for `births` see `calling.bind`."""
        if isinstance(value, Func):
            yield (
                calling.bind(self._names, value, positional, keywords, births=births),
                self.is_async(value),
            )
        elif isinstance(value, Partial):
            merged = {**dict(value.keywords), **keywords}
            yield from self.entered(value.target, (*value.positional, *positional), merged, births=births)
        elif isinstance(value, Cls):
            yield from self._constructed(value, positional, keywords)
        elif isinstance(value, Instance):
            func = members.bound(self._names, value, "__call__")
            if func is not None:
                yield from self.entered(func, positional, keywords, births=births)
        elif isinstance(value, (Coroutine, Generator)):
            yield value.call, value.func.function.is_async

    def _constructed(
        self, value: Cls, positional: tuple[Values, ...], keywords: dict[str, Values]
    ) -> Iterator[tuple[Frame, bool]]:
        made = calling.construct(self._names, value, positional, keywords, None)
        if isinstance(made, Instance) and made.init is not None and made.init.function is not None:
            yield made.init, False
        after = members.method(self._names, value.klass, "__post_init__")
        if after is not None:
            yield calling.bind(self._names, Func(None, after[1], after[0].closure, made), (), {}), False

    def is_async(self, value: Value) -> bool:
        """Would the runner await this callable (the Starlette test: an async function, or an async `__call__`)?"""
        if isinstance(value, Func):
            return value.function.is_async and not self._offloaded(value)
        if isinstance(value, Partial):
            return self.is_async(value.target)
        if isinstance(value, Instance):
            func = members.bound(self._names, value, "__call__")
            return func is not None and func.function.is_async
        if isinstance(value, Outside):
            fact = self._names.knowledge.fact(value.name)
            return fact is not None and fact.is_async
        return isinstance(value, Coroutine)

    def _offloaded(self, value: Func) -> bool:
        return any(self._decorator_place(name) is not None for name in value.decorators)

    def _decorator_place(self, name: str) -> Place | None:
        fact = self._names.knowledge.fact(name.removesuffix("()"))
        offloads = fact is not None and (fact.runs is not None or fact.wraps is not None)
        where = fact.where if fact is not None and offloads else ""
        return where if where in ("thread", "process") else None  # type: ignore[return-value]


@memo
def _gone_through_elsewhere(function: t.Function) -> frozenset[t.Expr]:
    """The calls whose result has a name that is only handed on behind `next`, and closed."""
    calls = t.nodes_of(function, t.Call)
    handed = {id(a.value) for call in calls if _hands_next(call) for a in call.arguments}
    closed = {
        id(node.value) for node in t.nodes_of(function, t.Attribute) if node.name in ("close", "aclose")
    }
    assigns = [
        a for a in t.nodes_of(function, t.Assign) if isinstance(a.value, t.Call) and len(a.targets) == 1
    ]
    named = {id(a.targets[0]) for a in assigns}
    names = t.nodes_of(function, t.Name)
    used = {name.id for name in names if id(name) not in handed | closed | named}
    behind = {name.id for name in names if id(name) in handed} - used
    found = (a.value for a in assigns if isinstance(a.targets[0], t.Name) and a.targets[0].id in behind)
    return frozenset(value for value in found if value is not None)


def _hands_next(call: t.Call) -> bool:
    return any(isinstance(a.value, t.Name) and a.value.id == "next" for a in call.arguments)


@memo
def _run_apart(function: t.Function) -> frozenset[t.Expr]:
    """What is given to `asyncio.run(...)`, which refuses to run where a loop runs already."""
    calls = (call for call in t.nodes_of(function, t.Call) if isinstance(call.func, t.Attribute))
    apart = (c for c in calls if c.func.name == "run" and t.last_name(c.func.value) == "asyncio")
    return frozenset(call.arguments[0].value for call in apart if call.arguments)
