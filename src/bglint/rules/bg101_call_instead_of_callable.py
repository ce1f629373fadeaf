"""BG101: a task that is called where it should be handed over."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import edits
from bglint import tree as t
from bglint.members import is_abstract
from bglint.model import Finding, Fix, Level
from bglint.project import Project, dotted, name_of
from bglint.questions.callable import can_be_called, is_background, is_context_manager, is_started
from bglint.questions.handed_background import HandedBackground, handed_backgrounds
from bglint.questions.responses import Background, backgrounds
from bglint.questions.results import (
    is_awaited_by_runner,
    is_outside_coroutine,
    makes_awaitable,
    makes_object,
    may_give_function,
    starts_work,
)  # fmt: skip
from bglint.questions.told import told
from bglint.questions.written import Written, handed
from bglint.rule import rule
from bglint.sites import TaskSite
from bglint.values import Const, Coroutine, Frame, Func, Generator, Outside, Partial, Unknown, Value, Values


@rule("BG101", level="error", fixable="safe, unsafe")
def call_instead_of_callable(project: Project) -> Iterator[Finding]:
    """A task is called where it should be handed over: its work is done too early or never.

    ## What it does

    Finds `tasks.add_task(send(email))`, `tasks.add_task(await send(email))`,
    `add_task(create_task(...))`, `BackgroundTask(send(email))`, `tasks.tasks.append(send)`,
    `BackgroundTasks([send])`, and a `background=` that is given the result of a call, a list, a plain function or anything else that is
    not a background task. It is an error where `send` is known to return nothing that can be called, a
    warning where that is not known. A function that returns a callable, `partial(...)`, a
    `BackgroundTask` or an object with `__call__` is fine, and so is `background=tasks.add_task(send)`:
    that is a harmless None.

    ## Why is this bad?

    The brackets call the function on the spot. A `def` function does its work before the response, while
    the client waits. An `async def` function does nothing at all: calling it only makes a coroutine, and
    nobody awaits it. After the response the server then tries to call what it was given, which fails with
    a TypeError in the server's log, and the tasks that were added after it never start. The client has
    its success by then.

    ## Example

    ```python
    import logging

    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    def send_welcome(email: str) -> None:
        logger.info("welcome mail to %s", email)


    @app.post("/signup")
    def signup(email: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(send_welcome(email))
        return {"email": email}
    ```

    ## Use instead

    ```python
    import logging

    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    def send_welcome(email: str) -> None:
        logger.info("welcome mail to %s", email)


    @app.post("/signup")
    def signup(email: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(send_welcome, email)
        return {"email": email}
    ```

    ## Verified by

    The witness sends the request and sees the work done before the response starts, or a TypeError after
    it. The lines are `BackgroundTask.__call__` in starlette/background.py, which calls what it was given
    without ever having looked at it.
    """
    for site in project.sites:
        written = handed(project, site) if site.kind in ("add_task", "BackgroundTask", "append") else None
        level = _level(project, site, written) if written is not None else None
        if written is not None and level is not None:
            yield _handed_over(project, site, written, level)
    direct: set[t.Expr] = set()
    for background in backgrounds(project):
        direct.add(background.value)
        if _is_no_background(project, background):
            yield _as_background(project, background)
    for handed_on in handed_backgrounds(project):
        if handed_on.given.value not in direct and _is_no_background(project, handed_on.given):
            yield _as_handed_background(project, handed_on)
    for function in project.functions(r"BackgroundTasks\("):
        yield from _bare_in_list(project, function)


# ---------------------------------------------------------------- add_task(f(x))


def _level(project: Project, site: TaskSite, written: Written) -> Level | None:
    """How sure it is that the runner cannot call what it is given; None where it may well be."""
    values = project.evaluate(written.expr, written.frame)
    if site.kind == "append":
        return "error" if _is_bare(project, written.expr, written.frame) else None
    if _is_left_open(project, written):
        return None
    if makes_awaitable(project, written.expr, written.frame):
        return "error"
    answers = {can_be_called(project, value) for value in values}
    if answers == {"no"} and (
        _is_written_as_value(written.expr, values) or _is_result_of_call(project, written)
    ):
        return "error"
    if "yes" in answers or not _is_unknown_call(project, site, written):
        return None
    return "warning"


def _is_left_open(project: Project, written: Written) -> bool:
    """A method that only says what its overrides look like, or a function under a decorator that defers its calls."""
    call = _called(written.expr)
    called = project.evaluate(call.func, written.frame) if call is not None else ()
    return any(isinstance(value, Func) and _may_return_anything(value) for value in called)


def _may_return_anything(value: Func) -> bool:
    return any(map(_defers, value.decorators)) or (
        not value.function.is_async and is_abstract(value.function)
    )


def _defers(decorator: str) -> bool:
    return any(word in decorator.lower() for word in ("curry", "delayed", "lazy"))


def _is_written_as_value(expr: t.Expr, values: Values) -> bool:
    """A call, a literal, or a name that holds a coroutine; not a callback that may be None."""
    if isinstance(expr, (t.Call, t.Await, t.Collection, t.Mapping, t.Text)):
        return True
    if isinstance(expr, t.Conditional):
        return all(isinstance(part, (t.Call, t.Await)) for part in (expr.body, expr.orelse))
    if isinstance(expr, t.Constant):
        return expr.value is not None
    return all(isinstance(value, (Coroutine, Generator)) or is_started(value) for value in values)


def _is_result_of_call(project: Project, written: Written) -> bool:
    """`done = f(x)` and then `add_task(done)`, with no other value for the name."""
    function = written.frame.function
    if not isinstance(written.expr, t.Name) or function is None:
        return False
    bound = project.scope(function).bindings.get(written.expr.id, [])
    return len(bound) == 1 and not bound[0].steps and isinstance(bound[0].value, t.Call)


def _is_unknown_call(project: Project, site: TaskSite, written: Written) -> bool:
    """A call of something that cannot be looked into, that is not given a function and asked for no other: no factory."""
    call = written.expr.value if isinstance(written.expr, t.Await) else written.expr
    has_arguments = any(not argument.star for argument in site.arguments)
    if not isinstance(call, t.Call) or has_arguments or may_give_function(project, call, written.frame):
        return False
    given = [value for a in call.arguments for value in project.evaluate(a.value, written.frame)]
    return not any(can_be_called(project, value) == "yes" for value in given)


def _handed_over(project: Project, site: TaskSite, written: Written, level: Level) -> Finding:
    return told(
        project, "BG101", _place(site, written), written.frame,
        _message(project, site, written, level), _cure(project, site, written),
        level=level, site=site, trace=(), fix=_fix(project, site, written, level),
    )  # fmt: skip


def _place(site: TaskSite, written: Written) -> t.Node:
    return site.call if written.frame is site.frame else written.expr


def _message(project: Project, site: TaskSite, written: Written, level: Level) -> str:
    text = _short(project.text(written.expr, written.frame))
    after = "after the response the runner fails on it and drops the tasks behind it"
    if site.kind == "append":
        return f"`{text}` {_in_list(project, written.expr, written.frame)}: {after}"
    if level == "warning":
        return f"`{text}` is called now, before the response, and its result is handed over: if it is no function, {after}"
    return f"`{text}` {_what_happens(project, written)}: {after}"


def _what_happens(project: Project, written: Written) -> str:
    values = project.evaluate(written.expr, written.frame)
    if isinstance(written.expr, t.Await):
        return "does its work now, before the response, and its result is handed over"
    if _is_started(project, written.expr, written.frame):
        return "starts the work now and hands over the running task, which cannot be called"
    if _makes_coroutine(project, written.expr, written.frame):
        return "is a coroutine that nobody awaits, its work is never done"
    if any(isinstance(value, Generator) and is_context_manager(value.func) for value in values):
        return "makes a context manager that nobody enters, its work is never done"
    if any(isinstance(value, Generator) for value in values):
        return "is a generator that nobody iterates, its work is never done"
    if makes_object(project, written.expr, written.frame):
        return "is an object that cannot be called"
    if isinstance(written.expr, t.Call):
        return "is called now, before the response, and its result is handed over"
    return "cannot be called"


def _makes_coroutine(project: Project, expr: t.Expr, frame: Frame) -> bool:
    values = project.evaluate(expr, frame)
    return any(isinstance(v, Coroutine) for v in values) or is_outside_coroutine(project, expr, frame)


def _short(text: str) -> str:
    line = text.split("\n")[0]
    return line if line == text and len(text) <= 60 else f"{line[:57]}..."


def _cure(project: Project, site: TaskSite, written: Written) -> str:
    method = "BackgroundTask" if site.kind == "BackgroundTask" else "add_task"
    call = _called(written.expr)
    if call is not None and _can_be_handed_over(project, call, written.frame):
        how = f"{method}({dotted(call.func)}{', ...' if call.arguments else ''})"
        return f"write `{how}`: the brackets call it now, the comma leaves the call to the runner"
    if call is not None and is_outside_coroutine(project, call, written.frame):
        return f"write an `async def` that awaits `{dotted(call.func)}(...)`, and hand that over: `{method}(function, ...)`"
    return f"write `{method}(function, ...)` with the function that does the work: the runner calls it after the response"


def _can_be_handed_over(project: Project, call: t.Call, frame: Frame) -> bool:
    """False for a class, and for what works only where the event loop runs and would be called in a thread."""
    if makes_object(project, call, frame):
        return False
    if is_outside_coroutine(project, call, frame):
        return is_awaited_by_runner(project, call, frame)
    return not _is_started(project, call, frame)


def _is_started(project: Project, expr: t.Expr, frame: Frame) -> bool:
    return starts_work(project, expr, frame) or any(map(is_started, project.evaluate(expr, frame)))


def _called(expr: t.Expr) -> t.Call | None:
    """The call that was meant for later: `f(x)` of `f(x)`, `await f(x)` and `create_task(f(x))`."""
    if isinstance(expr, t.Await):
        return _called(expr.value)
    if not isinstance(expr, t.Call):
        return None
    if dotted(expr.func).rpartition(".")[2] in ("create_task", "ensure_future") and expr.arguments:
        inner = expr.arguments[0].value
        return inner if isinstance(inner, t.Call) else expr
    return expr


def _fix(project: Project, site: TaskSite, written: Written, level: Level) -> Fix | None:
    """`f(x)` to `f, x`: safe where the call made a coroutine, as nothing that worked is changed."""
    call = _called(written.expr)
    if call is None or level != "error" or written.frame is not site.frame or not _is_alone(site):
        return None
    text = _separated(project, call, written.frame)
    has_comment = "#" in project.text(written.expr, written.frame)
    if text is None or has_comment or not _can_be_handed_over(project, call, written.frame):
        return None
    edit = edits.replace(written.frame.path, project.span(written.expr, written.frame), text)
    safe = written.expr is call and _is_surely_coroutine(project, written)
    return Fix(f"Hand over `{dotted(call.func)}` and its arguments", (edit,), safe=safe)


def _is_surely_coroutine(project: Project, written: Written) -> bool:
    if is_outside_coroutine(project, written.expr, written.frame):
        return True
    return all(isinstance(value, Coroutine) for value in project.evaluate(written.expr, written.frame))


def _is_alone(site: TaskSite) -> bool:
    return site.kind != "append" and len(site.call.arguments) == 1 and site.call.arguments[0].keyword is None


def _separated(project: Project, call: t.Call, frame: Frame) -> str | None:
    """The function and its arguments, side by side; None where they cannot stand so."""
    for argument in call.arguments:
        if argument.keyword in ("func", "self"):
            return None
        if isinstance(argument.value, t.Comprehension) and argument.value.kind == "generator":
            return None
    parts = [call.func, *call.arguments]
    return ", ".join(project.text(part, frame) for part in parts)


# ------------------------------------------------------ BackgroundTasks([function])


def _bare_in_list(project: Project, function: t.Function) -> Iterator[Finding]:
    """Functions without a BackgroundTask around them, in the list that `BackgroundTasks(...)` is given."""
    frame = project.frame(function)
    for node in t.walk_function(function):
        given = node.argument(0, "tasks") if isinstance(node, t.Call) else None
        if not isinstance(given, t.Collection) or not isinstance(node, t.Call):
            continue
        if project.tasks_object(node, frame) is None:
            continue
        for item in given.items:
            if _is_bare(project, item, frame):
                yield _bare(project, item, frame)


def _is_bare(project: Project, item: t.Expr, frame: Frame) -> bool:
    """A function, or what a call leaves that is no task either."""
    values = project.evaluate(item, frame)
    if _is_lost_call(project, item, frame):
        return True
    return bool(values) and all(isinstance(value, (Func, Partial)) for value in values)


def _is_lost_call(project: Project, item: t.Expr, frame: Frame) -> bool:
    """A call whose work is done now or never, and that leaves nothing to be run."""
    if not isinstance(item, (t.Call, t.Await)) or _is_left_open(project, Written(item, frame)):
        return False
    answers = {can_be_called(project, value) for value in project.evaluate(item, frame)}
    return answers == {"no"} or makes_awaitable(project, item, frame)


def _bare(project: Project, item: t.Expr, frame: Frame) -> Finding:
    text = _short(project.text(item, frame))
    message = f"`{text}` {_in_list(project, item, frame)}: running it fails after the response"
    run = _to_be_run(project, item, frame) if _is_lost_call(project, item, frame) else f"{text}, ..."
    return told(project, "BG101", item, frame, message, f"write `BackgroundTask({run})`", trace=())


def _in_list(project: Project, item: t.Expr, frame: Frame) -> str:
    if not _is_lost_call(project, item, frame):
        return "stands in the list without a BackgroundTask around it"
    return _what_happens(project, Written(item, frame))


# ------------------------------------------------------------ background=f(x)


def _is_no_background(project: Project, background: Background) -> bool:
    """True for a value that the response cannot run; also for a call whose work is done too early."""
    expr, frame = background.value, background.frame
    values = project.evaluate(expr, frame)
    if not values or any(is_background(project, value) for value in values):
        return False
    if isinstance(expr, t.Call) and _is_none(values):
        return _is_first_party_call(project, expr, frame)
    if isinstance(expr, t.Call) and any(
        is_background(project, v) for v in project.evaluate(expr.func, frame)
    ):
        return True
    if _is_none(values):
        return False
    if makes_awaitable(project, expr, frame):
        return True
    return all(_fails_as_background(project, value, expr) for value in values)


def _is_none(values: Values) -> bool:
    return all(value == Const(value=None) for value in values)


def _is_first_party_call(project: Project, call: t.Call, frame: Frame) -> bool:
    """`tasks.add_task(f)` gives None too, and is harmless; so is a helper that adds to the tasks itself."""
    called = project.evaluate(call.func, frame)
    return bool(called) and all(isinstance(value, Func) and not _registers(value) for value in called)


def _registers(value: Func) -> bool:
    calls = t.nodes_of(value.function, t.Call)
    return any(isinstance(call.func, t.Attribute) and call.func.name == "add_task" for call in calls)


def _fails_as_background(project: Project, value: Value, expr: t.Expr) -> bool:
    if isinstance(value, Func):
        plain = not project.runs_on_loop(value) and not value.decorators and not value.function.is_generator
        return plain and not _gives_awaitable(project, value)
    if isinstance(value, Const):
        return value.value is not None and isinstance(expr, (t.Constant, t.Text))
    return can_be_called(project, value) == "no"


def _gives_awaitable(project: Project, value: Func) -> bool:
    """`background=lambda: f(x)` of an async `f`: what the call gives is awaited."""
    frame = project.bind(value, (), {})
    given = [node.value for node in t.nodes_of(value.function, t.Return) if node.value is not None]
    return any(
        makes_awaitable(project, expr, frame) or any(map(_may_be_awaited, project.evaluate(expr, frame)))
        for expr in given
    )


def _may_be_awaited(value: Value) -> bool:
    return isinstance(value, (Coroutine, Unknown))


def _as_background(project: Project, background: Background) -> Finding:
    expr, frame = background.value, background.frame
    text = _short(project.text(expr, frame))
    cure = f"write `background=BackgroundTask({_to_be_run(project, expr, frame)})`"
    message = _background_message(project, background, f"background={text}")
    return told(project, "BG101", expr, frame, message, cure, trace=())


def _as_handed_background(project: Project, handed_on: HandedBackground) -> Finding:
    """A value that a helper makes the background of its response."""
    expr, frame, inside = handed_on.given.value, handed_on.given.frame, handed_on.inside
    helper, text = name_of(inside.frame), _short(project.text(expr, frame))
    message = _background_message(project, handed_on.given, text)
    step = project.step(inside.value, inside.frame, f"`{helper}` makes it the background of the response")
    cure = f"hand over `BackgroundTask({_to_be_run(project, expr, frame)})`"
    return told(project, "BG101", expr, frame, message, cure, trace=(step,))


def _to_be_run(project: Project, expr: t.Expr, frame: Frame) -> str:
    """What belongs into the BackgroundTask: the function that was called, or given as it is."""
    call = _called(expr)
    if call is not None and _can_be_handed_over(project, call, frame):
        return f"{dotted(call.func)}{', ...' if call.arguments else ''}"
    return dotted(expr) if isinstance(expr, t.Name) else "function, ..." if call is not None else "function"


def _background_message(project: Project, background: Background, text: str) -> str:
    expr, frame = background.value, background.frame
    values = project.evaluate(expr, frame)
    if _makes_coroutine(project, expr, frame):
        return f"`{text}` is a coroutine that nobody awaits: its work is never done"
    if _is_none(values):
        return f"`{text}` does its work now, before the response, and leaves None for afterwards"
    if any(isinstance(value, Func) for value in values):
        return f"`{text}` is a plain function: it runs on the event loop, then awaiting its result fails"
    if isinstance(expr, t.Call) and all(isinstance(value, Outside) for value in values):
        return f"`{text}` is called now, before the response, and what it gives is no background task"
    return f"`{text}` is not a background task: running it fails after the response"
