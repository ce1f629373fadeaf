"""BG405: a task that reports with `print`."""

from __future__ import annotations

from collections.abc import Iterator

from bglint import tree as t
from bglint.edits import add_logger, replace
from bglint.model import Edit, Finding, Fix
from bglint.project import Project
from bglint.reach import Contact
from bglint.rule import finding, rule
from bglint.sites import TaskSite
from bglint.values import Frame, Outside

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
    file = contact.node.keyword("file")
    if contact.visit.where == "process" or any(a.star == "**" for a in contact.node.arguments):
        return False
    return file is None or _is_console(project, file, contact.visit.frame)


def _is_console(project: Project, file: t.Expr, frame: Frame) -> bool:
    values = project.evaluate(file, frame)
    return any(isinstance(v, Outside) and v.name in ("sys.stdout", "sys.stderr") for v in values)


def _length(contact: Contact) -> int:
    return contact.visit.depth + len(contact.visit.site.context.hops)


def _told(project: Project, first: Contact, prints: list[Contact], count: int) -> Finding:
    site = first.visit.site
    times = f" {count} times" if count > 1 else ""
    message = (
        f"The task `{project.task_name(site)}` prints{times}: no level, no time, no traceback, "
        "and in most deployments nobody sees it."
    )
    here = [c.node for c in prints if c.visit.frame.function is first.visit.frame.function]
    return finding(
        project, "BG405", first.node, first.visit.frame, message, CURE,
        site=site, visit=first.visit, last="prints", fix=_fix(project, here, first.visit.frame),
    )  # fmt: skip


# ------------------------------------------------------------------------ fix


def _fix(project: Project, prints: list[t.Call], frame: Frame) -> Fix | None:
    """All prints of one function become calls of the module's logger."""
    calls = list(dict.fromkeys(prints))
    if frame.function is None or not all(map(_is_plain, calls)):
        return None
    logger, edits = add_logger(project.source(frame.path), frame.path)
    rewritten = [_rewritten(project, call, frame, logger) for call in calls]
    return Fix(f"Replace `print` by `{logger}`", (*edits, *rewritten), safe=False)


def _is_plain(call: t.Call) -> bool:
    """Only values, and `file`, which a logger does not need."""
    return bool(call.arguments) and all(
        not a.star and a.keyword in (None, "file", "flush") for a in call.arguments
    )


def _rewritten(project: Project, call: t.Call, frame: Frame, logger: str) -> Edit:
    values = [a.value for a in call.arguments if a.keyword is None]
    texts = [project.text(value, frame) for value in values]
    if len(values) > 1 or not _is_text(values[0]):
        others = [text for value, text in zip(values, texts, strict=True) if not _is_plain_text(value)]
        texts = [f'"{" ".join(map(_placed, values))}"', *others]
    method = "exception" if _in_handler(project, call, frame) else "info"
    return replace(frame.path, project.span(call, frame), f"{logger}.{method}({', '.join(texts)})")


def _placed(value: t.Expr) -> str:
    """What stands in the format for one value: plain text itself, else a placeholder."""
    return str(value.value) if isinstance(value, t.Constant) and _is_plain_text(value) else "%s"


def _is_plain_text(value: t.Expr) -> bool:
    text = value.value if isinstance(value, t.Constant) else None
    return isinstance(text, str) and text.isprintable() and not set(text) & set('%"\\')


def _is_text(expr: t.Expr) -> bool:
    return isinstance(expr, t.Text) or (isinstance(expr, t.Constant) and isinstance(expr.value, str))


def _in_handler(project: Project, call: t.Call, frame: Frame) -> bool:
    chain = project.chain(call, frame.function) if frame.function is not None else ()
    return any(isinstance(around, t.Guard) and part.startswith("handler") for around, part in chain)
