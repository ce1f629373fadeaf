"""Attributes that nobody sets again once an object is made: what the constructor was given is what a test will see."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bglint import calling, deciding, members
from bglint import tree as t
from bglint.memo import memo
from bglint.scope import Scope
from bglint.values import Class, Const, Instance, Outside, Unknown, Value, Values

if TYPE_CHECKING:
    from bglint.names import Names

_MODELS = {"pydantic.BaseModel", "pydantic.main.BaseModel", "builtins.object", "abc.ABC", "typing.Generic"}
_MEDDLING = ("__post_init__", "model_post_init", "__setattr__", "__getattr__", "__getattribute__")
_VALIDATORS = ("validator", "root_validator", "field_validator", "model_validator")
_FIELDS = ("field", "Field")
_BY_NAME = re.compile(rb"\bsetattr\(\s*([^,()]+)(?:\([^()]*\))?,\s*[^\"'\s]")
_SETTING = r"\s*(?::[^=\n]+)?[-+*/|&%]?=(?!=)"


def attribute(names: Names, target: Value, name: str) -> Values:
    """What an attribute of an object surely is; () where that is open, or others may set it."""
    if not isinstance(target, Instance) or not target.exact or target.init is None:
        return ()
    return names.remember(("settled", target, name), lambda: _attribute(names, target, name))


def _attribute(names: Names, target: Instance, name: str) -> Values:
    assert target.init is not None
    if target.init.function is None:
        values = _field(names, target, name)
    else:
        given = members.set_once(names, target, name)
        values = deciding.stable(names, given, target.init) if given is not None else ()
    return () if not values or Unknown() in values or _is_set_elsewhere(names, target.klass, name) else values


# -------------------------------------------------------------- dataclasses, models


def _field(names: Names, target: Instance, name: str) -> Values:
    """What a field of a dataclass or model was given, else its default."""
    assert target.init is not None
    if not _is_record(names, target.klass) or members.method(names, target.klass, name) is not None:
        return ()
    if any(members.assigns(names, klass, name) for klass in members.lineage(names, target.klass)):
        return ()
    given = target.init.binding(name)
    if given is not None or target.init.binding(calling.MORE) is not None:
        return given or ()
    return next(filter(None, (_default(names, k, name) for k in members.lineage(names, target.klass))), ())


@memo
def _is_record(names: Names, klass: Class) -> bool:
    """True for a class whose fields are what the constructor is given, and nothing else."""
    classes = members.lineage(names, klass)
    is_data = all(members.has_decorator(part, "dataclass") for part in classes)
    if not is_data and not _MODELS.intersection(members.outside_bases(names, klass)):
        return False
    if not _MODELS.issuperset(
        v.name for k in classes for v in members.base_values(names, k) if isinstance(v, Outside)
    ):
        return False
    if any(members.own_method(names, part, name) for part in classes for name in _MEDDLING):
        return False
    return not any(members.has_decorator(f, *_VALIDATORS) for k in classes for f in members.methods(names, k))


def _default(names: Names, klass: Class, name: str) -> Values:
    """The constant that a class body gives a field."""
    module = names.program.module(klass.source.path)
    for entry in klass.entry.members if klass.entry else ():
        if name in entry.names and entry.kind == "assign" and module is not None:
            block = names.program.statements(module, entry, klass.qualname)
            bound = [binding.value for binding in Scope(block).bindings.get(name, ())]
            return (_constant(bound[0]),) if len(bound) == 1 else (Unknown(),)
    return ()


def _constant(expr: t.Expr | None) -> Value:
    if isinstance(expr, t.Call) and t.last_name(expr.func) in _FIELDS and not _is_renamed(expr):
        expr = expr.argument(0, "default") if t.last_name(expr.func) == "Field" else expr.keyword("default")
    return Const(value=expr.value) if isinstance(expr, t.Constant) and expr.value is not ... else Unknown()  # type: ignore[arg-type]


def _is_renamed(field: t.Call) -> bool:
    return field.spread or any("alias" in (argument.keyword or "") for argument in field.arguments)


# ------------------------------------------------------------------ everybody else


@memo
def _is_set_elsewhere(names: Names, klass: Class, name: str) -> bool:
    """True where code outside of the class may set the attribute, told by the text: of whatever, by whatever name."""
    if name.startswith("_"):
        return False
    sources, written = names.program.sources, re.compile(rf"\.{name}{_SETTING}".encode())
    for file in sources.mentioning(written):
        text = sources.scan(file)
        if any(text[match.start() - 4 : match.start()] != b"self" for match in written.finditer(text)):
            return True
    return any(_sounds_like(holder, klass) for holder in _set_by_name(names))


@memo
def _set_by_name(names: Names) -> frozenset[str]:
    """What `setattr(job, key, value)` is done to, as it is written."""
    sources = names.program.sources
    found = (_BY_NAME.findall(sources.scan(file)) for file in sources.mentioning(_BY_NAME))
    return frozenset(holder.decode("utf-8", "replace").lower() for each in found for holder in each)


def _sounds_like(holder: str, klass: Class) -> bool:
    """`new_job` and `Job` are likely to be a Job."""
    return klass.name.lower() in holder.replace("_", "")
