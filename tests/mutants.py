"""Break a rule on purpose, one place at a time: the source of a rule -> its mutants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst
from libcst import matchers as m
from libcst.metadata import MetadataWrapper, PositionProvider

_TRUE, _FALSE = cst.Name("True"), cst.Name("False")
_NOTHING = cst.parse_expression("(yield from ())")
_OPPOSITES: dict[type[cst.BaseCompOp], type[cst.BaseCompOp]] = {
    cst.Equal: cst.NotEqual,
    cst.NotEqual: cst.Equal,
    cst.In: cst.NotIn,
    cst.NotIn: cst.In,
    cst.Is: cst.IsNot,
    cst.IsNot: cst.Is,
    cst.LessThan: cst.LessThanEqual,
    cst.LessThanEqual: cst.LessThan,
    cst.GreaterThan: cst.GreaterThanEqual,
    cst.GreaterThanEqual: cst.GreaterThan,
}
_WORDS = {"any": "all", "all": "any", "True": "False", "False": "True"}
_LEVELS = {'"error"': '"warning"', '"warning"': '"error"'}
_NOT_CODE = (
    m.Decorator()
    | m.Annotation()
    | m.ImportFrom()
    | m.Import()
    | m.If(test=m.Name("TYPE_CHECKING"))
    | m.SimpleStatementLine(body=[m.Expr(m.SimpleString() | m.FormattedString() | m.ConcatenatedString())])
)


@dataclass(frozen=True, slots=True)
class Mutant:
    """The source with one place changed, and what was changed."""

    line: int
    change: str
    source: str


def mutants(source: str) -> Iterator[Mutant]:
    """Every change to a condition, a comparison, a truth value, a level or a number.

    A rule with none of these loses what it yields.
    """
    wrapper = MetadataWrapper(cst.parse_module(source), unsafe_skip_copy=True)
    lines = wrapper.resolve(PositionProvider)
    module = wrapper.module
    nodes = list(_code(module))
    changes = [change for node in nodes for change in _changes(node)]
    for old, new in changes or [(node, _NOTHING) for node in nodes if isinstance(node, cst.Yield)]:
        changed = module.deep_replace(old, new)
        words = f"`{_text(module, old)}` -> `{_text(module, new)}`"
        yield Mutant(lines[old].start.line, words, changed.code)


def _text(module: cst.Module, node: cst.CSTNode) -> str:
    return " ".join(module.code_for_node(node).split())


def _code(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """What runs when the rule does: no docstrings, annotations, decorators, imports."""
    if m.matches(node, _NOT_CODE):
        return
    yield node
    for child in node.children:
        yield from _code(child)


def _changes(node: cst.CSTNode) -> Iterator[tuple[cst.CSTNode, cst.CSTNode]]:
    match node:
        case cst.If() | cst.IfExp() | cst.CompIf():
            yield from ((node.test, value.deep_clone()) for value in (_TRUE, _FALSE))
        case cst.BooleanOperation():
            yield from _halves(node)
        case cst.UnaryOperation(operator=cst.Not()):
            yield node, _in_parens(node.expression)
        case cst.ComparisonTarget():
            yield from _turned(node)
        case cst.Name(value=word) if word in _WORDS:
            yield node, cst.Name(_WORDS[word])
        case cst.SimpleString(value=level) if level in _LEVELS:
            yield node, cst.SimpleString(_LEVELS[level])
        case cst.Integer():
            yield node, cst.Integer(str(int(node.value) + 1))


def _halves(node: cst.BooleanOperation) -> Iterator[tuple[cst.CSTNode, cst.CSTNode]]:
    """Without the one condition, without the other, and with the other word between them."""
    yield node, _in_parens(node.left)
    yield node, _in_parens(node.right)
    space = cst.SimpleWhitespace(" ")
    other = cst.Or(space, space) if isinstance(node.operator, cst.And) else cst.And(space, space)
    yield node, _in_parens(node.with_changes(operator=other))


def _in_parens(node: cst.BaseExpression) -> cst.BaseExpression:
    """What is put in another one's place may have to hold together over several lines."""
    return node.with_changes(lpar=[cst.LeftParen(), *node.lpar], rpar=[*node.rpar, cst.RightParen()])


def _turned(node: cst.ComparisonTarget) -> Iterator[tuple[cst.CSTNode, cst.CSTNode]]:
    operator = _OPPOSITES.get(type(node.operator))
    if operator is not None:
        yield node, node.with_changes(operator=operator())
