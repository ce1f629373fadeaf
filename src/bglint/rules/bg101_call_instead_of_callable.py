"""BG101: a task that is called where it should be handed over."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import edits
from bglint import tree as t
from bglint.members import is_abstract
from bglint.model import Finding, Fix, Level
from bglint.project import Project, dotted
from bglint.rule import rule
from bglint.rules._callable import can_be_called, is_background, is_started
from bglint.rules._responses import Background, backgrounds
from bglint.rules._told import told
from bglint.rules._written import Written, handed
from bglint.sites import TaskSite
from bglint.values import Const, Coroutine, Frame, Func, Generator, Missing, Partial, Unknown, Value, Values

_CALL_LATER = "write `{how}`: the brackets call it now, the comma leaves the call to the runner"


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
    for background in backgrounds(project):
        if _is_no_background(project, background):
            yield _as_background(project, background)
    for function in project.functions(r"BackgroundTasks\("):
        yield from _bare_in_list(project, function)


# ---------------------------------------------------------------- add_task(f(x))


def _level(project: Project, site: TaskSite, written: Written) -> Level | None:
    """How sure it is that the runner cannot call what it is given; None where it may well be."""
    values = project.evaluate(written.expr, written.frame)
    if site.kind == "append":
        return "error" if values and all(isinstance(v, (Func, Partial)) for v in values) else None
    answers = {can_be_called(project, value) for value in values}
    if _calls_abstract(project, written):
        return None
    if answers == {"no"} and (
        _is_written_as_value(written.expr, values) or _is_result_of_call(project, written)
    ):
        return "error"
    if "yes" in answers or not _is_unknown_call(project, written):
        return None
    return "warning"


def _calls_abstract(project: Project, written: Written) -> bool:
    """A method that only says what its overrides look like; what they return is not known."""
    call = _called(written.expr)
    called = project.evaluate(call.func, written.frame) if call is not None else ()
    return any(isinstance(v, Func) and not v.function.is_async and is_abstract(v.function) for v in called)


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


def _is_unknown_call(project: Project, written: Written) -> bool:
    """A call of something that cannot be looked into, with no callable among its arguments: hardly a factory."""
    call = written.expr.value if isinstance(written.expr, t.Await) else written.expr
    if not isinstance(call, t.Call) or _sounds_like_factory(call):
        return False
    called = project.evaluate(call.func, written.frame)
    if not called or not all(isinstance(value, (Unknown, Missing)) for value in called):
        return False
    given = [value for a in call.arguments for value in project.evaluate(a.value, written.frame)]
    return not any(can_be_called(project, value) == "yes" for value in given)


def _sounds_like_factory(call: t.Call) -> bool:
    name = dotted(call.func).rpartition(".")[2].lower()
    return (
        name in ("s", "si", "subtask")
        or any(word in name for word in _FACTORIES)
        or dotted(call.func).endswith(("()", "[...]"))
    )


_FACTORIES = (
    "make", "create", "build", "factory", "wrap", "bind", "partial", "curry", "getattr", "get_", "resolve",
    "callback", "handler", "decorat", "async_to", "sync_to",
)  # fmt: skip


def _handed_over(project: Project, site: TaskSite, written: Written, level: Level) -> Finding:
    message = _message(project, site, written)
    how = _instead(site, written)
    return told(
        project, "BG101", _place(site, written), written.frame, message, _CALL_LATER.format(how=how),
        level=level, site=site, trace=(), fix=_fix(project, site, written, level),
    )  # fmt: skip


def _place(site: TaskSite, written: Written) -> t.Node:
    return site.call if written.frame is site.frame else written.expr


def _message(project: Project, site: TaskSite, written: Written) -> str:
    values = project.evaluate(written.expr, written.frame)
    text = _short(project.text(written.expr, written.frame))
    after = "after the response the runner fails on it and drops the tasks behind it"
    if site.kind == "append":
        return f"`{text}` is put into the list without a BackgroundTask around it: {after}"
    if isinstance(written.expr, t.Await):
        return f"`{text}` does its work now, before the response, and its result is handed over: {after}"
    if any(is_started(value) for value in values):
        return (
            f"`{text}` starts the work now and hands over the running task, which cannot be called: {after}"
        )
    if any(isinstance(value, Coroutine) for value in values):
        return f"`{text}` is a coroutine that nobody awaits, its work is never done: {after}"
    if any(isinstance(value, Generator) for value in values):
        return f"`{text}` is a generator that nobody iterates, its work is never done: {after}"
    if isinstance(written.expr, t.Call):
        return f"`{text}` is called now, before the response, and its result is handed over: {after}"
    return f"`{text}` cannot be called: {after}"


def _short(text: str) -> str:
    line = text.split("\n")[0]
    return line if line == text and len(text) <= 60 else f"{line[:57]}..."


def _instead(site: TaskSite, written: Written) -> str:
    method = {"add_task": "add_task", "append": "add_task"}.get(site.kind, "BackgroundTask")
    call = _called(written.expr)
    if call is None:
        return f"{method}(function, ...)"
    arguments = ", ..." if call.arguments else ""
    return f"{method}({dotted(call.func)}{arguments})"


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
    if text is None or "#" in project.text(written.expr, written.frame):
        return None
    values = project.evaluate(written.expr, written.frame)
    safe = written.expr is call and all(isinstance(value, Coroutine) for value in values)
    edit = edits.replace(written.frame.path, project.span(written.expr, written.frame), text)
    return Fix(f"Hand over `{dotted(call.func)}` and its arguments", (edit,), safe=safe)


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
            values = project.evaluate(item, frame)
            if values and all(isinstance(v, (Func, Partial)) for v in values):
                yield _bare(project, item, frame)


def _bare(project: Project, item: t.Expr, frame: Frame) -> Finding:
    text = _short(project.text(item, frame))
    message = (
        f"`{text}` stands in the list without a BackgroundTask around it: running it fails after the response"
    )
    return told(project, "BG101", item, frame, message, f"write `BackgroundTask({text}, ...)`", trace=())


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
        return not project.runs_on_loop(value) and not value.decorators and not value.function.is_generator
    if isinstance(value, Const):
        return value.value is not None and isinstance(expr, (t.Constant, t.Text))
    return can_be_called(project, value) == "no"


def _as_background(project: Project, background: Background) -> Finding:
    expr, frame = background.value, background.frame
    text = _short(project.text(expr, frame))
    values = project.evaluate(expr, frame)
    call = _called(expr)
    name = dotted(call.func) if call is not None else dotted(expr) if isinstance(expr, t.Name) else "function"
    cure = f"write `background=BackgroundTask({name}{', ...' if call and call.arguments else ''})`"
    return told(project, "BG101", expr, frame, _background_message(text, values), cure, trace=())


def _background_message(text: str, values: Values) -> str:
    if any(isinstance(value, Coroutine) for value in values):
        return f"`background={text}` is a coroutine that nobody awaits: its work is never done"
    if _is_none(values):
        return f"`background={text}` does its work now, before the response, and leaves None for afterwards"
    if any(isinstance(value, Func) for value in values):
        return f"`background={text}` is a plain function: it runs on the event loop, then awaiting its result fails"
    return f"`background={text}` is not a background task: running it fails after the response"
