"""What a function binds, where, and which bindings a use can see."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any, Literal

from bglint import tree as t
from bglint.frozen import by_identity
from bglint.memo import memo

Chain = tuple[tuple[t.Node, str], ...]


@by_identity
class Binding:
    """One place that gives a name a value.

    `value` is the expression it comes from, `steps` how it is taken apart: an index for unpacking, "element" for a
    loop, "enter" for a `with`.
    """

    name: str
    kind: Literal["assign", "import", "function", "class", "except", "annotation", "other"]
    node: t.Node
    at: int
    chain: Chain
    value: t.Expr | None = None
    steps: tuple[int | str, ...] = ()
    annotation: t.Expr | None = None
    target: str = ""


class Scope:
    """The bindings of one block (a function's body), and the place of every node in it.

    `in_expressions` is False for a block without assignments and comprehensions inside of expressions.
    """

    def __init__(self, body: t.Block, *, in_expressions: bool = True) -> None:
        self._in_expressions = in_expressions
        self.bindings: dict[str, list[Binding]] = {}
        self.declared: dict[str, str] = {}
        self._visible: dict[tuple[str, int], list[Binding]] = {}
        self._ats: list[int] = []
        self._chains: list[Chain] = []
        self._read(body, ())

    def chain(self, at: int) -> Chain:
        """The way to the statement that holds the node `at`: (enclosing statement, part), outermost first."""
        index = bisect_right(self._ats, at) - 1
        return self._chains[index] if index >= 0 else ()

    def visible(self, name: str, at: int | None) -> list[Binding]:
        """The bindings of `name` that a use at `at` may see; all of them where `at` is None (a closure)."""
        every = self.bindings.get(name, [])
        if at is None or len(every) < 2:
            return every
        if (name, at) not in self._visible:
            self._visible[name, at] = self._seen_from(every, at)
        return self._visible[name, at]

    def _seen_from(self, every: list[Binding], at: int) -> list[Binding]:
        return self._before(every, at) + self._around(every, at) or every

    def rebound(self, name: str, at: int | None) -> tuple[list[Binding], bool]:
        """The bindings of a parameter's name that a use may see, and True where they hide what was given."""
        every = self.bindings.get(name, [])
        if at is None:
            return every, False
        before = self._before(every, at)
        hidden = bool(before) and dominates(before[0].chain, self.chain(at))
        return before + self._around(every, at), hidden

    def _before(self, every: list[Binding], at: int) -> list[Binding]:
        """Those before a use, from the last one on that is always passed."""
        chain = self.chain(at)
        before = [b for b in every if b.at <= at and not _excluded(b.chain, chain)]
        passed = [index for index, binding in enumerate(before) if dominates(binding.chain, chain)]
        return before[passed[-1] :] if passed else before

    def _around(self, every: list[Binding], at: int) -> list[Binding]:
        """Those behind a use, in a loop that leads back to it."""
        loops = {id(node) for node, _ in self.chain(at) if isinstance(node, (t.For, t.While))}
        return [b for b in every if b.at > at and any(id(node) in loops for node, _ in b.chain)]

    # ------------------------------------------------------------- building

    def _read(self, body: t.Block, chain: Chain) -> None:
        for statement in body:
            self._ats.append(statement.at)
            self._chains.append(chain)
            self._statement(statement, chain)

    def _statement(self, node: t.Statement, chain: Chain) -> None:
        reader = _READERS.get(type(node))
        if reader is not None:
            reader(self, node, chain)
        if self._in_expressions:
            self._walruses(node, chain)
        self._nested(node, chain)

    def _import(self, node: t.Import, chain: Chain) -> None:
        for name, target in node.names:
            self._add(Binding(name, "import", node, node.at, chain, target=target))

    def _define(self, node: t.Define, chain: Chain) -> None:
        self._add(Binding(node.function.name, "function", node, node.at, chain))

    def _class(self, node: t.DefineClass, chain: Chain) -> None:
        self._add(Binding(node.name, "class", node, node.at, chain))

    def _declare(self, node: t.Declare, chain: Chain) -> None:
        self.declared.update(dict.fromkeys(node.names, node.kind))

    def _for(self, node: t.For, chain: Chain) -> None:
        self._targets(node.target, node.iterable, ("element",), node, (*chain, (node, "body")))

    def _with(self, node: t.With, chain: Chain) -> None:
        for item in node.items:
            if item.target is not None:
                self._targets(item.target, item.value, ("enter",), item, chain)

    def _assign(self, node: t.Assign, chain: Chain) -> None:
        if node.operator:
            return
        for target in node.targets:
            if node.value is not None:
                self._targets(target, node.value, (), node, chain, node.annotation)
            elif isinstance(target, t.Name):
                self._add(Binding(target.id, "annotation", node, node.at, chain, annotation=node.annotation))

    def _targets(
        self,
        target: t.Expr,
        value: t.Expr,
        steps: tuple[int | str, ...],
        node: t.Node,
        chain: Chain,
        annotation: t.Expr | None = None,
    ) -> None:
        if isinstance(target, t.Name):
            self._add(Binding(target.id, "assign", node, target.at, chain, value, steps, annotation))
        elif isinstance(target, t.Collection):
            for index, item in enumerate(target.items):
                self._targets(item, value, (*steps, index), node, chain)
        elif isinstance(target, t.Starred):
            self._targets(target.value, value, (*steps[:-1], "rest"), node, chain)

    def _walruses(self, node: t.Statement, chain: Chain) -> None:
        for expr in own_expressions(node):
            for part in t.walk(expr):
                if isinstance(part, t.Walrus):
                    self._targets(part.target, part.value, (), part, chain)
                elif isinstance(part, t.CompLoop):
                    self._targets(part.target, part.iterable, ("element",), part, (*chain, (part, "body")))

    def _nested(self, node: t.Statement, chain: Chain) -> None:
        for section, holder, block in sections(node):
            inner = (*chain, (node, section))
            if holder is not node:
                self._ats.append(holder.at)
                self._chains.append(inner)
            self._captured(holder, inner)
            self._read(block, inner)

    def _captured(self, holder: t.Node, chain: Chain) -> None:
        if isinstance(holder, t.Handler) and holder.name:
            self._add(Binding(holder.name, "except", holder, holder.at, chain))
        elif isinstance(holder, t.Case):
            for name in holder.names:
                self._add(Binding(name, "other", holder, holder.at, chain))

    def _add(self, binding: Binding) -> None:
        self.bindings.setdefault(binding.name, []).append(binding)


_READERS: dict[type, Callable[[Scope, Any, Chain], None]] = {
    t.Assign: Scope._assign,
    t.Import: Scope._import,
    t.Define: Scope._define,
    t.DefineClass: Scope._class,
    t.Declare: Scope._declare,
    t.For: Scope._for,
    t.With: Scope._with,
}


def sections(node: t.Node) -> Iterator[tuple[str, t.Node, t.Block]]:
    """The blocks of a compound statement: (section, the node that heads it, block).

    Sections: "body", "orelse", "final", "handler 0", "handler 1" ..., "case 0", ...
    """
    if isinstance(node, (t.Branch, t.For, t.While)):
        yield "body", node, node.body
        yield "orelse", node, node.orelse
    elif isinstance(node, t.With):
        yield "body", node, node.body
    elif isinstance(node, t.Guard):
        yield "body", node, node.body
        for index, handler in enumerate(node.handlers):
            yield f"handler {index}", handler, handler.body
        yield "orelse", node, node.orelse
        yield "final", node, node.final
    elif isinstance(node, t.Match):
        for index, case in enumerate(node.cases):
            yield f"case {index}", case, case.body


def own_expressions(node: t.Node) -> Iterator[t.Expr]:
    """The expressions of a statement itself, without its blocks."""
    for part in t.children(node):
        if isinstance(part, t.Expr):
            yield part
        elif isinstance(part, (t.WithItem, t.Handler, t.Case)):
            yield from (p for p in t.children(part) if isinstance(p, t.Expr))


def dominates(binding: Chain, use: Chain) -> bool:
    """A binding whose block is around the use, or a `try`/`with` body before it, is always passed on the way."""
    plain = tuple(step for step in binding if not (isinstance(step[0], t.With)))
    around = tuple(step for step in use if not (isinstance(step[0], t.With)))
    return plain == around[: len(plain)]


def _excluded(binding: Chain, use: Chain) -> bool:
    """Different arms of one `if` or `match` never see each other."""
    for (node, part), (other, section) in zip(binding, use, strict=False):
        if node is not other:
            return False
        if part != section:
            return isinstance(node, (t.Branch, t.Match))
    return False


@memo
def scope(function: t.Function) -> Scope:
    """The scope of a function, built once. Parameters are not in it."""
    return Scope(function.body, in_expressions=bool(t.nodes_of(function, t.Walrus, t.CompLoop)))
