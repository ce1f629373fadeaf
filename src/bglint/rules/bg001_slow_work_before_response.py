"""BG001: a handler that sleeps or mails while the client waits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from bglint import tree as t
from bglint.model import Finding, Step
from bglint.project import Project, dotted
from bglint.questions.contacts import number
from bglint.questions.parents import parent
from bglint.rule import finding, rule
from bglint.sites import Context, Hop
from bglint.steps import Outer
from bglint.values import Frame

_SLEEPS = r"\bsleep\s*\("
_MAILERS = re.compile(
    r"\b(smtplib|aiosmtplib|fastapi_mail|emails|sendgrid|resend|mailjet_rest|yagmail|postmarker|mailtrap|exchangelib"
    r"|sib_api_v3_sdk|django\.core\.mail|azure\.communication|boto3|botocore|aiobotocore|googleapiclient)\b"
)
_MAILS = re.compile(r"\.\w*send\w*(\.\w+)?\s*\(|\bsend(_mail|_mass_mail)?\(|\bmail_(admins|managers)\(")
CURE = "Give it to the handler's `tasks: BackgroundTasks`, `tasks.add_task(...)`: it runs when the client has its answer."


@rule("BG001", level="warning")
def slow_work_before_response(project: Project) -> Iterator[Finding]:
    """The client waits while the handler sleeps or sends mail: give that work to BackgroundTasks.

    ## What it does
    Finds HTTP route handlers that sleep themselves (`time.sleep`, or `asyncio.sleep` of a second or more), and
    handlers that call something which sends mail, through smtplib or a mail library, and do nothing with the result.
    It stays silent where the wait belongs to the answer: a loop that polls, a pause before a refusal, one as long as the
    client asked for, a mail whose failure the client is told.

    ## Why is this bad?
    The answer is ready, and is held back until the mail server has said goodbye: seconds for the client, and a failed
    request when the mail server is down. A `time.sleep` in an `async def` handler stops the event loop as well: nobody
    else is served meanwhile.

    ## Example
    ```python
    import logging
    import smtplib

    from fastapi import FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    def send_welcome(address: str) -> None:
        try:
            with smtplib.SMTP("mail.internal", timeout=10) as server:
                server.sendmail("hello@example.com", [address], "Welcome")
        except Exception:
            logger.exception("no welcome mail to %s", address)


    @app.post("/signup")
    def signup(email: str) -> dict[str, str]:
        send_welcome(email)
        return {"email": email}
    ```

    ## Use instead
    ```python
    import logging
    import smtplib

    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    def send_welcome(address: str) -> None:
        try:
            with smtplib.SMTP("mail.internal", timeout=10) as server:
                server.sendmail("hello@example.com", [address], "Welcome")
        except Exception:
            logger.exception("no welcome mail to %s", address)


    @app.post("/signup")
    def signup(email: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(send_welcome, email)
        return {"email": email}
    ```

    ## Verified by
    The witness looks at the moment when the response starts: the sleep or the mail is over by then.
    """
    for function in project.functions(_SLEEPS, handlers=True):
        if _is_handler(project, function):
            yield from _sleeping(project, project.frame(function))
    told: set[t.Node] = set()
    for function in _mailing(project):
        for context in project.contexts(function):
            yield from _mailed(project, context, told)


def _is_handler(project: Project, function: t.Function) -> bool:
    role = project.role(function)
    return role is not None and role.kind == "route" and not function.is_generator


def _outers(project: Project, frame: Frame) -> Iterator[Outer]:
    yield from (step for step in project.steps(frame)[1] if isinstance(step, Outer))


# ---------------------------------------------------------------------- sleeps


def _sleeping(project: Project, frame: Frame) -> Iterator[Finding]:
    """The sleeps of a handler itself."""
    assert frame.function is not None
    for outer in _outers(project, frame):
        if _sleeps(project, outer, frame) and _is_idle(project, outer.node, frame.function):
            yield finding(project, "BG001", outer.node, frame, _slept(outer, frame.function), CURE)


def _slept(outer: Outer, function: t.Function) -> str:
    message = f"The client of `{function.name}` waits while the handler sleeps in `{dotted(outer.node.func)}`"
    if function.is_async and outer.fact is not None and not outer.fact.is_async:
        return f"{message}, and with it every other request to this worker: that stops the event loop."
    return f"{message}."


def _sleeps(project: Project, outer: Outer, frame: Frame) -> bool:
    """`time.sleep`, or an awaited sleep of a second or more."""
    if outer.fact is None or outer.fact.effect != "sleep":
        return False
    if not outer.fact.is_async:
        return not _is_jitter(outer.node) and not _is_asked_for(project, outer.node, frame)
    seconds = number(project, outer.node.argument(0), frame)
    return outer.awaited and seconds is not None and seconds >= 1


def _is_asked_for(project: Project, call: t.Call, frame: Frame) -> bool:
    """`time.sleep(seconds)` for a parameter of the route: the client itself says how long it wants to wait."""
    names = (node for node in t.walk(*call.arguments) if isinstance(node, t.Name))
    births = (value.birth for name in names for value in project.evaluate(name, frame))
    return any(birth is not None and birth.kind == "parameter" and birth.frame == frame for birth in births)


def _is_jitter(call: t.Call) -> bool:
    """`time.sleep(random.uniform(0, 0.5))` hides how long a password check took: it belongs to the answer."""
    given = call.argument(0)
    bounds = (
        [a.value.value for a in given.arguments if isinstance(a.value, t.Constant)]
        if isinstance(given, t.Call)
        else []
    )
    return bool(bounds) and all(isinstance(bound, int | float) and bound < 1 for bound in bounds)


def _is_idle(project: Project, node: t.Node, function: t.Function) -> bool:
    """False for a pause that belongs to the answer: in a loop that polls, or before a refusal."""
    chain = project.chain(node, function)
    if any(isinstance(around, t.For | t.While) for around, _ in chain):
        return False
    block = getattr(chain[-1][0], chain[-1][1], ()) if chain and " " not in chain[-1][1] else ()
    return not any(isinstance(step, t.Raise) and step.at > node.at for step in block)


# ----------------------------------------------------------------------- mails


def _mailing(project: Project) -> Iterator[t.Function]:
    """The functions that send mail themselves, in modules that speak of a mail library."""
    for module in project.modules(_MAILERS.pattern):
        for function in project.roles.functions_in(module, module.lines_with(_MAILS)):
            if _sending(project, project.frame(function)) is not None:
                yield function


def _sending(project: Project, frame: Frame) -> t.Call | None:
    """The call of a function that sends mail."""
    outers = _outers(project, frame)
    return next((o.node for o in outers if o.fact is not None and o.fact.mail), None)


def _mailed(project: Project, context: Context, told: set[t.Node]) -> Iterator[Finding]:
    """The finding on the handler's own call, where a handler leads to the mail and needs no answer from it."""
    sending = _sending(project, context.frame)
    if context.role is None or context.role.kind != "route" or sending is None:
        return
    way = (*context.hops, Hop(context.frame, sending))
    first, function = way[0], way[0].frame.function
    if function is not context.role.function or not isinstance(first.node, t.Call) or first.node in told:
        return
    if not all(_is_run_in_place(hop.frame) for hop in way):
        return
    if _is_dropped(first.node, function) and not _is_answered(project, first.node, function):
        told.add(first.node)
        yield _told(project, first.node, first.frame, way[1:])


def _is_run_in_place(frame: Frame) -> bool:
    """False for a function inside another that only hands it on, to a thread for example."""
    outer = frame.closure.function if frame.closure is not None else None
    if outer is None or frame.function is None:
        return True
    calls = (node.func for node in t.nodes_of(outer, t.Call))
    return any(isinstance(called, t.Name) and called.id == frame.function.name for called in calls)


def _is_dropped(call: t.Call, function: t.Function) -> bool:
    """True where nothing is done with the result."""
    holder = parent(call, function)
    if isinstance(holder, t.Await):
        holder = parent(holder, function)
    return isinstance(holder, t.Evaluate)


def _is_answered(project: Project, call: t.Call, function: t.Function) -> bool:
    """True where the client is told of a failure: a `try` around the call raises or returns something else."""
    chain = project.chain(call, function)
    guards = (around for around, part in chain if isinstance(around, t.Guard) and part == "body")
    handled = (node for guard in guards for handler in guard.handlers for node in t.walk(*handler.body))
    return any(isinstance(node, t.Raise | t.Return | t.Assign) for node in handled)


def _told(project: Project, call: t.Call, frame: Frame, below: tuple[Hop, ...]) -> Finding:
    assert frame.function is not None
    message = (
        f"The client of `{frame.function.name}` waits while `{dotted(call.func)}` talks to the mail server."
    )
    found = finding(project, "BG001", call, frame, message, CURE)
    return replace(found, trace=(*found.trace, *(_step(project, hop) for hop in below)))


def _step(project: Project, hop: Hop) -> Step:
    called = dotted(hop.node.func) if isinstance(hop.node, t.Call) else "it"
    return project.step(hop.node, hop.frame, f"calls `{called}`")
