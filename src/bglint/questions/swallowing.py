"""Broad handlers in what tasks run, and how much of an exception they leave."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from bglint import members
from bglint import tree as t
from bglint.frozen import by_identity
from bglint.memo import memo
from bglint.project import Project
from bglint.questions.claimed import is_claimed
from bglint.questions.except_clauses import Told, does_nothing, is_log, is_print, is_report, raises, told
from bglint.questions.loops import is_range
from bglint.questions.parents import following, parent
from bglint.questions.paths import Call, Walker
from bglint.questions.probing import is_probe, is_remote
from bglint.questions.unread import is_unread
from bglint.reach import Visit
from bglint.steps import Edge, Outer
from bglint.values import Frame, Instance, Items, Outside, Value, known

_BROAD = {"builtins.Exception", "builtins.BaseException"}
_TIDYING = re.compile(
    r"(?i)^_*(a?close|unlink|remove|rmtree|rmdir|cancel|disconnect|quit|shutdown|terminate|kill|rollback|logout|release"
    r"|cleanup|clean_up|stop|wait|join|dispose|result|exception|flush|dirname|exists|is_file|path|str|delete_file|cleanup_\w+|is_set)$"
)
NEAR = 3
_BEST_EFFORT = re.compile(r"(?i)cache|best_effort|telemetry|^_?try_|if_available|optional")
_UNDOES = re.compile(
    r"\.(rollback|unlink|rmtree|exists|is_file)$|^(aiofiles\.)?os\.(remove|rmdir)$|^pathlib\.Path$|sqlalchemy.*\.a?close$"
)
_DATABASE = re.compile(r"(?i)(^|_)(db|session|cursor)$")
_IDLE = re.compile(
    r"(?i)^(sleep|str|repr|format|type|len|flush|format_exc|get_?logger|monotonic|time|now|getenv)$"
)


@by_identity
class Swallow:
    """A handler (or a `with suppress`) that ends an exception; `left` is what remains of it."""

    visit: Visit
    node: t.Node
    left: Told
    written: str
    others: int = 0

    @property
    def length(self) -> int:
        return self.visit.depth + len(self.visit.site.context.hops)


def swallows(project: Project) -> Iterator[Swallow]:
    """One entry a handler, by the shortest way from a task."""
    found: dict[t.Node, list[Swallow]] = {}
    for site in project.sites:
        for visit in project.visits(site):
            for swallow in _in_function(project, visit):
                found.setdefault(swallow.node, []).append(swallow)
    for group in found.values():
        first = min(group, key=lambda swallow: swallow.length)
        yield replace(first, others=len({s.visit.site.call for s in group}) - 1)


def _in_function(project: Project, visit: Visit) -> Iterator[Swallow]:
    for node in project.nodes_of(visit.frame, t.Guard, t.With):
        if isinstance(node, t.Guard) and _matters(project, node, visit):
            yield from _of_guard(project, visit, node)
        elif isinstance(node, t.With) and _matters(project, node, visit):
            yield from _of_with(project, visit, node)


def _matters(project: Project, node: t.Node, visit: Visit) -> bool:
    """Near the task every handler counts; far below it only one around the work of its function, not a step on the side."""
    function = visit.frame.function
    if function is None or _is_aftermath(project, node, function):
        return False
    if isinstance(node, t.Guard) and is_probe(project, node, visit.frame):
        return False
    if visit.depth < NEAR:
        return True
    inner = any(isinstance(around, t.Branch | t.Match) for around, _ in project.chain(node, function))
    return not inner and not _BEST_EFFORT.search(function.name)


def _is_aftermath(project: Project, node: t.Node, function: t.Function | None) -> bool:
    """True inside an `except` or a `finally`: there the first failure counts."""
    chain = project.chain(node, function) if function is not None else ()
    return any(
        isinstance(around, t.Guard) and part.startswith(("handler", "final")) for around, part in chain
    )


# ------------------------------------------------------------------------ try


def _of_guard(project: Project, visit: Visit, guard: t.Guard) -> Iterator[Swallow]:
    for handler in guard.handlers:
        if is_broad(project, handler.types, visit.frame) and _is_work(project, visit, guard.body):
            left = _left(project, visit, guard, handler)
            if left is not Told.ALL:
                yield Swallow(visit, handler, left, _written(project, handler, visit.frame))
            return


def is_broad(project: Project, types: tuple[t.Expr, ...], frame: Frame) -> bool:
    """True for a bare `except`, `except Exception` and `except BaseException`, alone or among others."""
    values = [value for expr in types for value in project.evaluate(expr, frame)]
    return not types or any(_is_broad(value) for value in values)


def _is_broad(value: Value) -> bool:
    if isinstance(value, Items):
        return any(_is_broad(element) for element in value.elements())
    return isinstance(value, Outside) and value.name in _BROAD


def _written(project: Project, handler: t.Handler, frame: Frame) -> str:
    if not handler.types:
        return "except:"
    types = ", ".join(project.text(expr, frame) for expr in handler.types)
    return f"except {types}" if len(handler.types) == 1 else f"except ({types})"


def _left(project: Project, visit: Visit, guard: t.Guard, handler: t.Handler) -> Told:
    if raises(handler) or _goes_on(project, visit, guard, handler):
        return Told.ALL
    return told(project, handler, visit.frame)


def _goes_on(project: Project, visit: Visit, guard: t.Guard, handler: t.Handler) -> bool:
    """True where the function itself deals with the failure: it answers its caller, takes another value, tries again."""
    function = visit.frame.function
    assert function is not None
    if _is_read_later(guard, function):
        return True
    behind = _behind(project, guard, function)
    if behind is not None and _gives_value(guard.body[-1]):
        return True  # what follows is the second way to the value
    if any(_gives_value(node) for node in (*t.walk(*handler.body), behind)) and _is_asked(visit):
        return True
    if any(_recovers(project, node, visit.frame, guard) for node in t.walk(*handler.body)):
        return True
    if isinstance(behind, t.Raise) or _tries_again(project, visit, guard, handler):
        return True
    can_fail = bool(handler.body) and isinstance(function.body[-1], t.Raise)
    return can_fail and _fails_behind(project, handler.body[0], visit.frame)


def _behind(project: Project, guard: t.Guard, function: t.Function) -> t.Statement | None:
    """What comes after a `try`, or after the `if` or `with` that it ends."""
    steps: list[t.Statement] = [guard]
    for around, _ in reversed(project.chain(guard, function)):
        if not isinstance(around, t.Branch | t.With):
            break
        steps.append(around)
    return next((behind for step in steps if (behind := following(step, function)) is not None), None)


def _fails_behind(project: Project, place: t.Statement, frame: Frame) -> bool:
    """True where every way from a place ends in a `raise` of the function."""
    walker = Walker(project, frame, {id(place): Call()})
    ends = {way.end for way in walker.ways() if id(place) in way.passed}
    return ends == {"raise"}


def _is_read_later(guard: t.Guard, function: t.Function) -> bool:
    """True where the `try` waits for a future whose result the function asks for behind it: that raises again."""
    waited = {
        part.id
        for node in t.walk(*guard.body)
        if isinstance(node, t.Await)
        for part in t.walk(node.value)
        if isinstance(part, t.Name)
    }
    asked = (
        node.func
        for node in t.nodes_of(function, t.Call)
        if node.at > guard.at and isinstance(node.func, t.Attribute)
    )
    return any(
        func.name == "result" and isinstance(func.value, t.Name) and func.value.id in waited for func in asked
    )


def _gives_value(node: t.Node | None) -> bool:
    return isinstance(node, t.Return) and node.value is not None


def _is_asked(visit: Visit) -> bool:
    """True where the caller does something with what the function returns."""
    if visit.before is None or visit.node is None or visit.before.frame.function is None:
        return False
    holder: t.Node | None = parent(visit.node, visit.before.frame.function)
    if isinstance(holder, t.Await):
        holder = parent(holder, visit.before.frame.function)
    return not isinstance(holder, t.Evaluate)


def _recovers(project: Project, node: t.Node, frame: Frame, guard: t.Guard) -> bool:
    """A fallback: another value is assigned for somebody to read, or another call does the work."""
    if isinstance(node, t.Assign):
        assert frame.function is not None
        return not is_unread(project, node, frame.function) and not is_claimed(node, guard, frame.function)
    if not isinstance(node, t.Call) or is_log(project, node, frame) or is_print(node) or is_report(node):
        return False
    if _IDLE.match(t.last_name(node.func)) or _tidies(project, node, frame):
        return False
    return not does_nothing(project, node, frame)


def _tidies(project: Project, call: t.Call, frame: Frame) -> bool:
    """True for what is left to do after any failure: undo the transaction, close the session, remove the file."""
    values = known(project.evaluate(call.func, frame))
    if values:
        return all(isinstance(v, Outside) and bool(_UNDOES.search(v.name)) for v in values)
    name, receiver = t.last_name(call.func), call.func.value if isinstance(call.func, t.Attribute) else None
    if name in ("close", "aclose"):
        return bool(_DATABASE.search(t.last_name(receiver)))
    return name in ("rollback", "unlink", "rmtree", "exists", "is_file")


def _tries_again(project: Project, visit: Visit, guard: t.Guard, handler: t.Handler) -> bool:
    """An attempt in a loop that is left when it succeeds; not where nobody hears of the last one."""
    function = visit.frame.function
    assert function is not None
    loops = _loops_around(project, guard, function)
    left = [node for node in t.walk(*guard.body, *guard.orelse) if isinstance(node, t.Return | t.Break)]
    if not loops or not left:
        return False
    given = any(map(_gives_value, left)) and _is_asked(visit)
    return given or _is_told_of_the_last(project, visit.frame, loops[-1], handler)


def _loops_around(project: Project, guard: t.Guard, function: t.Function) -> list[t.For | t.While]:
    chain = project.chain(guard, function)
    return [loop for loop, part in chain if isinstance(loop, t.For | t.While) and part == "body"]


def _is_told_of_the_last(project: Project, frame: Frame, loop: t.For | t.While, handler: t.Handler) -> bool:
    """True where the loop goes on for ever, the handler tells of each failure, or anything happens behind the loop."""
    if not isinstance(loop, t.For) or not is_range(project, loop.iterable, frame):
        return True
    calls = (node for node in t.walk(*handler.body) if isinstance(node, t.Call))
    if told(project, handler, frame) is not Told.NOTHING or any(is_log(project, c, frame) for c in calls):
        return True
    return any(not isinstance(node, _SAYS_NOTHING) for node in _after(project, loop, frame))


_SAYS_NOTHING = (t.Return, t.Continue)


def _after(project: Project, loop: t.For, frame: Frame) -> Iterator[t.Statement]:
    """The statements that run when a loop has come to its end, and what stands behind those around it."""
    assert frame.function is not None
    yield from loop.orelse
    for holder in (loop, *(around for around, _ in project.chain(loop, frame.function))):
        behind = following(holder, frame.function) if isinstance(holder, t.Statement) else None
        while behind is not None:
            yield behind
            behind = following(behind, frame.function)
        if isinstance(holder, t.Guard):
            yield from holder.final


def _is_work(project: Project, visit: Visit, body: t.Block) -> bool:
    """True where the block does something that may fail for a reason worth knowing: not tidying, not reading a value."""
    if _only_tidies(body) or _waits_for_cancelled(body, visit.frame.function):
        return False
    parts = list(t.walk(*body))
    managed = _managed(visit) if any(isinstance(node, t.Yield) for node in parts) else None
    if managed is not None and visit.before is not None:
        return _is_work(project, visit.before, managed.body)
    calls, remote = _work(project, visit.frame)
    if not remote.isdisjoint(parts) or (visit.depth < NEAR and not calls.isdisjoint(parts)):
        return True
    waits = (node for node in parts if isinstance(node, t.Await) and not _is_safe(project, node, visit.frame))
    return (
        any(waits)
        or any(isinstance(node, t.Raise) for node in parts)
        or (visit.before is None and bool(_calls(parts)))
    )


def _is_safe(project: Project, node: t.Await, frame: Frame) -> bool:
    """True for `await queue.put(item)` and the like, which do not fail."""
    func = node.value.func if isinstance(node.value, t.Call) else None
    values = project.evaluate(func, frame) if func is not None else ()
    return any(isinstance(v, Outside) and v.name in _SAFE for v in values)


_SAFE = ("asyncio.Queue.put", "asyncio.sleep", "asyncio.Event.wait", "anyio.sleep")


@memo
def _work(project: Project, frame: Frame) -> tuple[frozenset[t.Node], frozenset[t.Node]]:
    """The first-party calls of a function, and the calls that leave the process."""
    edges, outers = project.steps(frame)
    calls = (e.node for e in edges if isinstance(e, Edge) and isinstance(e.node, t.Call))
    remote = (o.node for o in outers if isinstance(o, Outer) and is_remote(o))
    return frozenset(calls), frozenset(remote)


def _calls(parts: list[t.Node]) -> list[t.Call]:
    return [node for node in parts if isinstance(node, t.Call)]


def _only_tidies(body: t.Block) -> bool:
    """True where the `try` only closes, removes or stops something, or only imports: nobody misses it."""
    parts = list(t.walk(*body))
    if any(isinstance(node, t.Import) for node in parts):
        return True
    calls = _calls(parts)
    return bool(calls) and all(_TIDYING.match(t.last_name(call.func)) for call in calls)


def _waits_for_cancelled(body: t.Block, function: t.Function | None) -> bool:
    """True for `await task` in a function that cancels it: what it ends with is of no interest."""
    waits = [node.value for node in body if isinstance(node, t.Evaluate) and isinstance(node.value, t.Await)]
    awaited = {wait.value.id for wait in waits if isinstance(wait.value, t.Name)}
    cancels = (call.func for call in _calls(list(t.walk_function(function)))) if function is not None else ()
    cancelled = {
        func.value.id
        for func in cancels
        if isinstance(func, t.Attribute) and func.name == "cancel" and isinstance(func.value, t.Name)
    }
    return bool(awaited) and len(body) == len(awaited) and awaited <= cancelled


# ----------------------------------------------------------------------- with


def _of_with(project: Project, visit: Visit, node: t.With) -> Iterator[Swallow]:
    for item in node.items:
        call = item.value
        if isinstance(call, t.Call) and _drops_all(project, visit, call, node.body):
            yield Swallow(visit, call, Told.NOTHING, project.text(call, visit.frame))


def _managed(visit: Visit) -> t.With | None:
    """The `with` of the caller, whose body runs where a `@contextmanager` yields."""
    caller = visit.before.frame.function if visit.before is not None else None
    blocks = t.nodes_of(caller, t.With) if caller is not None else ()
    return next((node for node in blocks if any(item.value is visit.node for item in node.items)), None)


def _drops_all(project: Project, visit: Visit, call: t.Call, body: t.Block) -> bool:
    """True for `suppress(Exception)`, and for a class that does the same, around something that counts."""
    if not _is_suppress(project, call, visit.frame) and not _ends_all(project, call, visit.frame):
        return False
    return _is_work(project, visit, body)


def _is_suppress(project: Project, call: t.Call, frame: Frame) -> bool:
    """True for `suppress(Exception)`."""
    called = project.evaluate(call.func, frame)
    if not any(isinstance(v, Outside) and v.name == "contextlib.suppress" for v in called):
        return False
    return bool(call.arguments) and is_broad(project, tuple(a.value for a in call.arguments), frame)


def _ends_all(project: Project, call: t.Call, frame: Frame) -> bool:
    """True for an object of the project whose `__exit__` does nothing but say that every exception is dealt with."""
    values = project.evaluate(call, frame)
    return bool(values) and all(isinstance(v, Instance) and _is_blind(project, v) for v in values)


def _is_blind(project: Project, value: Instance) -> bool:
    found = (members.method(project.names, value.klass, name) for name in ("__exit__", "__aexit__"))
    return any(each is not None and _returns_true_only(each[1]) for each in found)


def _returns_true_only(method: t.Function) -> bool:
    steps = [node.value for node in method.body if isinstance(node, t.Return | t.Evaluate)]
    plain = len(steps) == len(method.body) and all(isinstance(value, t.Constant) for value in steps)
    last = steps[-1] if plain and steps else None
    return isinstance(last, t.Constant) and last.value is True and isinstance(method.body[-1], t.Return)
