"""Uploads on their way through a handler into a task."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

from bglint import tree as t
from bglint.project import Project
from bglint.questions.deeds import Deed, Way, deeds, given, may_follow, root, way_to
from bglint.questions.handed import handed, kept, spread
from bglint.questions.parents import around
from bglint.sites import TaskSite
from bglint.steps import Edge
from bglint.values import Birth, Const, Frame, Generator, Items, Outside, Value, Values

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
        return value if not _is_made_by_hand(project, value) else None
    return None


def _is_made_by_hand(project: Project, value: Outside) -> bool:
    """`UploadFile(io.BytesIO(body))` is nothing that FastAPI would close."""
    birth = value.birth
    if birth is None or not isinstance(birth.node, t.Call):
        return False
    return any(project.is_a(made, *UPLOAD) for made in project.evaluate(birth.node.func, birth.frame))


def _is_part_of_form(value: Outside) -> bool:
    """True for `form["file"]` and the like of a form whose block is open."""
    return value.name.endswith(_OF_FORM) and form_block(value) is not None


def uploads(project: Project, site: TaskSite) -> Iterator[Outside]:
    """The uploads that a task is given, each once."""
    known = {key(upload): upload for upload in _given(project, site)}
    doubtful = {key(upload) for upload in _alternatives(project, site)}
    for each, upload in known.items():
        if each not in doubtful and not _is_copied(project, site, upload):
            yield upload


def _given(project: Project, site: TaskSite) -> Iterator[Outside]:
    for value in (*handed(project, site), *kept(project, site)):
        upload = upload_of(project, value)
        if upload is not None:
            yield upload
        elif isinstance(value, Outside) and _is_form(value):
            yield value
        yield from lazily_read(project, value)


def _is_form(value: Outside) -> bool:
    """True for the whole form that a block `async with request.form()` binds."""
    return value.name.endswith(".form()") and form_block(value) is not None


def _is_copied(project: Project, site: TaskSite, upload: Outside) -> bool:
    """True where the task may be given a copy, which nobody closes."""
    copied = (deed for deed in deeds(project, root(site)) if deed.name == "copy.deepcopy")
    taken = (each for deed in copied for each in _uploads_among(project, tuple(given(project, deed))))
    return any(key(each) == key(upload) for each in taken)


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
    if not visits or any(_goes_for_contents(project, visit.frame) for visit in visits):
        return True
    return any(any(lazily_read(project, value)) for value in handed(project, site))


def _goes_for_contents(project: Project, frame: Frame) -> bool:
    return any(_contents_in(project, project.nodes_of(frame, *_READING), frame))


_READING = (t.Attribute, t.For, t.CompLoop, t.Call)


def _contents_in(project: Project, nodes: Iterable[t.Node], frame: Frame) -> Iterator[Outside]:
    """The uploads whose contents are wanted."""
    for node in nodes:
        if isinstance(node, t.Attribute) and node.name in _FILE_METHODS:
            yield from _uploads_among(project, project.evaluate(node.value, frame))
        elif isinstance(node, (t.For, t.CompLoop)):
            yield from _files_among(project, project.evaluate(node.iterable, frame))
        elif isinstance(node, t.Call) and _goes_outside(project, node, frame):
            for argument in node.arguments:
                yield from _uploads_among(project, project.evaluate(argument.value, frame))


def _goes_outside(project: Project, call: t.Call, frame: Frame) -> bool:
    edges = cast("tuple[Edge, ...]", project.steps(frame)[0])
    return not any(edge.node is call for edge in edges)


def _uploads_among(project: Project, values: Values) -> Iterator[Outside]:
    yield from (upload for value in values if (upload := upload_of(project, value)) is not None)


def _files_among(project: Project, values: Values) -> Iterator[Outside]:
    """The uploads whose raw `.file` is among the values."""
    for value in values:
        upload = upload_of(project, value)
        if upload is not None and upload is not value:
            yield upload


def lazily_read(project: Project, value: Value) -> Iterator[Outside]:
    """The uploads that a generator or a reader goes through only when it is asked for more: `rows(upload.file)`."""
    birth = value.birth
    if isinstance(value, Generator):
        yield from _contents_in(project, project.nodes_of(value.call, *_READING), value.call)
    elif birth is not None and _is_lazy(value) and isinstance(birth.node, (t.Comprehension, t.Call)):
        yield from _contents_in(project, t.walk(birth.node), birth.frame)


def _is_lazy(value: Value) -> bool:
    if isinstance(value, Items):
        return value.kind == "generator"
    return isinstance(value, Outside) and value.name.removesuffix("()") in _LAZY_READERS


_LAZY_READERS = {"csv.reader", "csv.DictReader", "codecs.iterdecode", "io.TextIOWrapper"}


def rewinds(project: Project, site: TaskSite) -> bool:
    """True where the task itself seeks."""
    return any(
        contact.name.endswith(".seek") and upload_of(project, contact.value.of) is not None
        for contact in project.contacts(site)
        if contact.value.of is not None
    )


# -------------------------------------------------------------- in the handler


def deeds_on(project: Project, site: TaskSite, upload: Outside) -> Iterator[Deed]:
    """What the handler does to an upload, on a way that also adds the task."""
    way = way_to(site)
    for deed in deeds(project, root(site)):
        if (
            _is_passed_too(project, deed.way, way)
            and not _is_in_handler_of_errors(project, deed)
            and _is_on(project, deed, upload)
        ):
            yield deed


def is_closed_by_hand(project: Project, site: TaskSite, upload: Outside) -> bool:
    """True where the handler closes it, or leaves a block `with upload.file` that does."""
    if any(deed.last == "close" for deed in deeds_on(project, site, upload)):
        return True
    way = way_to(site)
    return any(
        _is_passed_too(project, (*way[:depth], (frame, item)), way)
        and any(
            key(each) == key(upload) for each in _files_among(project, project.evaluate(item.value, frame))
        )
        for depth, (frame, _) in enumerate(way)
        for item in project.nodes_of(frame, t.WithItem)
    )


def _is_passed_too(project: Project, place: Way, way: Way) -> bool:
    return may_follow(project, place, way) or may_follow(project, way, place)


def already_read(project: Project, site: TaskSite, upload: Outside) -> Deed | None:
    """The call by which the handler has read an upload to its end, if nobody goes back to the start."""
    if _is_form(upload):
        return None  # which of its uploads was read, nobody knows
    last = [deed for deed in deeds_on(project, site, upload) if _moves(deed)][-1:]
    if not last or _rewinds(last[0]) or rewinds(project, site):
        return None
    return last[0]


def is_only_begun(project: Project, site: TaskSite, upload: Outside) -> bool:
    """True where the handler has read no more than a part of it: `head = await upload.read(2048)`."""
    moves: list[Deed] = []
    for deed in filter(_moves, deeds_on(project, site, upload)):
        moves = [] if _rewinds(deed) else [*moves, deed]
    return all(_takes_a_part(deed) and not _is_repeated(project, deed) for deed in moves)


def _takes_a_part(deed: Deed) -> bool:
    """`read(2048)` and `readline()`; `read(-1)` and `read(None)` take all."""
    size = deed.call.argument(0, "size")
    if deed.last != "read" or size is None:
        return deed.last == "readline"
    is_minus = isinstance(size, t.Operation) and len(size.operands) == 1
    return not is_minus and not (isinstance(size, t.Constant) and size.value is None)


def _is_repeated(project: Project, deed: Deed) -> bool:
    """`while chunk := await upload.read(size)` goes to the end."""
    places = [(node, frame.function) for frame, node in deed.way if frame.function is not None]
    holders = [holder for node, function in places for holder in around(node, function)]
    holders += [holder for node, function in places for holder, _ in project.chain(node, function)]
    return any(isinstance(holder, t.While) for holder in holders)


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
