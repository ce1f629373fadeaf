"""What an `except` does with the exception: raises it on, tells somebody, keeps it, or drops it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import IntEnum

from bglint import tree as t
from bglint.project import Project
from bglint.questions.unread import is_unread
from bglint.values import Frame, Func, Instance, Outside

LOGS = {
    "debug",
    "info",
    "warning",
    "warn",
    "error",
    "critical",
    "fatal",
    "log",
    "success",
    "notice",
    "trace",
    "msg",
}
FAILED = re.compile(r"(?i)fail|error|abort|cancel|reject|dead|crash|incomplete|exception")
_REPORTERS = re.compile(
    r"(?i)capture|report|record|notify|alert|fail|error|exception|rollbar|sentry|bugsnag|abort"
)
_ENVIRONMENT = re.compile(r"(?i)getenv|environ|settings|config|debug|verbose|app_env")
_LOGGER = re.compile(r"(?i)log|structlog|logfire")
_PRINTERS = re.compile(r"(?i)^(print|pprint|echo|secho|cprint|rprint)$")


class Told(IntEnum):
    """How much of an exception is left when its handler is through."""

    NOTHING = 0
    MESSAGE = 1
    ALL = 2


def raises(handler: t.Handler) -> list[t.Raise]:
    """The `raise` statements of a handler."""
    return [node for node in t.walk(*handler.body) if isinstance(node, t.Raise)]


def told(project: Project, handler: t.Handler, frame: Frame) -> Told:
    """What a handler leaves of its exception, apart from what it raises: all of it, its message, or nothing."""
    raised = set(t.walk(*raises(handler)))
    nodes = [node for node in _unconditional(handler.body) if node not in raised]
    name = handler.name
    if any(_keeps(project, node, name, frame) for node in nodes):
        return Told.ALL
    calls = [node for node in nodes if isinstance(node, t.Call)]
    logged = [call for call in calls if is_log(project, call, frame)]
    if any(_with_traceback(call) or _helper_with_traceback(project, call, frame) for call in logged):
        return Told.ALL
    return Told.MESSAGE if any(mentions(call, name) for call in logged) else Told.NOTHING


def _unconditional(block: t.Block) -> Iterator[t.Node]:
    """The nodes of a handler, without what only some environments do: `if settings.debug:`, `if os.getenv("X"):`."""
    for statement in block:
        if isinstance(statement, t.Branch) and not statement.orelse and _asks_environment(statement.test):
            yield from t.walk(statement.test)
        else:
            yield from t.walk(statement)


def _asks_environment(test: t.Expr) -> bool:
    words = [
        part.id if isinstance(part, t.Name) else part.name
        for part in t.walk(test)
        if isinstance(part, t.Name | t.Attribute)
    ]
    return any(_ENVIRONMENT.search(word) for word in words)


def is_log(project: Project, call: t.Call, frame: Frame) -> bool:
    """A call of a logger: known by its type, else by its name."""
    if any(
        _effect(project, v) == "log" for v in project.evaluate(call.func, frame) if isinstance(v, Outside)
    ):
        return True
    func = call.func
    if isinstance(func, t.Attribute) and func.name in LOGS | {"exception"}:
        return bool(_LOGGER.search(_text(func.value)))
    return bool(re.match(r"(?i)_*log(_|$)", t.last_name(func)))


def is_print(call: t.Call) -> bool:
    return bool(_PRINTERS.match(t.last_name(call.func)))


def mentions(node: t.Node, name: str | None) -> bool:
    """True where the name that holds the exception is used."""
    return name is not None and any(isinstance(part, t.Name) and part.id == name for part in t.walk(node))


def _effect(project: Project, value: Outside) -> str:
    fact = project.knowledge.fact(value.name)
    return fact.effect if fact is not None else ""


def is_report(call: t.Call) -> bool:
    """A call that only tells somebody: `traceback.print_exc()`, `sentry_sdk.capture_exception(error)`."""
    name = t.last_name(call.func)
    return name in _WITH_TRACEBACK or (bool(_REPORTERS.search(name)) and name not in LOGS)


_WITH_TRACEBACK = ("exception", "print_exc", "print_exception", "capture_exception", "record_exception")


def _with_traceback(call: t.Call) -> bool:
    if t.last_name(call.func) in _WITH_TRACEBACK:
        return True
    given = call.keyword("exc_info")
    if given is not None and not (isinstance(given, t.Constant) and not given.value):
        return True
    parts = (part for argument in call.arguments for part in t.walk(argument))
    return any(
        isinstance(p, t.Attribute | t.Name) and t.last_name(p) in ("format_exc", "format_exception")
        for p in parts
    )


def _helper_with_traceback(project: Project, call: t.Call, frame: Frame) -> bool:
    """True for a function of the project that comes to `logger.exception(...)`, like `log_exception`."""
    helpers = (v.function for v in project.evaluate(call.func, frame) if isinstance(v, Func))
    return any(
        t.last_name(inner.func) in _WITH_TRACEBACK or _is_true(inner.keyword("exc_info"))
        for helper in helpers
        for inner in t.nodes_of(helper, t.Call)
    )


def _is_true(expr: t.Expr | None) -> bool:
    return isinstance(expr, t.Constant) and expr.value is True


def _keeps(project: Project, node: t.Node, name: str | None, frame: Frame) -> bool:
    """True for a step that stores the failure, or hands the exception to something that is no log or print."""
    if isinstance(node, t.Assign):
        kept = node.value is not None and (mentions(node.value, name) or _is_failed_state(node))
        return kept and not (frame.function is not None and is_unread(project, node, frame.function))
    if isinstance(node, t.Yield):
        return node.value is not None and mentions(node.value, name)
    if not isinstance(node, t.Call) or is_log(project, node, frame) or is_print(node):
        return False
    return _tells(node, name) and not does_nothing(project, node, frame)


def _tells(call: t.Call, name: str | None) -> bool:
    if _REPORTERS.search(t.last_name(call.func)) and t.last_name(call.func) not in LOGS:
        return True
    if t.last_name(call.func) in (
        "str",
        "repr",
        "type",
        "format",
        "isinstance",
        "hasattr",
        "getattr",
        "join",
    ):
        return False
    return any(mentions(a.value, name) or _says_failed(a.value) for a in call.arguments)


def does_nothing(project: Project, call: t.Call, frame: Frame) -> bool:
    """True for a call of a function of the project that is empty, and that nothing else can stand in for."""
    values = project.evaluate(call.func, frame)
    return bool(values) and all(isinstance(v, Func) and _is_empty(v) for v in values)


def _is_empty(called: Func) -> bool:
    written = not called.function.owner or (isinstance(called.bound, Instance) and called.bound.exact)
    steps = (s.value for s in called.function.body if isinstance(s, t.Evaluate | t.Return))
    constant = [value is None or isinstance(value, t.Constant) for value in steps]
    return written and not called.decorators and len(constant) == len(called.function.body) and all(constant)


def _is_failed_state(node: t.Assign) -> bool:
    """`job.status = "failed"`, `state = State.FAILED`, `self.error = ...`, `failed = True`."""
    if node.value is not None and _says_failed(node.value):
        return True
    told_by_name = any(FAILED.search(t.last_name(target)) for target in node.targets)
    return told_by_name and not (isinstance(node.value, t.Constant) and node.value.value is None)


def _says_failed(expr: t.Expr) -> bool:
    return any(FAILED.search(word) for word in _words(expr))


def _words(expr: t.Expr) -> Iterator[str]:
    for part in t.walk(expr):
        if isinstance(part, t.Constant) and isinstance(part.value, str):
            yield part.value
        elif isinstance(part, t.Attribute):
            yield part.name


def _text(expr: t.Expr) -> str:
    """The names in what a method is called on: `self.logger`, `get_logger()`, `log.bind(a=1)`."""
    parts = (part for part in t.walk(expr) if isinstance(part, t.Name | t.Attribute))
    return " ".join(t.last_name(part) for part in parts)
