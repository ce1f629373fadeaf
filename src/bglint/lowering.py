"""Writes the tree of a slice from Python's own `ast`: what has to be known of the code that a task only passes.

`body.py` writes the same tree, node for node and number for number, with LibCST. That one is slower by twenty times, but
knows the place of everything: it finds what a rule has flagged, and reads syntax that the running Python does not know.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from bglint import tree as t
from bglint.older import older


def lower(text: str, source: t.Source, owner: str = "", parent: str = "") -> t.Block:
    """The statements of a slice. `owner` is the class around it, `parent` the qualified name of what is around.

    Raises SyntaxError where this Python cannot read the slice.
    """
    body = _parsed(text)
    is_alone = len(body) == 1 and isinstance(body[0], (ast.FunctionDef, ast.AsyncFunctionDef))
    return _Reader(source, owner, parent, text, is_alone).block(body)


def _parsed(text: str) -> list[ast.stmt]:
    """An indented slice is put below an `if`, which shifts its lines by one."""
    wrapped = text[:1] in (" ", "\t")
    written = "if 1:\n" + text if wrapped else text
    try:
        module: Any = ast.parse(written)
    except SyntaxError:
        module = ast.parse(older(written))
    return list(module.body[0].body if wrapped else module.body)


def lower_expression(text: str, source: t.Source) -> t.Expr:
    """One expression, for instance a string annotation. Raises SyntaxError."""
    return _Reader(source, "", "", text, False).expression(ast.parse(text.strip(), mode="eval").body)


class Extent(NamedTuple):
    """A statement of a slice: its nodes are numbered from `at` up to `end`, exclusive, its lines count from 1.

    `line` is `first`, but behind the decorators. Of a compound statement whose body has lines of its own, `body` is the
    number of the body's first node and `header` the line before it. `parent` is the index of the statement around it in the list of all, -1 for none.
    """

    at: int
    end: int
    first: int
    last: int
    line: int = 0
    parent: int = -1
    body: int = 0
    header: int = 0


def extents(text: str) -> list[Extent]:
    """The statements of a slice in order; none where this Python cannot read it."""
    try:
        body = _parsed(text)
    except (SyntaxError, RecursionError):
        return []
    reader = _Measuring(t.Source("", "", 1, 1), "", "", text, False)
    reader.shift = 1 if text[:1] in (" ", "\t") else 0
    reader.block(body)
    return reader.found


class _Reader:
    """Numbers the nodes as it writes them; the body of a function that `is_alone` in its slice is left for later."""

    def __init__(self, source: t.Source, owner: str, parent: str, text: str, is_alone: bool) -> None:
        self._source = source
        self._text = text
        self._is_alone = is_alone
        self._owner = owner
        self._parent = parent
        self._yields: list[bool] = []
        self._next = 0

    def _at(self) -> int:
        self._next += 1
        return self._next - 1

    def expression(self, node: ast.expr) -> t.Expr:
        return _EXPRESSIONS[type(node)](self, node)

    def _optional(self, node: ast.expr | None) -> t.Expr | None:
        return None if node is None else self.expression(node)

    def _each(self, nodes: Iterable[ast.expr]) -> tuple[t.Expr, ...]:
        return tuple([_EXPRESSIONS[type(node)](self, node) for node in nodes])

    def block(self, body: Iterable[ast.stmt]) -> t.Block:
        handlers = ((_STATEMENTS.get(type(node)), node) for node in body)
        return tuple([handler(self, node) for handler, node in handlers if handler is not None])

    # ----------------------------------------------------------- statements

    def _evaluate(self, node: ast.Expr) -> t.Statement:
        return t.Evaluate(self._at(), self.expression(node.value))

    def _assign(self, node: ast.Assign) -> t.Statement:
        at = self._at()
        value = self.expression(node.value)
        return t.Assign(at, self._each(node.targets), value)

    def _ann_assign(self, node: ast.AnnAssign) -> t.Statement:
        at = self._at()
        value = self._optional(node.value)
        annotation = self.expression(node.annotation)
        return t.Assign(at, (self.expression(node.target),), value, annotation)

    def _aug_assign(self, node: ast.AugAssign) -> t.Statement:
        at = self._at()
        value = self.expression(node.value)
        return t.Assign(at, (self.expression(node.target),), value, None, _OPERATORS[type(node.op)] + "=")

    def _type_alias(self, node: Any) -> t.Statement:
        at = self._at()
        return t.Assign(at, (self.expression(node.name),), self.expression(node.value))

    def _return(self, node: ast.Return) -> t.Statement:
        return t.Return(self._at(), self._optional(node.value))

    def _raise(self, node: ast.Raise) -> t.Statement:
        at = self._at()
        return t.Raise(at, self._optional(node.exc), self._optional(node.cause))

    def _assert(self, node: ast.Assert) -> t.Statement:
        return t.Assert(self._at(), self.expression(node.test))

    def _delete(self, node: ast.Delete) -> t.Statement:
        at = self._at()
        if len(node.targets) == 1:
            return t.Delete(at, self._each(node.targets))
        return t.Delete(at, (t.Collection(self._at(), "tuple", self._each(node.targets)),))

    def _break(self, node: ast.Break) -> t.Statement:
        return t.Break(self._at())

    def _continue(self, node: ast.Continue) -> t.Statement:
        return t.Continue(self._at())

    def _declare(self, node: ast.Global | ast.Nonlocal) -> t.Statement:
        kind = "global" if isinstance(node, ast.Global) else "nonlocal"
        return t.Declare(self._at(), kind, tuple(node.names))

    def _import(self, node: ast.Import) -> t.Statement:
        names = [(alias.asname or alias.name.partition(".")[0], alias) for alias in node.names]
        return t.Import(self._at(), tuple((bound, a.name if a.asname else bound) for bound, a in names))

    def _import_from(self, node: ast.ImportFrom) -> t.Statement:
        base = "." * node.level + (node.module or "")
        joint = base if base.endswith(".") or not base else base + "."
        names = ((a.asname or a.name, base if a.name == "*" else joint + a.name) for a in node.names)
        return t.Import(self._at(), tuple(names))

    def _if(self, node: ast.If) -> t.Statement:
        at = self._at()
        test = self.expression(node.test)
        return t.Branch(at, test, self.block(node.body), self.block(node.orelse))

    def _for(self, node: ast.For | ast.AsyncFor) -> t.Statement:
        at = self._at()
        iterable = self.expression(node.iter)
        target = self.expression(node.target)
        body = self.block(node.body)
        return t.For(at, target, iterable, body, self.block(node.orelse), isinstance(node, ast.AsyncFor))

    def _while(self, node: ast.While) -> t.Statement:
        at = self._at()
        test = self.expression(node.test)
        return t.While(at, test, self.block(node.body), self.block(node.orelse))

    def _with(self, node: ast.With | ast.AsyncWith) -> t.Statement:
        at = self._at()
        items = tuple([self._with_item(item) for item in node.items])
        return t.With(at, items, self.block(node.body), isinstance(node, ast.AsyncWith))

    def _with_item(self, node: ast.withitem) -> t.WithItem:
        at = self._at()
        value = self.expression(node.context_expr)
        return t.WithItem(at, value, self._optional(node.optional_vars))

    def _try(self, node: Any) -> t.Statement:
        at = self._at()
        body = self.block(node.body)
        handlers = tuple([self._handler(handler) for handler in node.handlers])
        orelse = self.block(node.orelse)
        return t.Guard(at, body, handlers, orelse, self.block(node.finalbody))

    def _handler(self, node: ast.ExceptHandler) -> t.Handler:
        at = self._at()
        kind = node.type
        spread = kind.elts if isinstance(kind, ast.Tuple) else [] if kind is None else [kind]
        types = self._each(item.value if isinstance(item, ast.Starred) else item for item in spread)
        return t.Handler(at, types, node.name, self.block(node.body))

    def _match(self, node: ast.Match) -> t.Statement:
        at = self._at()
        subject = self.expression(node.subject)
        return t.Match(at, subject, tuple([self._case(case) for case in node.cases]))

    def _case(self, node: ast.match_case) -> t.Case:
        at = self._at()
        names: list[str] = []
        _captures(node.pattern, names)
        irrefutable = isinstance(node.pattern, ast.MatchAs) and node.pattern.pattern is None
        guard = self._optional(node.guard)
        return t.Case(at, tuple(names), guard, self.block(node.body), irrefutable and guard is None)

    # ---------------------------------------------------------- definitions

    def _class(self, node: ast.ClassDef) -> t.Statement:
        at = self._at()
        decorators = self._each(node.decorator_list)
        given: list[ast.expr | ast.keyword] = [*node.bases, *node.keywords]
        bases = tuple([self._argument(base) for base in given])
        outer = self._owner, self._parent
        self._owner = self._parent = self._qualify(node.name)
        body = self.block(node.body)
        self._owner, self._parent = outer
        return t.DefineClass(at, node.name, bases, decorators, body)

    def _define(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> t.Statement:
        at = self._at()
        decorators = self._each(node.decorator_list)
        returns = self._optional(node.returns)
        is_async = isinstance(node, ast.AsyncFunctionDef)
        function = self._function(node.name, node.args, is_async, decorators, returns, node.body)
        return t.Define(at, function)

    def _lambda(self, node: ast.Lambda) -> t.Expr:
        at = self._at()
        return t.Lambda(at, self._function("<lambda>", node.args, False, (), None, node.body))

    def _qualify(self, name: str) -> str:
        return f"{self._parent}.{name}" if self._parent else name

    def _function(
        self,
        name: str,
        args: ast.arguments,
        is_async: bool,
        decorators: tuple[t.Expr, ...],
        returns: t.Expr | None,
        body: list[ast.stmt] | ast.expr,
    ) -> t.Function:
        at = self._at()
        parameters = self._parameters(args)
        qualname = self._qualify(name)
        content = self._content(qualname, body)
        return t.Function(
            at, name, qualname, self._owner, self._source, is_async, parameters, returns, decorators, content
        )

    def _content(self, qualname: str, body: list[ast.stmt] | ast.expr) -> t.Content:
        """An inner function is read at once: what stands behind it is numbered after it."""
        if isinstance(body, list) and self._is_alone:
            self._is_alone = False
            return t.Content(lambda: self._inside(qualname, body), lambda: self._text, _is_stub(body))
        known = self._inside(qualname, body)
        return t.Content(lambda: known)

    def _inside(self, qualname: str, body: list[ast.stmt] | ast.expr) -> tuple[t.Block, bool]:
        outer = self._owner, self._parent
        self._parent, self._owner = qualname + ".<locals>", ""
        self._yields.append(False)
        if isinstance(body, list):
            block = self.block(body)
        else:
            block = (t.Return(self._at(), self.expression(body)),)
        self._owner, self._parent = outer
        return block, self._yields.pop()

    def _parameters(self, args: ast.arguments) -> tuple[t.Parameter, ...]:
        plain = [*args.posonlyargs, *args.args]
        defaults = [None] * (len(plain) - len(args.defaults)) + list(args.defaults)
        kinds = ["positional-only"] * len(args.posonlyargs) + ["normal"] * len(args.args)
        found = [self._parameter(*each) for each in zip(plain, defaults, kinds, strict=True)]
        if args.vararg is not None:
            found.append(self._parameter(args.vararg, None, "*"))
        for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
            found.append(self._parameter(arg, default, "keyword-only"))
        if args.kwarg is not None:
            found.append(self._parameter(args.kwarg, None, "**"))
        return tuple(found)

    def _parameter(self, arg: ast.arg, default: ast.expr | None, kind: str) -> t.Parameter:
        at = self._at()
        annotation = self._optional(arg.annotation)
        return t.Parameter(at, arg.arg, annotation, self._optional(default), kind)

    # ---------------------------------------------------------- expressions

    def _name(self, node: ast.Name) -> t.Expr:
        return t.Name(self._at(), node.id)

    def _attribute(self, node: ast.Attribute) -> t.Expr:
        return t.Attribute(self._at(), self.expression(node.value), node.attr)

    def _call(self, node: ast.Call) -> t.Expr:
        at = self._at()
        func = self.expression(node.func)
        given: list[ast.expr | ast.keyword] = [*node.args, *node.keywords]
        if node.keywords and any(isinstance(arg, ast.Starred) for arg in node.args):
            given.sort(key=lambda each: (each.lineno, each.col_offset))
        return t.Call(at, func, tuple([self._argument(each) for each in given]))

    def _argument(self, node: ast.expr | ast.keyword) -> t.Argument:
        at = self._at()
        if isinstance(node, ast.keyword):
            return t.Argument(at, self.expression(node.value), node.arg, "" if node.arg else "**")
        if isinstance(node, ast.Starred):
            return t.Argument(at, self.expression(node.value), None, "*")
        return t.Argument(at, self.expression(node), None, "")

    def _constant(self, node: ast.Constant) -> t.Expr:
        return t.Constant(self._at(), node.value)

    def _text_with_holes(self, node: Any) -> t.Expr:
        at = self._at()
        return t.Text(
            at, self._each(part.value for part in node.values if not isinstance(part, ast.Constant))
        )

    def _await(self, node: ast.Await) -> t.Expr:
        return t.Await(self._at(), self.expression(node.value))

    def _yield(self, node: ast.Yield | ast.YieldFrom) -> t.Expr:
        at = self._at()
        if self._yields:
            self._yields[-1] = True
        return t.Yield(at, self._optional(node.value), isinstance(node, ast.YieldFrom))

    def _sequence(self, node: ast.List | ast.Tuple | ast.Set) -> t.Expr:
        return t.Collection(self._at(), _SEQUENCES[type(node)], self._each(node.elts))

    def _starred(self, node: ast.Starred) -> t.Expr:
        return t.Starred(self._at(), self.expression(node.value))

    def _dict(self, node: ast.Dict) -> t.Expr:
        at = self._at()
        pairs = zip(node.keys, node.values, strict=True)
        return t.Mapping(at, tuple([(self._optional(key), self.expression(value)) for key, value in pairs]))

    def _subscript(self, node: ast.Subscript) -> t.Expr:
        at = self._at()
        value = self.expression(node.value)
        index = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        return t.Subscript(
            at, value, self._each(item.value if isinstance(item, ast.Starred) else item for item in index)
        )

    def _slice(self, node: ast.Slice) -> t.Expr:
        at = self._at()
        return t.Slice(at, self._each(part for part in (node.lower, node.upper, node.step) if part))

    def _binary(self, node: ast.BinOp) -> t.Expr:
        at = self._at()
        return t.Operation(at, _OPERATORS[type(node.op)], self._each((node.left, node.right)))

    def _boolean(self, node: ast.BoolOp) -> t.Expr:
        return self._chained(_OPERATORS[type(node.op)], node.values)

    def _chained(self, kind: str, values: list[ast.expr]) -> t.Expr:
        at = self._at()
        left = self.expression(values[0]) if len(values) == 2 else self._chained(kind, values[:-1])
        return t.Operation(at, kind, (left, self.expression(values[-1])))

    def _unary(self, node: ast.UnaryOp) -> t.Expr:
        at = self._at()
        operand = self.expression(node.operand)
        kind = _OPERATORS[type(node.op)]
        if kind == "-" and isinstance(operand, t.Constant) and isinstance(operand.value, (int, float)):
            return t.Constant(at, -operand.value)
        return t.Operation(at, kind, (operand,))

    def _comparison(self, node: ast.Compare) -> t.Expr:
        at = self._at()
        kind = _OPERATORS[type(node.ops[0])] if len(node.ops) == 1 else "compare"
        return t.Operation(at, kind, self._each((node.left, *node.comparators)))

    def _conditional(self, node: ast.IfExp) -> t.Expr:
        at = self._at()
        test = self.expression(node.test)
        return t.Conditional(at, test, self.expression(node.body), self.expression(node.orelse))

    def _walrus(self, node: ast.NamedExpr) -> t.Expr:
        at = self._at()
        value = self.expression(node.value)
        return t.Walrus(at, self.expression(node.target), value)

    def _comprehension(self, node: Any) -> t.Expr:
        at = self._at()
        loops = tuple([self._comp_loop(loop) for loop in node.generators])
        elements = (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,)
        return t.Comprehension(at, _COMPREHENSIONS[type(node)], self._each(elements), loops)

    def _comp_loop(self, node: ast.comprehension) -> t.CompLoop:
        at = self._at()
        iterable = self.expression(node.iter)
        target = self.expression(node.target)
        return t.CompLoop(at, target, iterable, self._each(node.ifs), bool(node.is_async))


class _Measuring(_Reader):
    """Keeps the extent of each statement."""

    shift = 0

    def __init__(self, source: t.Source, owner: str, parent: str, text: str, is_alone: bool) -> None:
        super().__init__(source, owner, parent, text, is_alone)
        self.found: list[Extent] = []
        self._around = -1

    def block(self, body: Iterable[ast.stmt]) -> t.Block:
        return tuple([read for node in body for read in self._measured(node)])

    def _measured(self, node: ast.stmt) -> t.Block:
        index, around = len(self.found), self._around
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))]) - self.shift
        last = (node.end_lineno or node.lineno) - self.shift
        self.found.append(Extent(self._next, 0, first, last, node.lineno - self.shift, around))
        self._around = index
        read = super().block([node])
        self._around = around
        if not read:
            del self.found[index:]
            return read
        self._finish(index)
        return read

    def _finish(self, index: int) -> None:
        extent = self.found[index]._replace(end=self._next)
        inner = self.found[index + 1] if len(self.found) > index + 1 else None
        if inner is not None and inner.first > extent.line:
            extent = extent._replace(body=inner.at, header=inner.first - 1)
        self.found[index] = extent


def _is_stub(body: list[ast.stmt]) -> bool:
    """Nothing but `...`, `pass`, a docstring, `raise NotImplementedError`."""
    return all(map(_does_nothing, body))


def _does_nothing(node: ast.stmt) -> bool:
    if isinstance(node, ast.Raise):
        raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        return getattr(raised, "id", "") == "NotImplementedError"
    return isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


def _captures(node: ast.AST, names: list[str]) -> None:
    bound = getattr(node, "name", None) or getattr(node, "rest", None)
    if isinstance(node, ast.pattern) and isinstance(bound, str):
        names.append(bound)
    for child in ast.iter_child_nodes(node):
        _captures(child, names)


_SEQUENCES: dict[type, str] = {ast.List: "list", ast.Tuple: "tuple", ast.Set: "set"}
_COMPREHENSIONS: dict[type, str] = {
    ast.ListComp: "list",
    ast.SetComp: "set",
    ast.DictComp: "dict",
    ast.GeneratorExp: "generator",
}
_OPERATORS: dict[type, str] = {
    ast.And: "and", ast.Or: "or", ast.Not: "not", ast.USub: "-", ast.UAdd: "+", ast.Invert: "~", ast.Add: "+",
    ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**", ast.MatMult: "@",
    ast.BitOr: "|", ast.BitAnd: "&", ast.BitXor: "^", ast.LShift: "<<", ast.RShift: ">>", ast.Eq: "==",
    ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.In: "in", ast.NotIn: "not in",
    ast.Is: "is", ast.IsNot: "is not",
}  # fmt: skip
_STATEMENTS: dict[type, Callable[[_Reader, Any], t.Statement]] = {
    ast.Expr: _Reader._evaluate,
    ast.Assign: _Reader._assign,
    ast.AnnAssign: _Reader._ann_assign,
    ast.AugAssign: _Reader._aug_assign,
    ast.Return: _Reader._return,
    ast.Raise: _Reader._raise,
    ast.Assert: _Reader._assert,
    ast.Delete: _Reader._delete,
    ast.Break: _Reader._break,
    ast.Continue: _Reader._continue,
    ast.Global: _Reader._declare,
    ast.Nonlocal: _Reader._declare,
    ast.Import: _Reader._import,
    ast.ImportFrom: _Reader._import_from,
    ast.If: _Reader._if,
    ast.For: _Reader._for,
    ast.AsyncFor: _Reader._for,
    ast.While: _Reader._while,
    ast.With: _Reader._with,
    ast.AsyncWith: _Reader._with,
    ast.Try: _Reader._try,
    ast.Match: _Reader._match,
    ast.ClassDef: _Reader._class,
    ast.FunctionDef: _Reader._define,
    ast.AsyncFunctionDef: _Reader._define,
}
_EXPRESSIONS: dict[type, Callable[[_Reader, Any], t.Expr]] = {
    ast.Name: _Reader._name,
    ast.Attribute: _Reader._attribute,
    ast.Call: _Reader._call,
    ast.Constant: _Reader._constant,
    ast.JoinedStr: _Reader._text_with_holes,
    ast.Await: _Reader._await,
    ast.Yield: _Reader._yield,
    ast.YieldFrom: _Reader._yield,
    ast.List: _Reader._sequence,
    ast.Tuple: _Reader._sequence,
    ast.Set: _Reader._sequence,
    ast.Starred: _Reader._starred,
    ast.Dict: _Reader._dict,
    ast.Subscript: _Reader._subscript,
    ast.Slice: _Reader._slice,
    ast.BinOp: _Reader._binary,
    ast.BoolOp: _Reader._boolean,
    ast.UnaryOp: _Reader._unary,
    ast.Compare: _Reader._comparison,
    ast.IfExp: _Reader._conditional,
    ast.NamedExpr: _Reader._walrus,
    ast.Lambda: _Reader._lambda,
    ast.ListComp: _Reader._comprehension,
    ast.SetComp: _Reader._comprehension,
    ast.DictComp: _Reader._comprehension,
    ast.GeneratorExp: _Reader._comprehension,
}
for _name, _handler in (
    ("TryStar", _Reader._try),
    ("TypeAlias", _Reader._type_alias),
):  # newer than Python 3.10
    if hasattr(ast, _name):
        _STATEMENTS[getattr(ast, _name)] = _handler
if hasattr(ast, "TemplateStr"):  # Python 3.14
    _EXPRESSIONS[ast.TemplateStr] = _Reader._text_with_holes
