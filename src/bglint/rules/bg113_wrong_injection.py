"""BG113: a tasks parameter that FastAPI does not inject."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import edits, members
from bglint import tree as t
from bglint.model import Edit, Finding, Fix, Span
from bglint.project import Project
from bglint.questions.injection import Meaning, called_by_fastapi, is_fastapi_marker, meaning, outer
from bglint.questions.provided import is_lost
from bglint.questions.signature import resolved
from bglint.questions.told import told
from bglint.rule import rule
from bglint.sites import TASKS
from bglint.values import Class, Const, Frame, Outside, Value

_WRITE = "write `{name}: BackgroundTasks`, nothing else"


@rule("BG113", level="error", fixable="safe")
def wrong_injection(project: Project) -> Iterator[Finding]:
    """FastAPI does not inject this parameter: the route fails, or its tasks never run.

    ## What it does

    Finds parameters of routes and dependencies that are meant to be the BackgroundTasks but that FastAPI
    does not recognise: without an annotation, with an annotation that exists for type checkers only,
    `Optional[...]`, `| None`, `list[...]`, `BackgroundTask`, with `Depends()` or `Query()`, from a
    provider that makes its own object; two of them in one function; and a subclass whose own methods are
    used. `= None` or `= BackgroundTasks()` next to the plain annotation is fine, and in helpers that
    FastAPI does not call everything is.

    ## Why is this bad?

    FastAPI goes by the annotation, and it must be the class itself. `tasks=None` or
    `tasks=BackgroundTasks()` without one becomes a query parameter: the route answers 200 and its tasks
    never run. Others are refused: a bare `tasks` or an annotation behind `TYPE_CHECKING` gives 422 for
    every request, `Optional[BackgroundTasks]` stops the app at start-up, two parameters give 500. A
    subclass is replaced by the plain class, without its methods.

    ## Example

    ```python
    import logging

    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    def send_welcome(email: str) -> None:
        logger.info("welcome mail to %s", email)


    @app.post("/signup")
    def signup(email: str, tasks=BackgroundTasks()) -> dict[str, str]:
        tasks.add_task(send_welcome, email)
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

    The witness builds the app and sends the request: it is refused, or the task has not run. The rules
    are `analyze_param` and `add_non_field_param_to_dependency` in fastapi/dependencies/utils.py.
    """
    for function in _candidates(project):
        if called_by_fastapi(project, function) is not None:
            yield from _in_function(project, function)


def _candidates(project: Project) -> Iterator[t.Function]:
    """The functions that speak of tasks, and those from which tasks are added further down."""
    seen: set[t.Function] = set()
    further = (site.role.function for site in project.sites if site.role is not None)
    for function in (*project.functions(r"BackgroundTask|add_task"), *further, *_aliased(project)):
        if function not in seen:
            seen.add(function)
            yield function


def _aliased(project: Project) -> Iterator[t.Function]:
    """Functions whose parameters are annotated with a name that stands for the class: `Tasks = Annotated[...]`."""
    for module in project.modules(r"BackgroundTasks"):
        for entry in module.outline.entries:
            text = module.text(entry.start, entry.end)
            if entry.kind == "assign" and entry.names and "BackgroundTasks" in text:
                yield from project.functions(rf":\s*{entry.name}\b")


def _in_function(project: Project, function: t.Function) -> Iterator[Finding]:
    frame = outer(project, function)
    plain: list[t.Parameter] = []
    for parameter in function.parameters:
        means = meaning(project, parameter.annotation, frame)
        reason = _reason(project, function, parameter, means, frame)
        if reason is not None:
            yield _finding(project, function, parameter, reason, means)
        elif means.kind in ("tasks", "subclass") and _marker(project, parameter, means, frame) is None:
            plain.append(parameter)
    if len(plain) > 1:
        reason = (
            "FastAPI injects one `BackgroundTasks` into a function: with two, every request ends in a 500"
        )
        yield _report(project, function, plain[1], reason, f"use `{plain[0].name}` for all tasks", None)


def _reason(
    project: Project, function: t.Function, parameter: t.Parameter, means: Meaning, frame: Frame
) -> str | None:
    """Why FastAPI does not inject the parameter, and what comes of it; None where it does, or where it is no task."""
    if _marker(project, parameter, means, frame) is not None:
        return _marked(project, function, parameter, means, frame)
    if parameter.annotation is None or means.kind == "anything":
        return _unannotated(project, function, parameter, frame)
    if means.kind == "subclass" and means.klass is not None:
        return _subclass(project, function, parameter, means.klass)
    return _REFUSED_KINDS.get(means.kind)


_REFUSED_KINDS = {
    "optional": "FastAPI takes only the class itself as annotation: with `None` beside it the app does not start",
    "collection": "FastAPI takes only the class itself as annotation: the app does not start",
    "task": "FastAPI injects `BackgroundTasks`, not a single `BackgroundTask`: the app does not start",
    "typing only": "`BackgroundTasks` is imported for type checkers only: every request is refused with 422",
}


def _unannotated(project: Project, function: t.Function, parameter: t.Parameter, frame: Frame) -> str | None:
    values = project.evaluate(parameter.default, frame) if parameter.default is not None else ()
    if any(isinstance(v, Outside) and v.name in TASKS and not v.instance for v in values):
        return "without an annotation the class itself is the value: every request ends in a 500"
    if any(project.is_a(v, *TASKS) for v in values):
        return _BECOMES_QUERY
    if not all(v == Const(value=None) for v in values) or not _is_used_as_tasks(project, function, parameter):
        return None
    return _BECOMES_QUERY if parameter.default is not None else _REFUSED


_BECOMES_QUERY = (
    "without an annotation it is a query parameter to FastAPI: the request is answered, its tasks never run"
)
_REFUSED = "without an annotation it is a query parameter to FastAPI: every request is refused with 422"


def _is_used_as_tasks(project: Project, function: t.Function, parameter: t.Parameter) -> bool:
    """True where tasks are added to it, here or by a function that wants a BackgroundTasks."""
    if parameter.name in project.scope(function).bindings:
        return False
    calls = t.nodes_of(function, t.Call)
    return any(_adds_to(call, parameter) or _hands_on(project, call, function, parameter) for call in calls)


def _adds_to(call: t.Call, parameter: t.Parameter) -> bool:
    func = call.func
    return isinstance(func, t.Attribute) and func.name == "add_task" and _is(func.value, parameter)


def _is(expr: t.Expr, parameter: t.Parameter) -> bool:
    return isinstance(expr, t.Name) and expr.id == parameter.name


def _hands_on(project: Project, call: t.Call, function: t.Function, parameter: t.Parameter) -> bool:
    if not any(_is(argument.value, parameter) for argument in call.arguments):
        return False
    frame = project.frame(function)
    return any(_wants_tasks(project, value, call, parameter) for value in project.evaluate(call.func, frame))


def _wants_tasks(project: Project, value: Value, call: t.Call, parameter: t.Parameter) -> bool:
    bound = resolved(project, value)
    if bound is None:
        return False
    places = [p for p in bound.function.parameters if p.kind in ("positional-only", "normal")][
        bound.positional :
    ]
    given = [a for a in call.arguments if a.keyword is None]
    pairs = [(p, a) for p, a in zip(places, given, strict=False) if not a.star]
    pairs += [(p, a) for a in call.arguments for p in bound.function.parameters if a.keyword == p.name]
    where = outer(project, bound.function)
    wanted = [p for p, a in pairs if _is(a.value, parameter)]
    return any(
        meaning(project, p.annotation, where).kind in ("tasks", "optional", "subclass") for p in wanted
    )


def _subclass(project: Project, function: t.Function, parameter: t.Parameter, klass: Class) -> str | None:
    used = {node.name for node in t.nodes_of(function, t.Attribute) if _is(node.value, parameter)}
    own = {
        method.name
        for part in members.lineage(project.names, klass)
        for method in members.methods(project.names, part)
    }
    lost = sorted(used & own)
    if not lost:
        return None
    return f"FastAPI injects a plain `BackgroundTasks`, not a `{klass.name}`: its own `{lost[0]}` is never called"


# -------------------------------------------------------------------- Depends


def _marker(
    project: Project, parameter: t.Parameter, means: Meaning, frame: Frame
) -> tuple[t.Call, Frame] | None:
    """The `Depends(...)` or `Query(...)` of a parameter."""
    if isinstance(parameter.default, t.Call) and is_fastapi_marker(project, parameter.default, frame):
        return parameter.default, frame
    if means.marker is not None and means.frame is not None:
        return means.marker, means.frame
    return None


def _marked(
    project: Project, function: t.Function, parameter: t.Parameter, means: Meaning, frame: Frame
) -> str | None:
    """What comes of a `Depends(...)`, `Query(...)` and their like beside a tasks parameter."""
    found = _marker(project, parameter, means, frame)
    if found is None:
        return None
    call, where = found
    if _last(project, call, where) not in ("Depends", "Security"):
        return None if means.kind in ("other", "anything") else _REQUEST_DATA
    provider = call.argument(0, "dependency")
    if provider is None:
        return _DEPENDS if means.kind == "tasks" else None
    providers = project.evaluate(provider, where)
    if any(isinstance(value, Outside) and value.name in TASKS and not value.instance for value in providers):
        return _DEPENDS
    if is_lost(project, function, parameter, providers):
        return "the provider makes a `BackgroundTasks` of its own, which no response carries: its tasks never run"
    if means.kind == "tasks" and project.framework(frame.path).depends_provider_injects is False:
        return "before FastAPI 0.128.2 a `BackgroundTasks` cannot come from `Depends`: the app does not start"
    return None


_REQUEST_DATA = (
    "FastAPI injects the object by its annotation alone, it is no request data: the app does not start"
)
_DEPENDS = "FastAPI injects the object by its annotation alone: with `Depends()` the app does not start"


def _last(project: Project, call: t.Call, frame: Frame) -> str:
    values = project.evaluate(call.func, frame)
    return next((v.name.rpartition(".")[2] for v in values if isinstance(v, Outside)), "")


# -------------------------------------------------------------------- telling


def _finding(
    project: Project, function: t.Function, parameter: t.Parameter, reason: str, means: Meaning
) -> Finding:
    cure = _WRITE.format(name=parameter.name)
    return _report(project, function, parameter, reason, cure, _fix(project, function, parameter, means))


def _report(
    project: Project, function: t.Function, parameter: t.Parameter, reason: str, cure: str, fix: Fix | None
) -> Finding:
    frame = project.frame(function)
    message = f"`{parameter.name}` of `{function.name}`: {reason}"
    return told(project, "BG113", parameter, frame, message, cure, trace=(), fix=fix)


def _fix(project: Project, function: t.Function, parameter: t.Parameter, means: Meaning) -> Fix | None:
    """The plain annotation, where nothing else is wrong; a default stays, FastAPI ignores it."""
    if is_fastapi_marker(project, parameter.default, outer(project, function)) or means.marker is not None:
        return None
    if means.kind == "optional":
        return _alone(project, function, parameter.annotation)
    if means.kind == "typing only":
        return _with_import(project, project.frame(function), ())
    return _annotate(project, function, parameter) if means.kind in ("anything", "other") else None


def _alone(project: Project, function: t.Function, annotation: t.Expr | None) -> Fix | None:
    """`Optional[BackgroundTasks]` to `BackgroundTasks`."""
    if annotation is None or isinstance(annotation, t.Constant):
        return None
    frame, where = project.frame(function), outer(project, function)
    inner = next((part for part in t.walk(annotation) if _is_the_class(project, part, where)), None)
    if inner is None:
        return None
    text = project.text(inner, frame)
    edit = edits.replace(frame.path, project.span(annotation, frame), text)
    return Fix(f"Annotate with `{text}` alone", (edit,), safe=True)


def _is_the_class(project: Project, node: t.Node, frame: Frame) -> bool:
    return isinstance(node, (t.Name, t.Attribute)) and meaning(project, node, frame).kind == "tasks"


def _annotate(project: Project, function: t.Function, parameter: t.Parameter) -> Fix | None:
    """`tasks` to `tasks: BackgroundTasks`; not where the default is the class, which reads badly."""
    frame = project.frame(function)
    default = (
        project.evaluate(parameter.default, outer(project, function)) if parameter.default is not None else ()
    )
    if any(isinstance(value, Outside) and not value.instance for value in default):
        return None
    text, span = f"{parameter.name}: BackgroundTasks", project.span(parameter, frame)
    for part, before in ((parameter.annotation, ""), (parameter.default, " = ")):
        if part is not None:
            end = project.span(part, frame)
            span = Span(span.line, span.column, end.end_line, end.end_column)
            text += f"{before}{project.text(part, frame)}" if before else ""
    edit = edits.replace(frame.path, span, text)
    return _with_import(project, frame, (edit,))


def _with_import(project: Project, frame: Frame, changes: tuple[Edit, ...]) -> Fix | None:
    module = project.program.module(frame.path)
    text = module.source if module is not None else ""
    if not edits.can_import(text, _IMPORT):
        return None
    wanted = edits.add_import(text, frame.path, _IMPORT)
    every = (*changes, wanted) if wanted is not None else changes
    return Fix("Annotate with `BackgroundTasks`", every, safe=True) if every else None


_IMPORT = "from fastapi import BackgroundTasks"
