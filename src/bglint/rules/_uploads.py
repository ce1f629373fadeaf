"""Uploads on their way through a handler into a task."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from bglint import tree as t
from bglint.project import Project
from bglint.rules._deeds import Deed, deeds, given, may_follow, root, way_to
from bglint.rules._handed import handed, spread
from bglint.sites import TaskSite
from bglint.steps import Edge
from bglint.values import Birth, Const, Frame, Outside, Value, Values

UPLOAD = ("fastapi.UploadFile", "fastapi.datastructures.UploadFile", "starlette.datastructures.UploadFile")
_FILE_METHODS = {"file", "read", "readline", "readlines", "readinto", "seek", "write", "fileno", "getvalue"}
"""What a closed file refuses; its name, size and type stay readable."""
_OF_FORM = ("[]", ".get()", ".pop()", ".getlist()", "getlist()[]")


def upload_of(project: Project, value: Value) -> Outside | None:
    """The upload that a value is, or whose raw `.file` it is."""
    if not isinstance(value, Outside):
        return None
    if value.name.endswith(".file") and value.of is not None:
        return upload_of(project, value.of)
    if value.instance and (project.is_a(value, *UPLOAD) or _is_part_of_form(value)):
        return value
    return None


def _is_part_of_form(value: Outside) -> bool:
    return ".form()" in value.name and value.name.endswith(_OF_FORM) and form_block(value) is not None


def uploads(project: Project, site: TaskSite) -> Iterator[Outside]:
    """The uploads that a task is given, each once."""
    found = (upload_of(project, value) for value in handed(project, site))
    known = {key(upload): upload for upload in found if upload is not None}
    doubtful = {key(upload) for upload in _alternatives(project, site)}
    yield from (upload for each, upload in known.items() if each not in doubtful)


def _alternatives(project: Project, site: TaskSite) -> Iterator[Outside]:
    """The uploads that an argument may be, but may as well be something else: `audio = decoded if ... else file`."""
    for argument in site.arguments:
        values = [v for v in project.evaluate(argument.value, site.frame) if v != Const(value=None)]
        found = [upload for value in values if (upload := upload_of(project, value)) is not None]
        if len(found) < len(values):
            yield from found


def key(upload: Outside) -> object:
    """What makes two values the same upload: the parameter, or the form, that it came with."""
    return (upload.birth.frame, upload.birth.node) if upload.birth is not None else upload


def form_block(upload: Outside) -> Birth | None:
    """The `async with request.form()` that an upload was taken from."""
    of: Value | None = upload
    while isinstance(of, Outside):
        if of.name.endswith(".form()") and of.birth is not None and of.birth.kind == "with":
            return of.birth
        of = of.of
    return None


# ----------------------------------------------------------------- in the task


def is_read(project: Project, site: TaskSite) -> bool:
    """True where a task goes for the contents of an upload, or nobody knows what it does."""
    visits = project.visits(site)
    return not visits or any(_goes_for_contents(project, visit.frame) for visit in visits)


def _goes_for_contents(project: Project, frame: Frame) -> bool:
    nodes = project.nodes_of(frame, t.Attribute, t.For, t.CompLoop, t.Call)
    return any(_wants_contents(project, node, frame) for node in nodes)


def _wants_contents(project: Project, node: t.Node, frame: Frame) -> bool:
    if isinstance(node, t.Attribute):
        wanted = node.name in _FILE_METHODS
        return wanted and _holds_upload(project, project.evaluate(node.value, frame))
    if isinstance(node, (t.For, t.CompLoop)):
        return _holds_file(project, project.evaluate(node.iterable, frame))
    if isinstance(node, t.Call) and _goes_outside(project, node, frame):
        return any(_holds_upload(project, project.evaluate(a.value, frame)) for a in node.arguments)
    return False


def _goes_outside(project: Project, call: t.Call, frame: Frame) -> bool:
    edges = cast("tuple[Edge, ...]", project.steps(frame)[0])
    return not any(edge.node is call for edge in edges)


def _holds_upload(project: Project, values: Values) -> bool:
    return any(upload_of(project, value) is not None for value in values)


def _holds_file(project: Project, values: Values) -> bool:
    return any(upload_of(project, value) not in (None, value) for value in values)


def rewinds(project: Project, site: TaskSite) -> bool:
    """True where the task itself seeks."""
    return any(
        contact.name.endswith(".seek") and _holds_upload(project, (contact.value.of,))
        for contact in project.contacts(site)
        if contact.value.of is not None
    )


# -------------------------------------------------------------- in the handler


def deeds_on(project: Project, site: TaskSite, upload: Outside) -> Iterator[Deed]:
    """What the handler does to an upload, on a way that also adds the task."""
    way = way_to(site)
    for deed in deeds(project, root(site)):
        together = may_follow(project, deed.way, way) or may_follow(project, way, deed.way)
        if together and not _is_in_handler_of_errors(project, deed) and _is_on(project, deed, upload):
            yield deed


def already_read(project: Project, site: TaskSite, upload: Outside) -> Deed | None:
    """The call by which the handler has read an upload to its end, if nobody goes back to the start."""
    last = [deed for deed in deeds_on(project, site, upload) if _moves(deed)][-1:]
    if not last or _rewinds(last[0]) or rewinds(project, site):
        return None
    return last[0]


_READS = {"read", "readline", "readlines"}
_READERS = {
    "shutil.copyfileobj", "csv.reader", "csv.DictReader", "json.load", "hashlib.file_digest", "pickle.load",
}  # fmt: skip


def _moves(deed: Deed) -> bool:
    return deed.last in _READS or deed.name in _READERS or deed.last == "seek"


def _rewinds(deed: Deed) -> bool:
    """`seek(0)`, but not `seek(0, 2)`, which goes to the end."""
    position, whence = deed.call.argument(0), deed.call.argument(1, "whence")
    to_start = isinstance(position, t.Constant) and position.value == 0
    from_start = whence is None or (isinstance(whence, t.Constant) and whence.value == 0)
    return deed.last == "seek" and to_start and from_start


def _is_on(project: Project, deed: Deed, upload: Outside) -> bool:
    if deed.value is None:
        return False
    own = upload_of(project, deed.value.of) if deed.value.of is not None else None
    values = [v for v in spread(tuple(given(project, deed))) if upload_of(project, v) not in (None, v)]
    found = [own, *(upload_of(project, value) for value in values)]
    return any(each is not None and key(each) == key(upload) for each in found)


def _is_in_handler_of_errors(project: Project, deed: Deed) -> bool:
    chains = (project.chain(node, frame.function) for frame, node in deed.way if frame.function is not None)
    return any(part.startswith("handler") for chain in chains for _, part in chain)
