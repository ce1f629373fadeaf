"""A slice of source -> the nodes of `tree.py`, by a LibCST visitor.

A slice is one top-level statement, one method, or one expression. `lower` numbers the
nodes in source order; `positions` lowers the same slice again, with LibCST's position
metadata, and tells where each number stands: that is ten times dearer and done only for
the functions that hold a finding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider

from bglint import tree as t
from bglint.model import Span

N = TypeVar("N")


class SyntaxProblem(Exception):
    """A slice that LibCST cannot parse; `line` counts from 1 inside the slice."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


def lower(text: str, source: t.Source, owner: str = "", parent: str = "") -> t.Block:
    """The statements of a slice. `owner` is the class around it, `parent` the qualified name of what is around.

    Raises SyntaxProblem where LibCST cannot read the slice.
    """
    module, _ = _parse(text)
    visitor = BodyVisitor(source, owner, parent)
    module.visit(visitor)
    return visitor.statements


def positions(text: str, line: int) -> tuple[Span, ...]:
    """Where each numbered node of a slice stands in its file, in which the slice begins at `line`.

    Raises SyntaxProblem where LibCST cannot read the slice.
    """
    module, wrapped = _parse(text)
    places = MetadataWrapper(module, unsafe_skip_copy=True).resolve(PositionProvider)
    visitor = BodyVisitor(t.Source("", "", line, line), "", "")
    module.visit(visitor)
    shift = line - 1 - (1 if wrapped else 0)
    return tuple(_span(places[node], shift) for node in visitor.nodes)


def _span(place: Any, shift: int) -> Span:
    start, end = place.start, place.end
    return Span(start.line + shift, start.column + 1, end.line + shift, end.column + 1)


def _parse(text: str) -> tuple[cst.Module, bool]:
    """An indented slice is put below an `if`, which shifts its lines by one."""
    wrapped = text[:1] in (" ", "\t")
    try:
        return cst.parse_module("if 1:\n" + text if wrapped else text), wrapped
    except cst.ParserSyntaxError as error:
        raise SyntaxProblem(error.message, error.raw_line - (1 if wrapped else 0)) from error


class BodyVisitor(cst.CSTVisitor):
    """Visits a module's statements and keeps them, lowered, in `statements`; `nodes` maps numbers to syntax."""

    def __init__(self, source: t.Source, owner: str, parent: str) -> None:
        super().__init__()
        self.source = source
        self.statements: t.Block = ()
        self.nodes: list[cst.CSTNode] = []
        self._owner = owner
        self._parent = parent
        self._yields = [False]

    def visit_Module(self, node: cst.Module) -> bool:
        body: Sequence[cst.BaseStatement] = node.body
        only = body[0] if len(body) == 1 else None
        if isinstance(only, cst.If) and isinstance(only.test, cst.Integer) and only.test.value == "1":
            self.statements = self.block(only.body)
        else:
            self.statements = self._statements(body)
        return False

    # ------------------------------------------------------------ machinery

    def _at(self, node: cst.CSTNode) -> int:
        self.nodes.append(node)
        return len(self.nodes) - 1

    def expression(self, node: cst.BaseExpression) -> t.Expr:
        handler = _EXPRESSIONS.get(type(node))
        return handler(self, node) if handler else self._other(node)

    def optional(self, node: cst.BaseExpression | None) -> t.Expr | None:
        return None if node is None else self.expression(node)

    def _other(self, node: cst.CSTNode) -> t.Expr:
        at = self._at(node)
        parts = (c for c in node.children if isinstance(c, cst.BaseExpression))
        return t.Other(at, tuple(self.expression(part) for part in parts))

    def block(self, suite: cst.BaseSuite) -> t.Block:
        return self._statements(suite.body)

    def _statements(self, body: Iterable[Any]) -> t.Block:
        found: list[t.Statement] = []
        for node in body:
            if isinstance(node, cst.SimpleStatementLine):
                found.extend(self._statements(node.body))
            elif handler := _STATEMENTS.get(type(node)):
                found.append(handler(self, node))
        return tuple(found)

    def _each(self, lowered: Callable[[Any], N], nodes: Iterable[Any]) -> tuple[N, ...]:
        return tuple(lowered(node) for node in nodes)

    # ----------------------------------------------------------- statements

    def _evaluate(self, node: cst.Expr) -> t.Statement:
        return t.Evaluate(self._at(node), self.expression(node.value))

    def _assign(self, node: cst.Assign) -> t.Statement:
        at = self._at(node)
        value = self.expression(node.value)
        return t.Assign(at, self._each(lambda n: self.expression(n.target), node.targets), value)

    def _ann_assign(self, node: cst.AnnAssign) -> t.Statement:
        at = self._at(node)
        value = self.optional(node.value)
        annotation = self.expression(node.annotation.annotation)
        return t.Assign(at, (self.expression(node.target),), value, annotation)

    def _aug_assign(self, node: cst.AugAssign) -> t.Statement:
        at = self._at(node)
        value = self.expression(node.value)
        return t.Assign(at, (self.expression(node.target),), value, None, _operator(node.operator))

    def _type_alias(self, node: cst.TypeAlias) -> t.Statement:
        at = self._at(node)
        return t.Assign(at, (self.expression(node.name),), self.expression(node.value))

    def _return(self, node: cst.Return) -> t.Statement:
        return t.Return(self._at(node), self.optional(node.value))

    def _raise(self, node: cst.Raise) -> t.Statement:
        at = self._at(node)
        cause = node.cause.item if node.cause else None
        return t.Raise(at, self.optional(node.exc), self.optional(cause))

    def _assert(self, node: cst.Assert) -> t.Statement:
        return t.Assert(self._at(node), self.expression(node.test))

    def _del(self, node: cst.Del) -> t.Statement:
        at = self._at(node)
        target: cst.BaseExpression = node.target
        if isinstance(target, cst.Tuple) and len(target.elements) == 1 and not target.lpar:
            target = target.elements[0].value
        return t.Delete(at, (self.expression(target),))

    def _break(self, node: cst.Break) -> t.Statement:
        return t.Break(self._at(node))

    def _continue(self, node: cst.Continue) -> t.Statement:
        return t.Continue(self._at(node))

    def _global(self, node: cst.Global | cst.Nonlocal) -> t.Statement:
        kind = "global" if isinstance(node, cst.Global) else "nonlocal"
        return t.Declare(self._at(node), kind, tuple(item.name.value for item in node.names))

    def _import(self, node: cst.Import) -> t.Statement:
        names = []
        for alias in node.names:
            dotted = dotted_name(alias.name)
            bound = alias.asname.name.value if alias.asname else dotted.partition(".")[0]  # type: ignore[union-attr]
            names.append((bound, dotted if alias.asname else bound))
        return t.Import(self._at(node), tuple(names))

    def _import_from(self, node: cst.ImportFrom) -> t.Statement:
        base = "." * len(node.relative) + (dotted_name(node.module) if node.module else "")
        at = self._at(node)
        if isinstance(node.names, cst.ImportStar):
            return t.Import(at, (("*", base),))
        joint = base if base.endswith(".") or not base else base + "."
        names = []
        for alias in node.names:
            name = dotted_name(alias.name)
            bound = alias.asname.name.value if alias.asname else name  # type: ignore[union-attr]
            names.append((bound, joint + name))
        return t.Import(at, tuple(names))

    def _if(self, node: cst.If) -> t.Statement:
        at = self._at(node)
        test = self.expression(node.test)
        return t.Branch(at, test, self.block(node.body), self._orelse(node.orelse))

    def _orelse(self, node: cst.If | cst.Else | None) -> t.Block:
        if node is None:
            return ()
        return (self._if(node),) if isinstance(node, cst.If) else self.block(node.body)

    def _for(self, node: cst.For) -> t.Statement:
        at = self._at(node)
        iterable = self.expression(node.iter)
        target = self.expression(node.target)
        body = self.block(node.body)
        return t.For(at, target, iterable, body, self._orelse(node.orelse), node.asynchronous is not None)

    def _while(self, node: cst.While) -> t.Statement:
        at = self._at(node)
        test = self.expression(node.test)
        return t.While(at, test, self.block(node.body), self._orelse(node.orelse))

    def _with(self, node: cst.With) -> t.Statement:
        at = self._at(node)
        items = self._each(self._with_item, node.items)
        return t.With(at, items, self.block(node.body), node.asynchronous is not None)

    def _with_item(self, node: cst.WithItem) -> t.WithItem:
        at = self._at(node)
        value = self.expression(node.item)
        return t.WithItem(at, value, self.expression(node.asname.name) if node.asname else None)

    def _try(self, node: cst.Try | cst.TryStar) -> t.Statement:
        at = self._at(node)
        body = self.block(node.body)
        handlers = self._each(self._handler, node.handlers)
        orelse = self._orelse(node.orelse)
        return t.Guard(at, body, handlers, orelse, self.block(node.finalbody.body) if node.finalbody else ())

    def _handler(self, node: cst.ExceptHandler | cst.ExceptStarHandler) -> t.Handler:
        at = self._at(node)
        kind = node.type
        spread = [item.value for item in kind.elements] if isinstance(kind, cst.Tuple) else [kind]
        types = self._each(self.expression, (item for item in spread if item is not None))
        name = node.name.name.value if node.name and isinstance(node.name.name, cst.Name) else None
        return t.Handler(at, types, name, self.block(node.body))

    def _match(self, node: cst.Match) -> t.Statement:
        at = self._at(node)
        subject = self.expression(node.subject)
        return t.Match(at, subject, self._each(self._case, node.cases))

    def _case(self, node: cst.MatchCase) -> t.Case:
        at = self._at(node)
        names: list[str] = []
        _captures(node.pattern, names)
        irrefutable = isinstance(node.pattern, cst.MatchAs) and node.pattern.pattern is None
        guard = self.optional(node.guard)
        return t.Case(at, tuple(names), guard, self.block(node.body), irrefutable and guard is None)

    def _class(self, node: cst.ClassDef) -> t.Statement:
        at = self._at(node.name)
        decorators = self._each(lambda n: self.expression(n.decorator), node.decorators)
        bases = self._each(self.argument, (*node.bases, *node.keywords))
        outer = self._owner, self._parent
        self._parent = self._qualify(node.name.value)
        self._owner = self._parent
        body = self.block(node.body)
        self._owner, self._parent = outer
        return t.DefineClass(at, node.name.value, bases, decorators, body)

    def _define(self, node: cst.FunctionDef) -> t.Statement:
        at = self._at(node)
        decorators = self._each(lambda n: self.expression(n.decorator), node.decorators)
        returns = self.expression(node.returns.annotation) if node.returns else None
        is_async = node.asynchronous is not None
        function = self._function(node, node.name, node.name.value, is_async, decorators, returns)
        return t.Define(at, function)

    def _qualify(self, name: str) -> str:
        return f"{self._parent}.{name}" if self._parent else name

    def _function(
        self,
        node: cst.FunctionDef | cst.Lambda,
        place: cst.CSTNode,
        name: str,
        is_async: bool,
        decorators: tuple[t.Expr, ...],
        returns: t.Expr | None,
    ) -> t.Function:
        at = self._at(place)
        parameters = self._parameters(node.params)
        qualname = self._qualify(name)
        outer = self._owner, self._parent
        self._parent, self._owner = qualname + ".<locals>", ""
        self._yields.append(False)
        if isinstance(node, cst.Lambda):
            body: t.Block = (t.Return(self._at(node.body), self.expression(node.body)),)
        else:
            body = self.block(node.body)
        self._owner, self._parent = outer
        return t.Function(
            at,
            name,
            qualname,
            self._owner,
            self.source,
            is_async,
            parameters,
            returns,
            decorators,
            _content(body, self._yields.pop()),
        )

    def _parameters(self, node: cst.Parameters) -> tuple[t.Parameter, ...]:
        found = [self._parameter(p, "positional-only") for p in node.posonly_params]
        found += [self._parameter(p, "normal") for p in node.params]
        if isinstance(node.star_arg, cst.Param):
            found.append(self._parameter(node.star_arg, "*"))
        found += [self._parameter(p, "keyword-only") for p in node.kwonly_params]
        if node.star_kwarg:
            found.append(self._parameter(node.star_kwarg, "**"))
        return tuple(found)

    def _parameter(self, node: cst.Param, kind: str) -> t.Parameter:
        at = self._at(node)
        annotation = self.expression(node.annotation.annotation) if node.annotation else None
        return t.Parameter(at, node.name.value, annotation, self.optional(node.default), kind)

    # ---------------------------------------------------------- expressions

    def _name(self, node: cst.Name) -> t.Expr:
        at = self._at(node)
        if node.value in _KEYWORDS:
            return t.Constant(at, _KEYWORDS[node.value])
        return t.Name(at, node.value)

    def _attribute(self, node: cst.Attribute) -> t.Expr:
        at = self._at(node)
        return t.Attribute(at, self.expression(node.value), node.attr.value)

    def _call(self, node: cst.Call) -> t.Expr:
        at = self._at(node)
        func = self.expression(node.func)
        return t.Call(at, func, self._each(self.argument, node.args))

    def argument(self, node: cst.Arg) -> t.Argument:
        at = self._at(node)
        keyword = node.keyword.value if node.keyword else None
        return t.Argument(at, self.expression(node.value), keyword, node.star)

    def _constant(self, node: Any) -> t.Expr:
        return t.Constant(self._at(node), node.evaluated_value)

    def _integer(self, node: cst.Integer) -> t.Expr:
        return t.Constant(self._at(node), int(node.value, 0))

    def _string(self, node: cst.SimpleString) -> t.Expr:
        text = node.value
        plain = text[0] in "'\"" and "\\" not in text and text[:3] not in ("'''", '"""')
        return t.Constant(self._at(node), text[1:-1] if plain else node.evaluated_value)

    def _ellipsis(self, node: cst.Ellipsis) -> t.Expr:
        return t.Constant(self._at(node), ...)

    def _concatenated(self, node: cst.ConcatenatedString) -> t.Expr:
        value = node.evaluated_value
        if value is not None:
            return t.Constant(self._at(node), value)
        return self._formatted(node)

    def _formatted(self, node: cst.CSTNode) -> t.Expr:
        at = self._at(node)
        return t.Text(at, self._each(self.expression, _holes(node)))

    def _await(self, node: cst.Await) -> t.Expr:
        at = self._at(node)
        return t.Await(at, self.expression(node.expression))

    def _yield(self, node: cst.Yield) -> t.Expr:
        at = self._at(node)
        self._yields[-1] = True
        if isinstance(node.value, cst.From):
            return t.Yield(at, self.expression(node.value.item), True)
        return t.Yield(at, self.optional(node.value))

    def _sequence(self, node: cst.List | cst.Tuple | cst.Set) -> t.Expr:
        at = self._at(node)
        return t.Collection(at, _SEQUENCES[type(node)], self._each(self._element, node.elements))

    def _element(self, node: cst.BaseElement) -> t.Expr:
        if isinstance(node, cst.StarredElement):
            at = self._at(node)
            return t.Starred(at, self.expression(node.value))
        return self.expression(node.value)

    def _dict(self, node: cst.Dict) -> t.Expr:
        at = self._at(node)
        return t.Mapping(at, self._each(self._dict_item, node.elements))

    def _dict_item(self, node: cst.BaseDictElement) -> tuple[t.Expr | None, t.Expr]:
        key = self.expression(node.key) if isinstance(node, cst.DictElement) else None
        return key, self.expression(node.value)

    def _subscript(self, node: cst.Subscript) -> t.Expr:
        at = self._at(node)
        value = self.expression(node.value)
        only = node.slice[0].slice if len(node.slice) == 1 else None
        if isinstance(only, cst.Index) and isinstance(only.value, cst.Tuple):
            return t.Subscript(at, value, self._each(lambda n: self.expression(n.value), only.value.elements))
        return t.Subscript(at, value, self._each(lambda n: self._index(n.slice), node.slice))

    def _index(self, node: cst.BaseSlice) -> t.Expr:
        if isinstance(node, cst.Index):
            return self.expression(node.value)
        at = self._at(node)
        parts = (node.lower, node.upper, node.step) if isinstance(node, cst.Slice) else ()
        return t.Slice(at, self._each(self.expression, (part for part in parts if part)))

    def _binary(self, node: cst.BinaryOperation | cst.BooleanOperation) -> t.Expr:
        at = self._at(node)
        return t.Operation(
            at, _operator(node.operator), (self.expression(node.left), self.expression(node.right))
        )

    def _unary(self, node: cst.UnaryOperation) -> t.Expr:
        at = self._at(node)
        operand = self.expression(node.expression)
        kind = _operator(node.operator)
        if kind == "-" and isinstance(operand, t.Constant) and isinstance(operand.value, (int, float)):
            return t.Constant(at, -operand.value)
        return t.Operation(at, kind, (operand,))

    def _comparison(self, node: cst.Comparison) -> t.Expr:
        at = self._at(node)
        operands = (node.left, *(target.comparator for target in node.comparisons))
        kind = _operator(node.comparisons[0].operator) if len(node.comparisons) == 1 else "compare"
        return t.Operation(at, kind, self._each(self.expression, operands))

    def _conditional(self, node: cst.IfExp) -> t.Expr:
        at = self._at(node)
        test = self.expression(node.test)
        return t.Conditional(at, test, self.expression(node.body), self.expression(node.orelse))

    def _walrus(self, node: cst.NamedExpr) -> t.Expr:
        at = self._at(node)
        value = self.expression(node.value)
        return t.Walrus(at, self.expression(node.target), value)

    def _lambda(self, node: cst.Lambda) -> t.Expr:
        at = self._at(node)
        return t.Lambda(at, self._function(node, node, "<lambda>", False, (), None))

    def _comprehension(self, node: Any) -> t.Expr:
        at = self._at(node)
        loops: list[t.CompLoop] = []
        self._comp_loops(node.for_in, loops)
        elements = (node.key, node.value) if isinstance(node, cst.DictComp) else (node.elt,)
        kind = _COMPREHENSIONS[type(node)]
        return t.Comprehension(at, kind, self._each(self.expression, elements), tuple(loops))

    def _comp_loops(self, node: cst.CompFor, loops: list[t.CompLoop]) -> None:
        at = self._at(node)
        iterable = self.expression(node.iter)
        target = self.expression(node.target)
        tests = self._each(lambda n: self.expression(n.test), node.ifs)
        loops.append(t.CompLoop(at, target, iterable, tests, node.asynchronous is not None))
        if node.inner_for_in:
            self._comp_loops(node.inner_for_in, loops)


def dotted_name(node: cst.CSTNode) -> str:
    """`a.b.c` as text; "" where the node is not a plain dotted name."""
    if isinstance(node, cst.Attribute):
        return f"{dotted_name(node.value)}.{node.attr.value}"
    return node.value if isinstance(node, cst.Name) else ""


def _holes(node: cst.CSTNode) -> Iterator[cst.BaseExpression]:
    """The expressions in an f-string, also in one that is put together from several."""
    if isinstance(node, cst.ConcatenatedString):
        yield from (*_holes(node.left), *_holes(node.right))
    for part in getattr(node, "parts", ()):
        hole = getattr(part, "expression", None)
        if hole is not None:
            yield hole


def _operator(node: cst.CSTNode) -> str:
    return _OPERATORS.get(type(node).__name__, type(node).__name__)


def _content(body: t.Block, yields: bool) -> t.Content:
    return t.Content(lambda: (body, yields))


def _captures(node: cst.CSTNode, names: list[str]) -> None:
    bound = getattr(node, "name", None) or getattr(node, "rest", None)
    if isinstance(node, (cst.MatchAs, cst.MatchStar, cst.MatchMapping)) and isinstance(bound, cst.Name):
        names.append(bound.value)
    for child in node.children:
        _captures(child, names)


_KEYWORDS = {"None": None, "True": True, "False": False}
_SEQUENCES: dict[type, str] = {cst.List: "list", cst.Tuple: "tuple", cst.Set: "set"}
_COMPREHENSIONS: dict[type, str] = {
    cst.ListComp: "list",
    cst.SetComp: "set",
    cst.DictComp: "dict",
    cst.GeneratorExp: "generator",
}
_OPERATORS = {
    "And": "and", "Or": "or", "Not": "not", "Minus": "-", "Plus": "+", "BitOr": "|", "BitAnd": "&",
    "Add": "+", "Subtract": "-", "Multiply": "*", "Divide": "/", "FloorDivide": "//", "Modulo": "%",
    "Power": "**", "Equal": "==", "NotEqual": "!=", "LessThan": "<", "GreaterThan": ">",
    "LessThanEqual": "<=", "GreaterThanEqual": ">=", "In": "in", "NotIn": "not in", "Is": "is",
    "IsNot": "is not", "AddAssign": "+=", "SubtractAssign": "-=", "MultiplyAssign": "*=",
    "BitOrAssign": "|=", "BitAndAssign": "&=", "BitInvert": "~", "BitXor": "^", "LeftShift": "<<", "RightShift": ">>",
    "MatrixMultiply": "@", "BitXorAssign": "^=", "LeftShiftAssign": "<<=", "RightShiftAssign": ">>=",
    "MatrixMultiplyAssign": "@=", "DivideAssign": "/=", "FloorDivideAssign": "//=", "ModuloAssign": "%=",
    "PowerAssign": "**=",
}  # fmt: skip

_STATEMENTS: dict[type, Callable[[BodyVisitor, Any], t.Statement]] = {
    cst.Expr: BodyVisitor._evaluate,
    cst.Assign: BodyVisitor._assign,
    cst.AnnAssign: BodyVisitor._ann_assign,
    cst.AugAssign: BodyVisitor._aug_assign,
    cst.TypeAlias: BodyVisitor._type_alias,
    cst.Return: BodyVisitor._return,
    cst.Raise: BodyVisitor._raise,
    cst.Assert: BodyVisitor._assert,
    cst.Del: BodyVisitor._del,
    cst.Break: BodyVisitor._break,
    cst.Continue: BodyVisitor._continue,
    cst.Global: BodyVisitor._global,
    cst.Nonlocal: BodyVisitor._global,
    cst.Import: BodyVisitor._import,
    cst.ImportFrom: BodyVisitor._import_from,
    cst.If: BodyVisitor._if,
    cst.For: BodyVisitor._for,
    cst.While: BodyVisitor._while,
    cst.With: BodyVisitor._with,
    cst.Try: BodyVisitor._try,
    cst.TryStar: BodyVisitor._try,
    cst.Match: BodyVisitor._match,
    cst.ClassDef: BodyVisitor._class,
    cst.FunctionDef: BodyVisitor._define,
}

_EXPRESSIONS: dict[type, Callable[[BodyVisitor, Any], t.Expr]] = {
    cst.Name: BodyVisitor._name,
    cst.Attribute: BodyVisitor._attribute,
    cst.Call: BodyVisitor._call,
    cst.SimpleString: BodyVisitor._string,
    cst.Integer: BodyVisitor._integer,
    cst.Float: BodyVisitor._constant,
    cst.Imaginary: BodyVisitor._constant,
    cst.Ellipsis: BodyVisitor._ellipsis,
    cst.ConcatenatedString: BodyVisitor._concatenated,
    cst.FormattedString: BodyVisitor._formatted,
    cst.Await: BodyVisitor._await,
    cst.Yield: BodyVisitor._yield,
    cst.List: BodyVisitor._sequence,
    cst.Tuple: BodyVisitor._sequence,
    cst.Set: BodyVisitor._sequence,
    cst.Dict: BodyVisitor._dict,
    cst.Subscript: BodyVisitor._subscript,
    cst.BinaryOperation: BodyVisitor._binary,
    cst.BooleanOperation: BodyVisitor._binary,
    cst.UnaryOperation: BodyVisitor._unary,
    cst.Comparison: BodyVisitor._comparison,
    cst.IfExp: BodyVisitor._conditional,
    cst.NamedExpr: BodyVisitor._walrus,
    cst.Lambda: BodyVisitor._lambda,
    cst.ListComp: BodyVisitor._comprehension,
    cst.SetComp: BodyVisitor._comprehension,
    cst.DictComp: BodyVisitor._comprehension,
    cst.GeneratorExp: BodyVisitor._comprehension,
}
if hasattr(cst, "TemplatedString"):
    _EXPRESSIONS[cst.TemplatedString] = BodyVisitor._formatted
