"""The project as rules see it: tasks, what they reach, what names mean, where things stand."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

from bglint import calling, deciding, members
from bglint import tree as t
from bglint.knowledge import Knowledge
from bglint.model import Problem, Span, Step, Unfollowed
from bglint.names import Names
from bglint.needles import begun
from bglint.program import Module, Program
from bglint.reach import Contact, Reach, Visit
from bglint.roles import Role, Roles
from bglint.scope import Chain, Scope, scope
from bglint.sites import Context, Hop, Sites, TaskSite
from bglint.steps import Steps
from bglint.values import Cls, Frame, Func, Instance, Outside, Partial, Value, Values

if TYPE_CHECKING:
    from bglint.config import Config
    from bglint.discover import Sources
    from bglint.framework import Framework


N = TypeVar("N", bound=t.Node)
M = TypeVar("M", bound=t.Node)


class Project:
    """Answers questions about a project; every answer is found the first time it is asked for.

    Public attributes: `names` (evaluation), `roles` (routes, dependencies, callers), `knowledge` (outside calls).
    """

    def __init__(self, sources: Sources, config: Config, broken: Collection[str] = ()) -> None:
        self.sources = sources
        self.config = config
        self.program = Program(sources, broken)
        self.knowledge = Knowledge(config.knowledge)
        self.names = Names(self.program, self.knowledge)
        self.roles = Roles(self.names)
        self._steps = Steps(self.names)
        self._reach = Reach(self.names, self._steps)
        self._sites = Sites(self.names, self.roles)
        self._frameworks: dict[str, Framework] = {}
        self._method_calls: dict[tuple[str, tuple[str, ...]], tuple[tuple[t.Call, Frame], ...]] = {}

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The files that could not be read or parsed, of those that were asked for."""
        return tuple(dict.fromkeys(self.program.problems))

    # ------------------------------------------------------------------ tasks

    @cached_property
    def sites(self) -> tuple[TaskSite, ...]:
        """Every registration of a task, once for each way in which the framework gets there."""
        return tuple(site for site in self.every_site if not site.skipped)

    @cached_property
    def every_site(self) -> tuple[TaskSite, ...]:
        """The registrations, and those that the way which leads there rules out."""
        return tuple(self._sites.find())

    def unfollowed(self) -> tuple[Unfollowed, ...]:
        """The registrations whose task could not be resolved in any context."""
        calls: dict[t.Call, list[TaskSite]] = {}
        for site in self.every_site:
            if site.handed is not None or site.call.spread:
                calls.setdefault(site.call, []).append(site)
        lost = [sites[0] for sites in calls.values() if not any(site.followed for site in sites)]
        return tuple(self._unfollowed(site) for site in lost)

    def _unfollowed(self, site: TaskSite) -> Unfollowed:
        text = self.text(site.handed, site.frame) if site.handed is not None else ""
        return Unfollowed(site.frame.path, self.span(site.call, site.frame), text, "cannot be resolved")

    @cached_property
    def task_count(self) -> int:
        """How many registering calls there are."""
        return len({site.call for site in self.every_site})

    def visits(self, site: TaskSite) -> tuple[Visit, ...]:
        """Every first-party function that a task runs, nearest first."""
        return self._reach.visits(site)

    def other_ways(self, visit: Visit) -> Iterator[Visit]:
        """The same function of the same task, reached by other calls than the nearest."""
        return self._reach.other_ways(visit)

    def contacts(self, site: TaskSite) -> tuple[Contact, ...]:
        """Every outside call that a task comes to, nearest first."""
        return self._reach.contacts(site)

    def steps(self, frame: Frame) -> tuple[tuple[object, ...], tuple[object, ...]]:
        """What one function does in a frame: its first-party calls (Edge) and its outside calls (Outer)."""
        return self._steps.of(frame)

    def nodes(self, frame: Frame) -> tuple[t.Node, ...]:
        """What of a function can run in a frame, in run order: arms that its arguments close are left out."""
        return deciding.live(self.names, frame)

    @overload
    def nodes_of(self, frame: Frame, kind: type[N], /) -> tuple[N, ...]: ...
    @overload
    def nodes_of(self, frame: Frame, kind: type[N], other: type[M], /) -> tuple[N | M, ...]: ...
    @overload
    def nodes_of(self, frame: Frame, *kinds: type[t.Node]) -> tuple[t.Node, ...]: ...
    def nodes_of(self, frame: Frame, *kinds: type[t.Node]) -> tuple[Any, ...]:
        """Those of these classes."""
        return deciding.live_of(self.names, frame, *kinds)

    def runs_on_loop(self, value: Value) -> bool:
        """Would the runner await this callable?"""
        return self._steps.is_async(value)

    # ------------------------------------------------------------------ names

    def evaluate(self, expr: t.Expr | None, frame: Frame) -> Values:
        """Everything that an expression may stand for in a frame."""
        return self.names.evaluate(expr, frame)

    def is_a(self, value: Value, *dotted: str) -> bool:
        """True for an instance or class of one of these outside classes, or of one derived from them."""
        return members.is_a(self.names, value, *dotted)

    def tasks_object(self, expr: t.Expr, frame: Frame) -> Value | None:
        """The BackgroundTasks object that an expression stands for."""
        return self._sites.tasks_object(expr, frame)

    def arguments(self, call: t.Call, frame: Frame, skip: int = 0) -> calling.Arguments:
        """The values of a call's arguments: positional, and by keyword."""
        return calling.arguments(self.names, call, frame, skip)

    def bind(self, func: Func, positional: tuple[Values, ...], keywords: dict[str, Values]) -> Frame:
        """The frame of a call of a function with these arguments."""
        return calling.bind(self.names, func, positional, keywords)

    def contexts(self, function: t.Function) -> tuple[Context, ...]:
        """The ways in which the framework gets to a function."""
        return self._sites.contexts(function)

    def scope(self, function: t.Function) -> Scope:
        """What a function binds, and the way to each of its nodes."""
        return scope(function)

    def chain(self, node: t.Node, function: t.Function) -> Chain:
        """The compound statements around a node, outermost first, each with the part that holds it."""
        return scope(function).chain(node.at)

    # ------------------------------------------------------------- functions

    def functions(self, pattern: str, near: str = "", handlers: bool = False) -> Iterator[t.Function]:
        """All functions (nested ones too) whose lines hold a match of a regular expression; tests left out.

        `near` has to match somewhere in the same top-level function or method; with `handlers` only those that may be
        a handler, or hold one. Both are tested before anything is read.
        """
        compiled, beside = re.compile(begun(pattern)), re.compile(near)
        for module in self.modules(pattern, near, handlers):
            lines = module.lines_with(compiled)
            wanted = {line for line in lines if beside.search(module.around(line))} if near else lines
            served = {line for line in wanted if self.roles.may_serve(module, line)} if handlers else wanted
            yield from self.roles.functions_in(module, served)

    def modules(self, pattern: str, near: str = "", handlers: bool = False) -> Iterator[Module]:
        """The modules whose text holds a match of a regular expression; tests left out.

        `near` has to match, too; with `handlers` only modules that may define one.
        """
        beside = re.compile(near.encode())
        for file in self.sources.mentioning(re.compile(begun(pattern).encode())):
            if near and not beside.search(self.sources.scan(file)):
                continue
            if handlers and not self.roles.may_define_handlers(file):
                continue
            module = self.program.module(file.path)
            if module is not None:
                yield module

    def module_statements(self, module: Module) -> Iterator[t.Statement]:
        """The lowered top-level assignments and expression statements of a module."""
        for entry in module.outline.entries:
            if entry.kind in ("assign", "statement"):
                yield from self.program.statements(module, entry)

    def method_calls(self, pattern: str, *names: str) -> tuple[tuple[t.Call, Frame], ...]:
        """The calls of methods with these names, each with its frame: of modules themselves, then those in functions.

        `pattern` is a regular expression that the lines of such calls match.
        """
        key = (pattern, names)
        if key not in self._method_calls:
            self._method_calls[key] = tuple(self._find_method_calls(pattern, names))
        return self._method_calls[key]

    def _find_method_calls(self, pattern: str, names: tuple[str, ...]) -> Iterator[tuple[t.Call, Frame]]:
        for module in self.modules(pattern):
            frame = self.names.module_frame(module.path)
            yield from ((call, frame) for call in _methods(names, *self.module_statements(module)))
        for function in self.functions(pattern):
            yield from ((call, self.frame(function)) for call in _methods(names, *function.body))

    def frame(self, function: t.Function) -> Frame:
        """The frame of a function of whose callers nothing is known."""
        return self.roles.default_frame(function)

    def role(self, function: t.Function) -> Role | None:
        """What a function is to the framework; None for a plain one."""
        return self.roles.role(function)

    def framework(self, path: str) -> Framework:
        """Which FastAPI and Starlette the code of a file runs on."""
        from bglint.framework import detect

        folder = str(Path(path).parent)
        if folder not in self._frameworks:
            versions = self.config.fastapi_version, self.config.starlette_version
            self._frameworks[folder] = detect(Path(folder), self.sources.root, *versions)
        return self._frameworks[folder]

    # ----------------------------------------------------------------- places

    def span(self, node: t.Node, frame: Frame) -> Span:
        """Where a node of a frame's function stands."""
        return self.program.span(node, self._source(frame))

    def text(self, node: t.Node, frame: Frame) -> str:
        """A node's source text, as written."""
        return self.program.source_text(node, self._source(frame))

    def source(self, path: str) -> str:
        """The whole text of a file."""
        module = self.program.module(path)
        return module.source if module is not None else ""

    def _source(self, frame: Frame) -> t.Source:
        assert frame.function is not None
        return frame.function.source

    def trace(self, site: TaskSite, visit: Visit | None = None) -> tuple[Step, ...]:
        """The path from the handler over the registration down to the function of a visit."""
        steps = [self._hop(hop) for hop in site.context.hops]
        steps.append(self._registration(site))
        steps += [self._hop(hop) for hop in (visit.hops() if visit else ())]
        return tuple(steps)

    def _hop(self, hop: Hop) -> Step:
        return self.step(hop.node, hop.frame, f"`{name_of(hop.frame)}` {_deed(hop.node)}")

    def step(self, node: t.Node, frame: Frame, message: str) -> Step:
        """A place on a path."""
        return Step(frame.path, self.span(node, frame), message)

    def _registration(self, site: TaskSite) -> Step:
        how = "starts" if site.kind == "create_task" else "adds the task"
        return self.step(site.call, site.frame, f"`{name_of(site.frame)}` {how} `{self.task_name(site)}`")

    def task_name(self, site: TaskSite) -> str:
        """What to call a task in a message: `send_mail`, `Service.run`, `shutil.rmtree`."""
        return next((short_name(v) for v in site.targets if short_name(v)), self._written(site))

    def _written(self, site: TaskSite) -> str:
        text = self.text(site.handed, site.frame) if site.handed is not None else "?"
        return text if len(text) <= 40 and "\n" not in text else text.split("\n")[0][:37] + "..."

    def task_id(self, site: TaskSite) -> str:
        """The qualified name of a task, "module:qualname"; its text where it is not first-party."""
        for value in site.targets:
            function = task_function(value)
            if function is not None:
                return f"{function.source.module}:{function.qualname}"
        return self.task_name(site)


def _methods(names: tuple[str, ...], *statements: t.Statement) -> Iterator[t.Call]:
    for node in t.walk(*statements):
        if isinstance(node, t.Call) and isinstance(node.func, t.Attribute) and node.func.name in names:
            yield node


def name_of(frame: Frame) -> str:
    """What to call a function in a message."""
    return short_function(frame.function) if frame.function is not None else "the module"


def short_function(function: t.Function) -> str:
    """`Service.send`, `inner`, `lambda`."""
    if function.is_lambda:
        return "lambda"
    return function.qualname.rpartition("<locals>.")[2]


def short_name(value: Value) -> str:
    """What to call a callable in a message; "" where it has no name."""
    if isinstance(value, Func):
        return short_function(undecorated(value).function)
    if isinstance(value, Partial):
        return short_name(value.target)
    if isinstance(value, (Cls, Instance)):
        return value.klass.name
    if isinstance(value, Outside):
        return value.name.removeprefix("builtins.")
    inner = getattr(value, "func", None)
    return short_name(inner) if isinstance(inner, Func) else ""


def task_function(value: Value) -> t.Function | None:
    """The first-party function behind a task's value."""
    while isinstance(value, Partial):
        value = value.target
    inner = getattr(value, "func", value)
    return undecorated(inner).function if isinstance(inner, Func) else None


def undecorated(value: Func) -> Func:
    """The function that a first-party decorator's inner function stands for; the function itself where it is plain."""
    while value.closure is not None:
        wrapped = (v for _, values in value.closure.bindings for v in values if isinstance(v, Func))
        inner = next(wrapped, None)
        if inner is None or inner == value:
            break
        value = inner
    return value


def _deed(node: t.Node) -> str:
    if isinstance(node, t.Call):
        return f"calls `{dotted(node.func)}`"
    if isinstance(node, t.Attribute):
        return f"reads `{dotted(node)}`"
    return f"uses `{dotted(node)}`" if isinstance(node, t.Expr) else "enters a `with` block"


def dotted(expr: t.Expr) -> str:
    """A call's function as a reader would say it: `self.client.post`, `get_db()`, `jobs[...]`."""
    if isinstance(expr, t.Name):
        return expr.id
    if isinstance(expr, t.Attribute):
        return f"{dotted(expr.value)}.{expr.name}"
    if isinstance(expr, t.Call):
        return f"{dotted(expr.func)}()"
    if isinstance(expr, t.Subscript):
        return f"{dotted(expr.value)}[...]"
    return "..." if not isinstance(expr, t.Await) else dotted(expr.value)


def nearest(contacts: Iterable[Contact]) -> dict[t.Call, list[Contact]]:
    """Contacts by guilty call, the shortest path first."""
    found: dict[t.Call, list[Contact]] = {}
    for contact in contacts:
        found.setdefault(contact.node, []).append(contact)
    return {
        node: sorted(group, key=lambda c: c.visit.depth + len(c.visit.site.context.hops))
        for node, group in found.items()
    }
