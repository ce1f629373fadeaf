"""How a function may end after it has passed certain places: it returns, it raises, it goes on.

Exceptions are those that somebody wrote: an explicit `raise`, or a call of a first-party function that always
raises. Only inside a `try` a call that may fail counts too, because then the handler says what happens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from bglint import tree as t
from bglint.frozen import by_value
from bglint.memo import memo
from bglint.project import Project
from bglint.questions.catching import Catch, catches, expects
from bglint.questions.fallible import can_fail, outside_errors, raises_always, raises_sometimes
from bglint.scope import own_expressions
from bglint.values import Frame, Values

End = Literal["next", "return", "raise", "break", "continue"]
Passed = frozenset[int]


@by_value
class Way:
    """One way through: how it ends, at which node, and which of the places it has passed (by `id`)."""

    end: End
    node: t.Node | None = None
    passed: Passed = frozenset()
    raised: Values = ()


@by_value
class Call:
    """What a call on the way does: it may go on, and it may raise these."""

    goes_on: bool = True
    raises: tuple[tuple[t.Node, Values], ...] = ()


Failure = tuple[Passed, Values, frozenset[str]]
"""Something that may fail inside a `try`, in this state: what it raises, or the outside errors that it is known for.

Both are empty where nothing is known of the exception.
"""


@dataclass(slots=True)
class Walker:
    """Walks one function. `places` are the nodes to look out for, with what those that are calls may do.

    Where not `deep`, the functions that it calls are taken to come back.
    """

    project: Project
    frame: Frame
    places: Mapping[int, Call]
    deep: bool = True
    _failing: list[set[Failure]] = field(default_factory=list)

    def ways(self) -> set[Way]:
        """All ends of the function; falling off its end is a return."""
        assert self.frame.function is not None
        found = self._block(self.frame.function.body, frozenset())
        return {replace(way, end="return") if way.end == "next" else way for way in found}

    def through(self, block: t.Block) -> set[Way]:
        """All ends of one block, such as the body of a loop."""
        return self._block(block, frozenset())

    # ----------------------------------------------------------- statements

    def _block(self, block: t.Block, passed: Passed) -> set[Way]:
        states, found = {passed}, set()
        for statement in block:
            after = {way for state in states for way in self._statement(statement, state)}
            found |= {way for way in after if way.end != "next"}
            states = {way.passed for way in after if way.end == "next"}
            if not states:
                break
        return found | {Way("next", None, state) for state in states}

    def _statement(self, node: t.Statement, passed: Passed) -> set[Way]:
        if isinstance(node, t.Guard):
            return self._guard(node, passed)
        self._note_failing(node, passed)
        found: set[Way] = set()
        for state in self._own(node, passed, found):
            found |= self._rest(node, state)
        return found

    def _own(self, node: t.Statement, passed: Passed, found: set[Way]) -> set[Passed]:
        """What the expressions of the statement itself do; the states in which it goes on."""
        for part in _parts(node):
            call = self.places.get(id(part))
            if call is not None:
                passed = passed | {id(part)}
                found |= {Way("raise", place, passed, raised) for place, raised in call.raises}
                if not call.goes_on:
                    return set()
            elif isinstance(part, t.Call) and (raised := self._always(part)):
                found.add(Way("raise", part, passed, raised))
                return set()
            elif isinstance(part, t.Yield) and self._is_dependency():
                found.add(Way("return", node, passed))
                return set()
        if id(node) in self.places:
            passed = passed | {id(node)}
        return {passed}

    def _always(self, call: t.Call) -> Values:
        return raises_always(self.project, call, self.frame) if self.deep else ()

    def _is_dependency(self) -> bool:
        """At the `yield` of a dependency the response takes over."""
        assert self.frame.function is not None
        return self.frame.function.is_generator

    def _rest(self, node: t.Statement, passed: Passed) -> set[Way]:
        if isinstance(node, t.Return):
            return {Way("return", node, passed)}
        if isinstance(node, t.Raise):
            raised = self.project.evaluate(node.value, self.frame) if node.value is not None else ()
            return {Way("raise", node, passed, raised)}
        if isinstance(node, (t.Break, t.Continue)):
            return {Way("break" if isinstance(node, t.Break) else "continue", node, passed)}
        if isinstance(node, t.Branch):
            return self._block(node.body, passed) | self._block(node.orelse, passed)
        if isinstance(node, (t.For, t.While)):
            return self._loop(node, passed)
        if isinstance(node, t.With):
            return self._with(node, passed)
        return self._match(node, passed) if isinstance(node, t.Match) else {Way("next", None, passed)}

    def _loop(self, node: t.For | t.While, passed: Passed) -> set[Way]:
        seen: set[Passed] = set()
        waiting, found = {passed}, set()
        while waiting:
            state = waiting.pop()
            seen.add(state)
            for way in self._block(node.body, state):
                if way.end in ("next", "continue"):
                    waiting |= {way.passed} - seen
                else:
                    found.add(replace(way, end="next", node=None) if way.end == "break" else way)
        if isinstance(node, t.While) and isinstance(node.test, t.Constant) and node.test.value:
            return found
        return found | {way for state in seen for way in self._block(node.orelse, state)}

    def _with(self, node: t.With, passed: Passed) -> set[Way]:
        found = self._block(node.body, passed)
        if not any(_suppresses(item.value) for item in node.items):
            return found
        return {Way("next", None, way.passed) if way.end == "raise" else way for way in found}

    def _match(self, node: t.Match, passed: Passed) -> set[Way]:
        found = {way for case in node.cases for way in self._block(case.body, passed)}
        if any(case.irrefutable for case in node.cases):
            return found
        return found | {Way("next", None, passed)}

    # ------------------------------------------------------------------ try

    def _note_failing(self, node: t.Statement, passed: Passed) -> None:
        """Inside a `try`: what may fail in this state."""
        if not self._failing:
            return
        for expr in own_expressions(node):
            if can_fail(self.project, expr, self.frame):
                self._failing[-1].add((passed, (), frozenset()))
            for raised in raises_sometimes(self.project, expr, self.frame):
                self._failing[-1].add((passed, raised, frozenset()))
            for errors in outside_errors(self.project, expr, self.frame):
                self._failing[-1].add((passed, (), errors))

    def _guard(self, node: t.Guard, passed: Passed) -> set[Way]:
        self._failing.append(set())
        body = self._block(node.body, passed)
        failing = self._failing.pop()
        found = {way for way in body if way.end not in ("raise", "next")}
        for way in body:
            if way.end == "next":
                found |= self._block(node.orelse, way.passed)
            elif way.end == "raise":
                found |= set(self._caught(node, way))
        # Whoever writes a handler knows that the block may raise what it takes, if the block can fail at all.
        for handler in node.handlers if failing or not passed else ():
            found |= set(self._handled(handler, Way("raise", None, passed)))
        for state, raised, errors in failing:
            found |= self._failed(node, Way("raise", None, state, raised), errors)
        return {end for way in found for end in self._finally(node, way)}

    def _failed(self, node: t.Guard, way: Way, errors: frozenset[str]) -> set[Way]:
        """A failure that nobody raises here: only a handler that takes it or is written for it says what happens."""
        for handler in node.handlers:
            sure = catches(self.project, handler, self.frame, way.raised or None) is Catch.YES
            if sure or expects(self.project, handler, self.frame, errors):
                return set(self._handled(handler, way))
        if self._failing:
            self._failing[-1].add((way.passed, way.raised, errors))
        return set()

    def _caught(self, node: t.Guard, way: Way) -> Iterator[Way]:
        """Where an exception goes: to the first handler that may take it, else on."""
        for handler in node.handlers:
            if catches(self.project, handler, self.frame, way.raised) is not Catch.NO:
                yield from self._handled(handler, way)
                return
        yield way

    def _handled(self, handler: t.Handler, way: Way) -> Iterator[Way]:
        for end in self._block(handler.body, way.passed):
            again = isinstance(end.node, t.Raise) and end.node.value is None
            yield replace(end, raised=way.raised) if again and end.end == "raise" else end

    def _finally(self, node: t.Guard, way: Way) -> Iterator[Way]:
        for end in self._block(node.final, way.passed):
            yield replace(way, passed=end.passed) if end.end == "next" else end


@memo
def _parts(node: t.Statement) -> tuple[t.Node, ...]:
    """What the expressions of the statement itself are made of, in run order."""
    return tuple(part for expr in own_expressions(node) for part in t.walk(expr))


def _suppresses(expr: t.Expr) -> bool:
    func = expr.func if isinstance(expr, t.Call) else expr
    name = func.name if isinstance(func, t.Attribute) else func.id if isinstance(func, t.Name) else ""
    return name == "suppress"
