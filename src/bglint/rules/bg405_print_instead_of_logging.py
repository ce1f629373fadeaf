"""BG405: a task that reports with `print`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bglint import edits
from bglint import tree as t
from bglint.model import Edit, Finding, Fix
from bglint.project import Project
from bglint.questions.loggers import Logger, is_local, logger
from bglint.reach import Contact
from bglint.rule import finding, rule
from bglint.sites import TaskSite
from bglint.spreading import keywords
from bglint.values import Frame, Outside, Values

CURE = "Use the module's logger: `logger.info(...)`, and `logger.exception(...)` in an `except`."


@rule("BG405", level="warning", fixable="unsafe")
def print_instead_of_logging(project: Project) -> Iterator[Finding]:
    """The task reports with `print`, where nobody looks.

    ## What it does
    Finds tasks that `print` to standard output or standard error: one finding for a task, on its first print, with the
    number of prints. Printing into a file is no report and is left alone.

    ## Why is this bad?
    A print has no level, no time, no module and no traceback; many deployments throw it away, and the ones that keep it
    cannot search it. A task has nothing else to say how it went.

    ## Example
    ```python
    from fastapi import BackgroundTasks, FastAPI

    app = FastAPI()


    def count(word: str) -> None:
        print("counted", word, len(word))


    @app.post("/words/{word}")
    def start(word: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(count, word)
        return {"word": word}
    ```

    ## Use instead
    ```python
    import logging

    from fastapi import BackgroundTasks, FastAPI

    logger = logging.getLogger(__name__)
    app = FastAPI()


    def count(word: str) -> None:
        logger.info("counted %s %d", word, len(word))


    @app.post("/words/{word}")
    def start(word: str, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(count, word)
        return {"word": word}
    ```

    ## Verified by
    The witness records the calls of `print` that a request leads to.
    """
    for prints in _by_first_line(project):
        yield _told(project, prints[0], prints, len({c.node for c in prints}))


def _by_first_line(project: Project) -> Iterator[list[Contact]]:
    """The prints of each task, the nearest first; tasks that begin with the same print count once."""
    found: dict[t.Node, list[Contact]] = {}
    for site in project.sites:
        prints = _prints(project, site)
        if prints and (prints[0].node not in found or _length(prints[0]) < _length(found[prints[0].node][0])):
            found[prints[0].node] = prints
    yield from found.values()


def _prints(project: Project, site: TaskSite) -> list[Contact]:
    return [c for c in project.contacts(site) if c.name == "builtins.print" and _is_report(project, c)]


def _is_report(project: Project, contact: Contact) -> bool:
    """Not a print into a file, nor one of another process."""
    file, frame = contact.node.keyword("file"), contact.visit.frame
    if contact.visit.where == "process":
        return False
    if file is not None:
        return _is_console(project.evaluate(file, frame))
    spread = (argument.value for argument in contact.node.arguments if argument.star == "**")
    return all(_names_no_file(project, options, frame) for options in spread)


def _names_no_file(project: Project, options: t.Expr, frame: Frame) -> bool:
    """True for `**options` of which all are known, without a file among them: `info("done", flush=True)`."""
    given, closed = keywords(project.names, options, frame)
    return _is_console(given["file"]) if "file" in given else closed


def _is_console(values: Values) -> bool:
    return any(isinstance(v, Outside) and v.name in ("sys.stdout", "sys.stderr") for v in values)


def _length(contact: Contact) -> int:
    return contact.visit.depth + len(contact.visit.site.context.hops)


def _told(project: Project, first: Contact, prints: list[Contact], count: int) -> Finding:
    site = first.visit.site
    times = f" at {count} places" if count > 1 else ""
    message = (
        f"The task `{project.task_name(site)}` prints{times}: no level, no time, no traceback, "
        "and in most deployments nobody sees it."
    )
    return finding(
        project, "BG405", first.node, first.visit.frame, message, CURE,
        site=site, visit=first.visit, last="prints", fix=_fix(project, prints),
    )  # fmt: skip


# ------------------------------------------------------------------------ fix


def _fix(project: Project, prints: list[Contact]) -> Fix | None:
    """All prints of the task, in all its functions, become calls of the loggers of their modules."""
    calls = {c.node: c.visit.frame for c in prints}
    loggers = {path: logger(project, path) for path in dict.fromkeys(f.path for f in calls.values())}
    if not all(_can_log(project, call, frame, loggers[frame.path]) for call, frame in calls.items()):
        return None
    made = [edit for each in loggers.values() for edit in each.made]
    methods = _methods(project, calls)
    rewritten = [
        _rewritten(project, call, frame, loggers[frame.path], methods[call]) for call, frame in calls.items()
    ]
    return Fix("Log what the task prints", (*made, *rewritten), safe=False)


def _methods(project: Project, calls: dict[t.Call, Frame]) -> dict[t.Call, str]:
    """`exception` for the first print of an `except`, `error` for those behind it, `info` for all others."""
    first: dict[object, t.Call] = {}
    found = {}
    for call, frame in sorted(calls.items(), key=lambda pair: pair[0].at):
        handler = _handler(project, call, frame)
        first.setdefault((frame.function, handler), call)
        found[call] = "info" if handler is None else "exception" if call in first.values() else "error"
    return found


def _can_log(project: Project, call: t.Call, frame: Frame, logger: Logger) -> bool:
    """A `print` under its own name, of nothing but values, where no local name hides the logger."""
    text = project.text(call, frame)
    if not re.match(r"print\s*\(", text) or edits.has_comment(text) or is_local(project, logger.name, frame):
        return False
    if any(a.star or a.keyword not in (None, "file", "flush") for a in call.arguments):
        return False
    values = [a for a in call.arguments if a.keyword is None]
    return bool(values) and (bool(logger.placeholder) or _is_text(values))


def _rewritten(project: Project, call: t.Call, frame: Frame, logger: Logger, method: str) -> Edit:
    values = [argument for argument in call.arguments if argument.keyword is None]
    given = ", ".join(_arguments(project, values, frame, logger.placeholder))
    return edits.replace(frame.path, project.span(call, frame), f"{logger.name}.{method}({given})")


def _arguments(project: Project, values: list[t.Argument], frame: Frame, placeholder: str) -> list[str]:
    """The message with the literals in it, then what is to be put into it."""
    others = [value for value in values if _literal(value) is None]
    if len(values) == 1 and _is_text(values):
        return [project.text(values[0], frame)]
    if not others:
        return [edits.quoted(" ".join(_literal(value) or "" for value in values))]
    message = " ".join(_placed(value, placeholder) for value in values)
    return [edits.quoted(message), *(_alone(project.text(value, frame), value) for value in others)]


def _is_text(values: list[t.Argument]) -> bool:
    """True for what needs no placeholder: literals, or one f-string."""
    return all(_literal(v) is not None for v in values) or (
        len(values) == 1 and isinstance(values[0].value, t.Text)
    )


def _placed(value: t.Argument, placeholder: str) -> str:
    """What stands in the message for one value: a literal as it is, else a placeholder."""
    text = _literal(value)
    if text is None:
        return placeholder
    return text.replace("%", "%%") if placeholder == "%s" else text.replace("{", "{{").replace("}", "}}")


def _alone(text: str, argument: t.Argument) -> str:
    """A generator has its brackets from the call where it is the only argument."""
    value = argument.value
    bare = isinstance(value, t.Comprehension) and value.kind == "generator" and not text.startswith("(")
    return f"({text})" if bare else text


def _literal(argument: t.Argument) -> str | None:
    text = argument.value.value if isinstance(argument.value, t.Constant) else None
    return text if isinstance(text, str) else None


def _handler(project: Project, call: t.Call, frame: Frame) -> tuple[t.Node, str] | None:
    """The innermost `except` around a call, as its `try` and its number."""
    chain = project.chain(call, frame.function) if frame.function is not None else ()
    around = [step for step in chain if isinstance(step[0], t.Guard) and step[1].startswith("handler")]
    return around[-1] if around else None
