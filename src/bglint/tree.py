"""The one intermediate language: what a function does, in plain frozen nodes.

`body.py` writes these nodes from the source, everybody else only reads them.
A node knows its place as `at`, an index into its function's `Source`; a line and
column are computed only for what is reported (`Project.span`).
Nodes compare by identity: two equal-looking calls are two calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import cache
from typing import Any

from bglint.frozen import by_identity
from bglint.memo import memo


@by_identity
class Node:
    """Anything with a place in the source."""

    at: int


# ---------------------------------------------------------------- expressions


@by_identity
class Expr(Node):
    """A value that the program computes."""


@by_identity
class Name(Expr):
    id: str


@by_identity
class Attribute(Expr):
    value: Expr
    name: str


@by_identity
class Constant(Expr):
    """A literal: str, bytes, int, float, complex, bool, None or Ellipsis."""

    value: object


@by_identity
class Argument(Node):
    """One argument of a call; `star` is "", "*" or "**"."""

    value: Expr
    keyword: str | None = None
    star: str = ""


@by_identity
class Call(Expr):
    func: Expr
    arguments: tuple[Argument, ...]

    def keyword(self, name: str) -> Expr | None:
        """The value given for the keyword `name`, if it is given by name."""
        return next((a.value for a in self.arguments if a.keyword == name), None)

    def argument(self, position: int, name: str | None = None) -> Expr | None:
        """The value of a parameter, given by position (from 0) or by name."""
        plain = [a for a in self.arguments if a.keyword is None]
        before = plain[: position + 1]
        if len(before) > position and not any(a.star for a in before):
            return before[position].value
        return self.keyword(name) if name else None

    @property
    def spread(self) -> bool:
        """True where `*args` or `**kwargs` hides what is really given."""
        return any(a.star for a in self.arguments)


@by_identity
class Await(Expr):
    value: Expr


@by_identity
class Yield(Expr):
    """`yield`, or `yield from` where `delegates`."""

    value: Expr | None
    delegates: bool = False


@by_identity
class Text(Expr):
    """An f-string or template string, with the expressions inside it."""

    parts: tuple[Expr, ...]


@by_identity
class Collection(Expr):
    """A display; `kind` is "list", "tuple" or "set". Starred items are `Starred`."""

    kind: str
    items: tuple[Expr, ...]


@by_identity
class Mapping(Expr):
    """A dict display; the key is None for `**other`."""

    items: tuple[tuple[Expr | None, Expr], ...]


@by_identity
class Starred(Expr):
    value: Expr


@by_identity
class Subscript(Expr):
    value: Expr
    index: tuple[Expr, ...]


@by_identity
class Slice(Expr):
    parts: tuple[Expr, ...]


@by_identity
class Operation(Expr):
    """Operators; `kind` is the operator as written: "and", "or", "not", "==", "is", "|", "+", "-" ...

    A chained comparison has the kind "compare".
    """

    kind: str
    operands: tuple[Expr, ...]


@by_identity
class Conditional(Expr):
    test: Expr
    body: Expr
    orelse: Expr


@by_identity
class Walrus(Expr):
    target: Expr
    value: Expr


@by_identity
class Comprehension(Expr):
    """`kind` is "list", "set", "dict" or "generator"; a dict has two elements."""

    kind: str
    elements: tuple[Expr, ...]
    loops: tuple[CompLoop, ...]


@by_identity
class CompLoop(Node):
    target: Expr
    iterable: Expr
    tests: tuple[Expr, ...]
    is_async: bool = False


@by_identity
class Lambda(Expr):
    function: Function


@by_identity
class Other(Expr):
    """An expression that no question is asked about, with its parts."""

    parts: tuple[Expr, ...] = ()


def last_name(expr: Expr | None) -> str:
    """`f` of `f`, `a.f` and `a.b.f`; "" for anything else."""
    if isinstance(expr, Name):
        return expr.id
    return expr.name if isinstance(expr, Attribute) else ""


# ----------------------------------------------------------------- statements


@by_identity
class Statement(Node):
    """A step of the program."""


Block = tuple[Statement, ...]


@by_identity
class Evaluate(Statement):
    """An expression for its effect."""

    value: Expr


@by_identity
class Assign(Statement):
    """`a = b = value`, `a: T = value` (value None for a bare annotation), `a += value`."""

    targets: tuple[Expr, ...]
    value: Expr | None
    annotation: Expr | None = None
    operator: str = ""


@by_identity
class Return(Statement):
    value: Expr | None


@by_identity
class Raise(Statement):
    value: Expr | None
    cause: Expr | None = None


@by_identity
class Assert(Statement):
    test: Expr


@by_identity
class Delete(Statement):
    targets: tuple[Expr, ...]


@by_identity
class Break(Statement):
    pass


@by_identity
class Continue(Statement):
    pass


@by_identity
class Declare(Statement):
    """`global` or `nonlocal`."""

    kind: str
    names: tuple[str, ...]


@by_identity
class Import(Statement):
    """Local name -> dotted target; `from .x import y as z` is ("z", ".x.y"); the name "*" for a star import."""

    names: tuple[tuple[str, str], ...]


@by_identity
class Branch(Statement):
    """`if`; `elif` is a Branch alone in `orelse`."""

    test: Expr
    body: Block
    orelse: Block


@by_identity
class Match(Statement):
    """`match`; each case with its pattern's captured names, guard and body."""

    subject: Expr
    cases: tuple[Case, ...]


@by_identity
class Case(Node):
    names: tuple[str, ...]
    guard: Expr | None
    body: Block
    irrefutable: bool = False


@by_identity
class For(Statement):
    target: Expr
    iterable: Expr
    body: Block
    orelse: Block
    is_async: bool = False


@by_identity
class While(Statement):
    test: Expr
    body: Block
    orelse: Block


@by_identity
class With(Statement):
    items: tuple[WithItem, ...]
    body: Block
    is_async: bool = False


@by_identity
class WithItem(Node):
    value: Expr
    target: Expr | None


@by_identity
class Guard(Statement):
    """`try`."""

    body: Block
    handlers: tuple[Handler, ...]
    orelse: Block
    final: Block


@by_identity
class Handler(Node):
    """`except types as name`; no types for a bare `except:`. A tuple is spread into `types`."""

    types: tuple[Expr, ...]
    name: str | None
    body: Block


@by_identity
class Define(Statement):
    """A nested `def`."""

    function: Function


@by_identity
class DefineClass(Statement):
    """A class; top-level ones too (then inside the `Class` that the project hands out)."""

    name: str
    bases: tuple[Argument, ...]
    decorators: tuple[Expr, ...]
    body: Block


# ------------------------------------------------------------------ functions


@by_identity
class Parameter(Node):
    """`kind` is "positional-only", "normal", "keyword-only", "*" or "**"."""

    name: str
    annotation: Expr | None
    default: Expr | None
    kind: str = "normal"


@by_identity
class Source:
    """Where a slice stands: file, module, first and last line (from 1). `header`: a class without its members."""

    path: str
    module: str
    line: int
    end: int
    header: bool = False


class Content:
    """What stands below a function's header; `read` gives the statements, and whether they yield, when asked for.

    `text` is the source, `is_stub` says whether it does nothing: both may answer before anything is read.
    """

    __slots__ = ("_known", "_read", "_text", "is_stub")

    def __init__(
        self,
        read: Callable[[], tuple[Block, bool]],
        text: Callable[[], str] = lambda: "yield",
        is_stub: bool | None = None,
    ) -> None:
        self._read = read
        self._text = text
        self._known: tuple[Block, bool] | None = None
        self.is_stub = is_stub

    @property
    def body(self) -> Block:
        return self._all[0]

    @property
    def yields(self) -> bool:
        return (self._known is not None or "yield" in self._text()) and self._all[1]

    @property
    def _all(self) -> tuple[Block, bool]:
        if self._known is None:
            self._known = self._read()
            del self._read, self._text  # they hold what was read from
        return self._known


@by_identity
class Function(Node):
    """A `def`, `async def` or lambda. `at` is its name (the lambda itself for a lambda).

    `qualname` is the dotted name inside the module: "Service.send", "handler.<locals>.inner",
    "handler.<locals>.<lambda>". `owner` is the class it stands in, "" outside of classes.
    """

    name: str
    qualname: str
    owner: str
    source: Source
    is_async: bool
    parameters: tuple[Parameter, ...]
    returns: Expr | None
    decorators: tuple[Expr, ...]
    content: Content

    @property
    def body(self) -> Block:
        return self.content.body

    @property
    def is_generator(self) -> bool:
        return self.content.yields

    def parameter(self, name: str) -> Parameter | None:
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        return None

    @property
    def is_lambda(self) -> bool:
        return self.name == "<lambda>"

    def __repr__(self) -> str:
        return f"<Function {self.source.module}:{self.qualname}>"


# -------------------------------------------------------------------- walking

Path = tuple[tuple[Node, str], ...]
"""The way to a node, outermost first: (enclosing statement, the part of it that holds the node)."""


class _Fields(dict[type, tuple[str, ...]]):
    """Class -> the names of its fields that hold nodes, in the order in which they run."""

    def __missing__(self, kind: type) -> tuple[str, ...]:
        every = tuple(f.name for f in fields(kind) if f.name not in _PLAIN)
        self[kind] = _RUN_ORDER.get(kind, every)
        return self[kind]


CHILD_FIELDS = _Fields()

_PLAIN = {
    "at",
    "id",
    "name",
    "names",
    "kind",
    "operator",
    "star",
    "keyword",
    "is_async",
    "delegates",
    "qualname",
    "owner",
    "source",
    "content",
    "irrefutable",
}
_RUN_ORDER: dict[type, tuple[str, ...]] = {
    Constant: (),
    Assign: ("value", "targets"),
    For: ("iterable", "target", "body", "orelse"),
    Comprehension: ("loops", "elements"),
    CompLoop: ("iterable", "target", "tests"),
    Conditional: ("test", "body", "orelse"),
    Walrus: ("value", "target"),
    Lambda: (),
    Define: (),
    DefineClass: (),
}


def flat(value: object) -> list[Node]:
    """The nodes in a field: a node, or tuples of nodes, however nested."""
    if isinstance(value, Node):
        return [value]
    return [node for item in value for node in flat(item)] if isinstance(value, tuple) else []


def children(node: Node) -> list[Node]:
    """The direct parts of a node, in run order. Nested functions and classes are not entered."""
    return [part for name in CHILD_FIELDS[type(node)] for part in flat(getattr(node, name))]


def walk(*nodes: Node) -> Iterator[Node]:
    """Every node below and including `nodes`, in run order, nested functions not entered."""
    found: list[Node] = []
    _collect_all(nodes, found)
    return iter(found)


def _collect(node: Node, found: list[Node]) -> None:
    for name in CHILD_FIELDS[type(node)]:
        part = getattr(node, name)
        if type(part) is tuple:
            _collect_all(part, found)
        elif part is not None:
            _collect(part, found)
    found.append(node)


def _collect_all(parts: tuple[Any, ...], found: list[Node]) -> None:
    for part in parts:
        if type(part) is tuple:
            _collect_all(part, found)
        elif part is not None:
            _collect(part, found)


@memo
def walk_function(function: Function) -> tuple[Node, ...]:
    """Every node of a function's own body, in run order."""
    return tuple(walk(*function.body))


@memo
def nodes_of(function: Function, *kinds: type[Node]) -> tuple[Any, ...]:
    """The nodes of these classes in a function's own body, in run order."""
    by_kind = _by_kind(function)
    found = [place for kind in by_kind.keys() & concrete(kinds) for place in by_kind[kind]]
    nodes = walk_function(function)
    return tuple([nodes[place] for place in sorted(found)])


@memo
def _by_kind(function: Function) -> dict[type, list[int]]:
    """Class -> where its nodes stand in the walk."""
    found: dict[type, list[int]] = {}
    for place, node in enumerate(walk_function(function)):
        found.setdefault(type(node), []).append(place)
    return found


@cache
def concrete(kinds: tuple[type[Node], ...]) -> frozenset[type[Node]]:
    """These classes and those derived from them."""
    derived = (concrete(tuple(kind.__subclasses__())) for kind in kinds)
    return frozenset(kinds).union(*derived)
