"""Templates: an environment of Jinja2 reads a file once, and afterwards asks only whether it has changed."""

from __future__ import annotations

from bglint import tree as t
from bglint.project import Project, dotted
from bglint.questions.contacts import Meeting, path
from bglint.questions.once import is_done_once
from bglint.values import Birth, Frame

_READS = ("get_template", "select_template", "get_or_select_template")
_IN_FILES = ("jinja2.FileSystemLoader", "jinja2.PackageLoader")


def is_kept_template(project: Project, meeting: Meeting) -> bool:
    """True for `get_template`, unless the run of the task that asks has made the environment, on files."""
    if not meeting.contact.name.endswith(_READS):
        return False
    owner = meeting.contact.value.of
    birth = owner.birth if owner is not None else None
    return birth is None or not (_is_on_files(project, birth) and _is_made_each_time(project, meeting, birth))


def _is_on_files(project: Project, birth: Birth) -> bool:
    if not isinstance(birth.node, t.Call):
        return False
    loader = birth.node.keyword("loader")
    values = project.evaluate(loader, birth.frame) if loader is not None else ()
    return birth.node.keyword("directory") is not None or any(project.is_a(v, *_IN_FILES) for v in values)


def _is_made_each_time(project: Project, meeting: Meeting, birth: Birth) -> bool:
    """True where each run of the task comes to the place that makes the environment."""
    ways = [list(path(v, birth.node)) for v in project.visits(meeting.site) if v.frame is birth.frame]
    return any(
        not is_done_once(project, way) and not any(_is_cached(frame) for frame, _ in way) for way in ways
    )


def _is_cached(frame: Frame) -> bool:
    """True below a `@cache` or `@lru_cache(...)`."""
    return frame.function is not None and any("cache" in dotted(each) for each in frame.function.decorators)
