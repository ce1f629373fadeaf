"""The places where a task is registered, and what is registered there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Literal

from bglint import calling, deciding, members
from bglint import tree as t
from bglint.frozen import by_identity
from bglint.names import Names
from bglint.roles import Role, Roles
from bglint.values import (
    Cls,
    Const,
    Frame,
    Func,
    Instance,
    Missing,
    Outside,
    Unknown,
    Value,
    Values,
    anonymous,
    known,
    unique,
)  # fmt: skip

TASKS = (
    "fastapi.BackgroundTasks",
    "fastapi.background.BackgroundTasks",
    "starlette.background.BackgroundTasks",
)
TASK = ("starlette.background.BackgroundTask", "fastapi.background.BackgroundTask")

MENTIONS = re.compile(rb"add_task|BackgroundTask|create_task|ensure_future")
_REGISTERS = re.compile(
    r"add_task|BackgroundTask\b|BackgroundTasks\(|create_task|ensure_future|tasks\.append"
)
"""What a line holds that may register a task; an annotation alone does not."""

_ADDER = re.compile(rb"\.add_task\b(?!\s*\()")
"""`add_task` that is not called where it stands."""

SPAWNERS = {"create_task", "ensure_future"}
CONTEXT_DEPTH = 3
"""How many calls above an add_task a handler is looked for."""

SPAWN_DEPTH = 2
"""The same for create_task, which is common outside of handlers too."""

_LIFE = re.compile(r"(?i)start_?up|shut_?down|lifespan")
"""Names of what runs once with the application, however it is registered."""

MOST_CONTEXTS = 12

MOST_UNSERVED = 3
"""Of ways on which no handler was found so many show what a helper is given."""

SiteKind = Literal["add_task", "BackgroundTask", "append", "create_task"]


@by_identity
class Hop:
    """One call on a way: `node`, in `frame`."""

    frame: Frame
    node: t.Node


@by_identity
class Context:
    """One way in which a function is run by the framework: its frame, the calls from the handler down, the handler.

    `role` is None where no route or dependency was found to call it.
    """

    frame: Frame
    hops: tuple[Hop, ...] = ()
    role: Role | None = None

    @property
    def frames(self) -> Iterator[Frame]:
        """The frames of the way, the handler's first."""
        yield from (hop.frame for hop in self.hops)
        yield self.frame


@by_identity
class TaskSite:
    """A registration, in one context. A call that is reached from three handlers is three sites with one `call`.

    `receiver` is the tasks object of add_task and append; `handed` the expression that is handed over as the task,
    `targets` what it stands for; `arguments` those meant for the task. `skipped` where the arguments of the calls on
    the way rule it out: a flag is left False, no tasks object is given.
    """

    kind: SiteKind
    call: t.Call
    context: Context
    receiver: Value | None
    handed: t.Expr | None
    targets: Values
    arguments: tuple[t.Argument, ...]
    skipped: bool = False

    @property
    def frame(self) -> Frame:
        return self.context.frame

    @property
    def role(self) -> Role | None:
        return self.context.role

    @property
    def function(self) -> t.Function | None:
        return self.context.frame.function

    @property
    def followed(self) -> bool:
        """True where at least one target is something that can be looked into or is known by name."""
        return any(not isinstance(v, Const) and not anonymous(v) for v in known(self.targets))


class Sites:
    """Finds all registrations of a project."""

    def __init__(self, names: Names, roles: Roles) -> None:
        self._names = names
        self._roles = roles
        self._contexts: dict[tuple[t.Function, int], tuple[Context, ...]] = {}

    def find(self) -> Iterator[TaskSite]:
        """Every registration, file by file, in source order; then those by an `add_task` under another name."""
        for function in self._functions(MENTIONS, _REGISTERS):
            yield from self._in_function(function)
        for function in dict.fromkeys(self._with_an_adder()):
            for call in t.nodes_of(function, t.Call):
                if not _may_register(call) and isinstance(call.func, (t.Name, t.Attribute)):
                    yield from self._sites_of(call, function)

    def _functions(self, words: re.Pattern[bytes], lines: re.Pattern[str]) -> Iterator[t.Function]:
        program = self._names.program
        for file in program.sources.mentioning(words):
            module = program.module(file.path)
            if module is not None:
                yield from self._roles.functions_in(module, module.lines_with(lines))

    def _in_function(self, function: t.Function) -> Iterator[TaskSite]:
        calls = t.nodes_of(function, t.Call)
        for call in (c for c in calls if _may_register(c)):
            frame = self._roles.default_frame(function)
            if self._kind(call, frame, function) is not None or self._may_depend_on_caller(call, frame):
                yield from self._sites_of(call, function)

    def _sites_of(self, call: t.Call, function: t.Function) -> Iterator[TaskSite]:
        depth = SPAWN_DEPTH if t.last_name(call.func) in SPAWNERS else CONTEXT_DEPTH
        for context in self.contexts(function, depth):
            yield from self._site(call, context, function)

    def _with_an_adder(self) -> Iterator[t.Function]:
        """The functions that hold `tasks.add_task` itself, or are handed it; of a class that is, the methods."""
        for function in self._functions(_ADDER, re.compile(_ADDER.pattern.decode())):
            calls = t.nodes_of(function, t.Call)
            called = {id(call.func) for call in calls}
            named = (node for node in t.nodes_of(function, t.Attribute) if node.name == "add_task")
            held = [node for node in named if id(node) not in called]
            for call in calls if held else ():
                if any(argument.value in held for argument in call.arguments):
                    yield from self._handed_to(call, self._roles.default_frame(function))
            if held:
                yield function

    def _handed_to(self, call: t.Call, frame: Frame) -> Iterator[t.Function]:
        for value in self._names.evaluate(call.func, frame):
            if isinstance(value, Func):
                yield value.function
            elif isinstance(value, Cls):
                yield from members.methods(self._names, value.klass)

    def _site(self, call: t.Call, context: Context, function: t.Function) -> Iterator[TaskSite]:
        skipped = self._is_skipped(call, context.frame)
        frame = self._roles.default_frame(function) if skipped else context.frame
        found = self._kind(call, frame, function)
        if found is None:
            return
        kind, receiver = found
        if kind == "create_task" and not self._serves(context):
            return
        handed = call.argument(0, "coro" if kind == "create_task" else "func")
        targets = self._names.evaluate(handed, frame) if handed is not None else ()
        rest = tuple(a for a in call.arguments if a.value is not handed) if kind != "create_task" else ()
        yield TaskSite(kind, call, context, receiver, handed, _targets(targets), rest, skipped)

    def _serves(self, context: Context) -> bool:
        """True for a way from a request: what the application starts once is nobody's task."""
        around = [function for frame in context.frames for function in self._roles.chain(frame.function)]
        once = any(_LIFE.search(function.name) for function in around)
        return context.role is not None and context.role.kind != "startup" and not once

    def _is_skipped(self, call: t.Call, frame: Frame) -> bool:
        if not deciding.can_run(self._names, frame, call):
            return True
        receiver = call.func.value if isinstance(call.func, t.Attribute) else None
        return receiver is not None and self._names.evaluate(receiver, frame) == (Const(value=None),)

    def _kind(self, call: t.Call, frame: Frame, function: t.Function) -> tuple[SiteKind, Value | None] | None:
        func = call.func
        if isinstance(func, t.Attribute) and func.name == "add_task":
            receiver = self.tasks_object(func.value, frame)
            return ("add_task", receiver) if receiver is not None else None
        if (receiver := self._adder(func, frame)) is not None:
            return "add_task", receiver
        if isinstance(func, t.Attribute) and func.name == "append" and isinstance(func.value, t.Attribute):
            receiver = self.tasks_object(func.value.value, frame) if func.value.name == "tasks" else None
            return ("append", receiver) if receiver is not None else None
        if t.last_name(func) in SPAWNERS:
            return (
                ("create_task", None)
                if self._is_spawner(func, frame) and not awaited_there(call, function)
                else None
            )
        if any(
            isinstance(v, (Outside, Cls)) and self.is_task_class(v) for v in self._names.evaluate(func, frame)
        ):
            return "BackgroundTask", None
        return None

    def _adder(self, func: t.Expr, frame: Frame) -> Value | None:
        """The tasks object of an `add_task` under another name: `enqueue = tasks.add_task`."""
        found = (v for v in self._names.evaluate(func, frame) if isinstance(v, Outside))
        return next((v.of for v in found if v.name.endswith(".BackgroundTasks.add_task")), None)

    def is_task_class(self, value: Value) -> bool:
        """True for the class BackgroundTask (not BackgroundTasks, which is derived from it)."""
        return members.is_a(self._names, value, *TASK) and not members.is_a(self._names, value, *TASKS)

    def _is_spawner(self, func: t.Expr, frame: Frame) -> bool:
        for value in self._names.evaluate(func, frame):
            if (
                isinstance(value, Outside)
                and value.name.startswith("asyncio.")
                and "TaskGroup" not in value.name
            ):
                return True
        return False

    def tasks_object(self, expr: t.Expr, frame: Frame) -> Value | None:
        """The BackgroundTasks object that an expression stands for, None where it is something else or unknown."""
        values = self._names.evaluate(expr, frame)
        for value in values:
            if members.is_a(self._names, value, *TASKS) and not isinstance(value, Cls):
                return value
        unsure = values and not known(tuple(v for v in values if v != Const(value=None)))
        if unsure and _sounds_like_tasks(expr):
            return next((v for v in values if isinstance(v, Unknown)), None)
        return None

    def _may_depend_on_caller(self, call: t.Call, frame: Frame) -> bool:
        """`tasks.add_task(...)` on a parameter (or attribute) of which only the caller knows what it is."""
        if not isinstance(call.func, t.Attribute) or call.func.name != "add_task":
            return False
        values = self._names.evaluate(call.func.value, frame)
        return not known(tuple(v for v in values if v != Const(value=None)))

    # --------------------------------------------------------------- contexts

    def contexts(self, function: t.Function, depth: int = CONTEXT_DEPTH) -> tuple[Context, ...]:
        """The ways in which the framework gets to a function, through the functions that call it."""
        key = (function, depth)
        if key not in self._contexts:
            alone = (Context(self._roles.default_frame(function)),)
            self._contexts[key] = alone
            self._contexts[key] = tuple(islice(self._find_contexts(function, depth), MOST_CONTEXTS)) or alone
        return self._contexts[key]

    def _find_contexts(self, function: t.Function, depth: int) -> Iterator[Context]:
        role = self._roles.role(function)
        parent = self._roles.parent(function)
        if role is not None:
            yield Context(self._roles.default_frame(function), (), role)
        elif parent is not None:
            for outer in self.contexts(parent, depth):
                frame = self._names.frame(function, function.source.path, (), outer.frame)
                yield Context(frame, outer.hops, outer.role)
        elif depth:
            yield from self._called_contexts(function, depth)

    def _called_contexts(self, function: t.Function, depth: int) -> Iterator[Context]:
        """Through callers that a handler leads to; other callers only tell what a helper for tasks is given."""
        takes_tasks = _takes_tasks(function)
        callers = self._roles.callers(function, depth == 1 and not takes_tasks, takes_tasks)
        ways = [
            (caller.call, outer)
            for caller in callers
            for outer in self.contexts(caller.chain[-1], depth - 1)
            if outer.frame.function is not function
            and all(hop.frame.function is not function for hop in outer.hops)
        ]
        served = [way for way in ways if way[1].role is not None]
        for call, outer in served or (ways[:MOST_UNSERVED] if takes_tasks else []):
            yield from self._through(call, outer, function)

    def _through(self, call: t.Call, outer: Context, function: t.Function) -> Iterator[Context]:
        if not deciding.can_run(self._names, outer.frame, call):
            return
        for value, skip in self._run_by(call, outer.frame):
            frame = self._frame_of(value, call, outer.frame, function, skip)
            if frame is not None:
                yield Context(frame, (*outer.hops, Hop(outer.frame, call)), outer.role)
                return

    def _run_by(self, call: t.Call, frame: Frame) -> Iterator[tuple[Value, int]]:
        """What a call runs, also if it is handed to a thread, and how many arguments are not for that."""
        for value in self._names.evaluate(call.func, frame):
            fact = self._names.knowledge.fact(value.name) if isinstance(value, Outside) else None
            if fact is not None and isinstance(fact.runs, int):
                handed = self._names.evaluate(call.argument(fact.runs), frame)
                yield from ((inner, fact.runs + 1) for inner in handed)
            else:
                yield value, 0

    def _frame_of(
        self, value: Value, call: t.Call, frame: Frame, function: t.Function, skip: int
    ) -> Frame | None:
        positional, keywords = calling.arguments(self._names, call, frame, skip)
        if isinstance(value, Instance):
            value = members.bound(self._names, value, "__call__") or value
        if isinstance(value, Func) and value.function is not function:
            inner = [v for _, values in (value.closure.bindings if value.closure else ()) for v in values]
            value = next((v for v in inner if isinstance(v, Func) and v.function is function), value)
        if isinstance(value, Func) and value.function is function:
            return calling.bind(self._names, value, positional, keywords, births=True)
        if isinstance(value, Cls):
            made = calling.construct(self._names, value, positional, keywords, None)
            return (
                made.init
                if isinstance(made, Instance) and made.init and made.init.function is function
                else None
            )
        return None


def _takes_tasks(function: t.Function) -> bool:
    return any("task" in p.name.lower() or "background" in p.name.lower() for p in function.parameters)


def _targets(values: Values) -> Values:
    return unique([v for v in values if not isinstance(v, Missing)] or list(values))


def _may_register(call: t.Call) -> bool:
    name = t.last_name(call.func)
    if name in ("add_task", "append") or name in SPAWNERS:
        return True
    return (name[:1].isupper() and name != "BackgroundTasks") or name in ("BackgroundTask",)


def _sounds_like_tasks(expr: t.Expr) -> bool:
    """A name that says background tasks: all that is left where neither annotation nor caller tells."""
    name = t.last_name(expr).lower().lstrip("_")
    return "background" in name or name in ("bg_tasks", "bgtasks", "bg")


_COLLECTORS = {"gather", "wait", "wait_for", "as_completed", "shield", "run_until_complete"}


def awaited_there(call: t.Call, function: t.Function) -> bool:
    """True where the function itself waits for the asyncio task that `call` starts."""
    holders = _holders(call, function)
    for node in t.nodes_of(function, t.Await, t.Call, t.Return, t.Yield):
        if isinstance(node, t.Await) and (node.value is call or _mentions(node.value, holders, call)):
            return True
        if isinstance(node, t.Call) and _collects(node, holders, call):
            return True
        if (
            isinstance(node, (t.Return, t.Yield))
            and node.value is not None
            and _mentions(node.value, holders, call)
        ):
            return isinstance(node, t.Return)
    return awaited_in_helper(call, function)


def awaited_in_helper(call: t.Call, function: t.Function) -> bool:
    """`async def close(): await writer` beside `writer = create_task(...)`."""
    helpers = (node.function for node in t.nodes_of(function, t.Define))
    waits = [node for helper in helpers for node in t.nodes_of(helper, t.Await)]
    holders = _holders(call, function) if waits else set()
    return any(_mentions(node.value, holders, call) for node in waits)


def _collects(node: t.Call, holders: set[str], call: t.Call) -> bool:
    return t.last_name(node.func) in _COLLECTORS and any(
        _mentions(a.value, holders, call) for a in node.arguments
    )


def _holders(call: t.Call, function: t.Function) -> set[str]:
    """The names and attributes that hold the started task: assigned, or a list that it is appended to or displayed in."""
    found: set[str] = set()
    for node in t.walk_function(function):
        if (
            isinstance(node, t.Assign)
            and node.value is not None
            and any(part is call for part in t.walk(node.value))
        ):
            found.update(filter(None, map(_holder, node.targets)))
        elif isinstance(node, t.Call) and t.last_name(node.func) in ("append", "add"):
            inside = any(
                part is call or _holder(part) in found for a in node.arguments for part in t.walk(a.value)
            )
            if inside and isinstance(node.func, t.Attribute) and (holder := _holder(node.func.value)):
                found.add(holder)
    return found


def _holder(expr: t.Node) -> str:
    """`task`, `self.tasks`; "" for anything else."""
    if isinstance(expr, t.Attribute) and isinstance(expr.value, t.Name):
        return f"{expr.value.id}.{expr.name}"
    return expr.id if isinstance(expr, t.Name) else ""


def _mentions(expr: t.Expr, holders: set[str], call: t.Call) -> bool:
    if isinstance(expr, t.Call) and t.last_name(expr.func) not in _COLLECTORS:
        return False
    return any(part is call or _holder(part) in holders for part in t.walk(expr))
