"""What `value.name` stands for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from bglint import attributes, calling, filling, hints
from bglint import tree as t
from bglint.memo import memo
from bglint.outline import Entry
from bglint.scope import Binding, Scope, scope
from bglint.values import (
    Birth,
    Class,
    Cls,
    Const,
    Frame,
    Func,
    Instance,
    Items,
    Missing,
    ModuleValue,
    Outside,
    Partial,
    Super,
    Unknown,
    Value,
    Values,
    known,
    unique,
)  # fmt: skip

if TYPE_CHECKING:
    from bglint.names import Names

_PROTOCOLS = ("typing.Protocol", "typing_extensions.Protocol")
PROPERTIES = {"property", "cached_property", "computed_field", "hybrid_property"}
_PROPERTY = re.compile(rb"@[\w.]*(?:property|computed_field)\b(?s:.){0,400}?\bdef\s+(\w+)")


def attribute(names: Names, value: Value, name: str) -> Values:
    """What the attribute `name` of a value stands for."""
    if isinstance(value, Outside) and (kept := attributes.in_state(names, value, name)):
        return kept
    if isinstance(value, Outside):
        dotted = names.knowledge.canonical(f"{value.name}.{name}")
        return (
            Outside(None, dotted, False, value if _links(value) < MOST_LINKS else replace(value, of=None)),
        )
    if isinstance(value, (Instance, Cls, Super)):
        return names.remember(("attribute", value, name), lambda: _member(names, value, name))
    if isinstance(value, ModuleValue):
        return names.exported(value.path, name) or (Missing(None, f"{value.path}:{name}"),)
    if isinstance(value, Items):
        return (
            Outside(value.birth, f"builtins.{_BUILTIN.get(value.kind, value.kind)}.{name}", False, value),
        )
    if isinstance(value, Partial):
        return (value.target,) if name == "func" else (Unknown(),)
    if isinstance(value, Func):
        return (value,) if name == "__func__" else _of_decorated(names, value, name)
    if isinstance(value, Const) and isinstance(value.value, (str, bytes)):
        return (Outside(None, f"builtins.{type(value.value).__name__}.{name}", False, value),)
    return (Unknown(),)


def _of_decorated(names: Names, value: Func, name: str) -> Values:
    """An attribute of what an outside decorator makes of a function: `resize.delay` of a Celery task."""
    for decorator in value.decorators:
        fact = names.knowledge.fact(decorator.removesuffix("()"))
        if fact is not None and fact.decorates not in ("", "same"):
            return attribute(names, Outside(None, fact.decorates, True), name)
    return (Unknown(),)


def _links(value: Outside) -> int:
    """How many steps back it can be told what a value was taken from."""
    count = 0
    while isinstance(value.of, Outside):
        count, value = count + 1, value.of
    return count


MOST_LINKS = 40
"""`a.b().c()` is taken from `a` in four steps; farther back nobody asks."""

_BUILTIN = {"iterator": "list", "generator": "list"}


# -------------------------------------------------------------------- classes


def lineage(names: Names, klass: Class) -> tuple[Class, ...]:
    """The class and its first-party bases, nearest first."""
    found: dict[Class, None] = {}
    waiting = [klass]
    while waiting and len(found) < 50:
        current = waiting.pop(0)
        if current not in found:
            found[current] = None
            waiting.extend(v.klass for v in base_values(names, current) if isinstance(v, Cls))
    return tuple(found)


def outside_bases(names: Names, klass: Class) -> tuple[str, ...]:
    """The dotted names of the outside classes that a class comes from, nearest first."""
    found: dict[str, None] = {}
    for part in lineage(names, klass):
        for value in base_values(names, part):
            if isinstance(value, Outside):
                found.update(dict.fromkeys((value.name, *names.knowledge.bases(value.name))))
    return tuple(found)


def base_values(names: Names, klass: Class) -> Values:
    """What the bases of a class stand for; `Base[T]` counts as `Base`."""
    frame = klass.closure or names.module_frame(klass.source.path)
    return names.together(_written_bases(klass), frame)


@memo
def _written_bases(klass: Class) -> tuple[t.Expr, ...]:
    plain = (base.value for base in klass.bases if base.keyword is None and not base.star)
    return tuple(expr.value if isinstance(expr, t.Subscript) else expr for expr in plain)


def is_a(names: Names, value: Value, *dotted: str) -> bool:
    """True for an instance (or class) of one of these outside classes, or of a class derived from one."""
    if isinstance(value, Outside):
        return value.name in dotted or any(base in dotted for base in names.knowledge.bases(value.name))
    if isinstance(value, (Instance, Cls)):
        return any(base in dotted for base in outside_bases(names, value.klass))
    return False


def method(
    names: Names, klass: Class, name: str, after: Class | None = None
) -> tuple[Class, t.Function] | None:
    """The first-party method that `name` finds in a class or its bases, behind `after` for super()."""
    classes = lineage(names, klass)
    if after in classes:
        classes = classes[classes.index(after) + 1 :]
    for part in classes:
        function = own_method(names, part, name)
        if function is not None:
            return part, function
    return None


def bound(names: Names, value: Instance, name: str) -> Func | None:
    """The first-party method of an object: `__call__` is what calling it runs."""
    found = method(names, value.klass, name)
    return Func(None, found[1], found[0].closure, value) if found is not None else None


@memo
def own_method(names: Names, klass: Class, name: str) -> t.Function | None:
    """The method that a class itself defines."""
    if klass.local is not None:
        return next((f for f in _local_methods(klass.local) if f.name == name), None)
    module = names.program.module(klass.source.path)
    entry = klass.entry
    if module is None or entry is None:
        return None
    found = [member for member in entry.members.named(name) if member.kind == "function"]
    defined = (names.program.function(module, member, klass.qualname) for member in reversed(found))
    getters = (f for f in defined if f is not None and not has_decorator(f, "setter", "deleter"))
    return next(getters, None)


def methods(names: Names, klass: Class) -> Iterator[t.Function]:
    """All methods that a class itself defines."""
    if klass.local is not None:
        yield from _local_methods(klass.local)
        return
    module = names.program.module(klass.source.path)
    for member in klass.entry.members if klass.entry and module else ():
        if member.kind == "function":
            function = names.program.function(module, member, klass.qualname)  # type: ignore[arg-type]
            if function is not None:
                yield function


def _local_methods(node: t.DefineClass) -> Iterator[t.Function]:
    return (statement.function for statement in node.body if isinstance(statement, t.Define))


def class_frame(names: Names, klass: Class) -> Frame:
    """The frame in which a class's own statements run."""
    return klass.closure or names.module_frame(klass.source.path)


def own_self(names: Names, function: t.Function, frame: Frame) -> Values:
    """What the first parameter of a method is; () for a static method."""
    klass = owner(names, function, frame)
    if klass is None or has_decorator(function, "staticmethod"):
        return ()
    return (Cls(None, klass),) if is_class_method(function) else (Instance(None, klass),)


def owner(names: Names, function: t.Function, frame: Frame) -> Class | None:
    """The class that a method stands in."""
    values: Values = ()
    if "<locals>" not in function.owner:
        values = (ModuleValue(None, function.source.path),)
        for part in function.owner.split("."):
            values = unique([v for value in values for v in attribute(names, value, part)])
    elif frame.closure is not None:
        values = names.lookup(function.owner.rpartition(".")[2], frame.closure)
    return next((v.klass for v in values if isinstance(v, Cls)), None)


def has_decorator(decorated: t.Function | Class, *last: str) -> bool:
    """True where a decorator's last name is one of these."""
    return any(t.last_name(head) in last for head in decorator_heads(decorated))


def decorator_heads(decorated: t.Function | Class) -> Iterator[t.Expr]:
    """`register` of `@register` and of `@register("mail")`."""
    return (d.func if isinstance(d, t.Call) else d for d in decorated.decorators)


def is_class_method(function: t.Function) -> bool:
    return (
        has_decorator(function, "classmethod", "validator", "field_validator") or function.name == "__new__"
    )


# -------------------------------------------------------------------- members


def _member(names: Names, value: Instance | Cls | Super, name: str) -> Values:
    after = value.klass if isinstance(value, Super) else None
    target = value.instance if isinstance(value, Super) else value
    if not isinstance(target, (Instance, Cls)):
        return (Unknown(),)
    found = method(names, target.klass, name, after)
    if found is not None:
        return _method_value(names, found[0], found[1], target)
    if isinstance(target, Instance):
        assigned = _assigned(names, target, name)
        if known(assigned):
            return _set_later(names, target, name) if _is_unset(target, assigned) else assigned
    declared = _declared(names, target, name)
    if known(declared):
        return declared
    inherited = _outside_member(names, target, name)
    return (
        inherited or declared or ((Missing(None, name),) if is_closed(names, target.klass) else (Unknown(),))
    )


def _is_unset(target: Instance, values: Values) -> bool:
    """True for None in an object that a module makes: a lifespan or a start-up handler may set it later."""
    made = target.birth.frame.function is None if target.birth is not None else False
    return made and all(v == Const(value=None) for v in values)


def _set_later(names: Names, target: Instance, name: str) -> Values:
    return attributes.in_objects(names, target.klass, name) or (Const(value=None),)


def is_closed(names: Names, klass: Class) -> bool:
    """True where everything that could give an instance a member is first-party and plainly written."""
    for part in lineage(names, klass):
        if any(
            not isinstance(v, Cls) and v != Outside(None, "builtins.object") for v in base_values(names, part)
        ):
            return False
        if (
            part.decorators
            or own_method(names, part, "__getattr__")
            or own_method(names, part, "__getattribute__")
        ):
            return False
        if any(a.keyword is not None for a in part.bases) or _sets_by_name(names, part):
            return False
    return True


def _sets_by_name(names: Names, klass: Class) -> bool:
    """True where the text of a class may set attributes by names that are not written down."""
    module = names.program.module(klass.source.path)
    if module is None or klass.entry is None:
        return True
    text = module.text(klass.entry.start, klass.entry.end)
    return "setattr" in text or "__dict__" in text


def _method_value(names: Names, klass: Class, function: t.Function, target: Instance | Cls) -> Values:
    if has_decorator(function, *PROPERTIES):
        return calling.returned(names, names.frame(function, function.source.path, _self(function, target)))
    if isinstance(target, Instance) and not target.exact and is_abstract(function):
        concrete = _implementation(names, target.klass, function.name)
        if concrete is not None:
            return attribute(names, Instance(target.birth, concrete), function.name)
    bound: Value | None = target
    if has_decorator(function, "staticmethod") or (isinstance(target, Cls) and not is_class_method(function)):
        bound = None
    elif isinstance(target, Instance) and is_class_method(function):
        bound = Cls(None, target.klass)
    return names.decorated(function, class_frame(names, klass), bound)


@memo
def property_names(names: Names) -> frozenset[str]:
    """What may be a property of some class of the project, by its text."""
    sources = names.program.sources
    found = (_PROPERTY.findall(sources.scan(file)) for file in sources.mentioning(_PROPERTY))
    return frozenset(name.decode() for each in found for name in each)


def _self(function: t.Function, target: Value) -> tuple[tuple[str, Values], ...]:
    return ((function.parameters[0].name, (target,)),) if function.parameters else ()


def is_abstract(function: t.Function) -> bool:
    """A body that does nothing but `...`, `pass`, a docstring or `raise NotImplementedError`."""
    if has_decorator(function, "abstractmethod"):
        return True
    if function.content.is_stub is not None:
        return function.content.is_stub
    rest = [s for s in function.body if not (isinstance(s, t.Evaluate) and isinstance(s.value, t.Constant))]
    if not rest:
        return not function.is_lambda
    only = rest[0] if len(rest) == 1 else None
    if not isinstance(only, t.Raise):
        return False
    raised = only.value.func if isinstance(only.value, t.Call) else only.value
    return isinstance(raised, t.Name) and raised.id == "NotImplementedError"


def _implementation(names: Names, klass: Class, name: str) -> Class | None:
    """The one first-party class below `klass` that really defines a method."""
    key = ("implementation", klass, name)
    values = names.remember(key, lambda: tuple(islice(_implementing(names, klass, name), 2)))
    found = [value.klass for value in values if isinstance(value, Cls)]
    return found[0] if len(found) == 1 else None


def _implementing(names: Names, klass: Class, name: str) -> Iterator[Value]:
    for value in (*_subclasses(names, klass), *_alike(names, klass, name)):
        function = own_method(names, value.klass, name)
        if function is not None and not is_abstract(function):
            yield value


def _alike(names: Names, klass: Class, name: str) -> Iterator[Cls]:
    """The classes that have all methods of a protocol, without being derived from it."""
    if not any(isinstance(v, Outside) and v.name in _PROTOCOLS for v in base_values(names, klass)):
        return
    wanted = {function.name for function in methods(names, klass)}
    for file in names.program.sources.mentioning(re.compile(rf"def {name}\b".encode())):
        module = names.program.module(file.path)
        for entry in module.outline.entries if module is not None else ():
            if entry.kind == "class" and wanted <= {member.name for member in entry.members}:
                other = names.program.klass(module, entry)  # type: ignore[arg-type]
                if other is not None and klass not in lineage(names, other):
                    yield Cls(None, other)


def subclasses(names: Names, klass: Class) -> tuple[Class, ...]:
    """The first-party classes at module level that are derived from a class, by name and then by resolution."""
    key = ("subclasses", klass)
    found = names.remember(key, lambda: tuple(_subclasses(names, klass)))
    return tuple(value.klass for value in found if isinstance(value, Cls))


def _subclasses(names: Names, klass: Class) -> Iterator[Cls]:
    for module, entry in names.program.class_headers(klass.name):
        other = names.program.klass(module, entry)
        if other is not None and other is not klass and klass in lineage(names, other):
            yield Cls(None, other)


def _assigned(names: Names, target: Instance, name: str) -> Values:
    """What the first method of a class that says more than None assigns to `self.name`; `__init__` is asked first."""
    found: list[Value] = []
    for klass in lineage(names, target.klass):
        for function in _assigning(names, klass, name):
            found.extend(_assigned_by(names, function, target, name, klass))
            if any(v != Const(value=None) for v in known(tuple(found))):
                return unique([v for v in found if v != Const(value=None)])
        if found:
            break
    return unique(found)


def assigns(names: Names, klass: Class, name: str) -> bool:
    """True where a method of a class may set an attribute, also by a name that is not written down."""
    return bool(_assigning(names, klass, name)) or _sets_by_name(names, klass)


def _assigning(names: Names, klass: Class, name: str) -> list[t.Function]:
    module = names.program.module(klass.source.path)
    if klass.entry is None or module is None:
        return list(_local_methods(klass.local)) if klass.local else []
    members = _assigned_in(names, klass).get(name, ())
    found = (names.program.function(module, member, klass.qualname) for member in members)
    return sorted((f for f in found if f is not None), key=lambda function: function.name != "__init__")


_ASSIGNMENT = re.compile(
    r"\.(\w+)(?=\s*(?::[^=\n]+)?(?:=[^=]|,|\)?\s*=))"  # self.x = ..., self.x: T = ..., self.x, self.y = ...
    r"|\bas\s+self\.(\w+)"
)


@memo
def _assigned_in(names: Names, klass: Class) -> dict[str, list[Entry]]:
    """Attribute name -> the methods whose text may assign it; one pass over the class."""
    module = names.program.module(klass.source.path)
    found: dict[str, list[Entry]] = {}
    for member in klass.entry.members if klass.entry and module else ():
        if member.kind == "function" and module is not None:
            matches = _ASSIGNMENT.finditer(module.text(member.start, member.end))
            for name in dict.fromkeys(match[1] or match[2] for match in matches):
                found.setdefault(name, []).append(member)
    return found


def _assigned_by(
    names: Names, function: t.Function, target: Instance, name: str, klass: Class
) -> Iterator[Value]:
    if not function.parameters:
        return
    frame = method_frame(names, function, target, klass)
    self_name = function.parameters[0].name
    for binding in _self_bindings(function, self_name).get(name, ()):
        values = filling.named(names.evaluate(binding[0], frame), binding[0], f"self.{name}")
        if binding[1] == "enter":
            birth = Birth("with", frame, binding[0], name)
            values = unique([v for value in values for v in calling.entered(names, value, birth)])
        if not known(values) and binding[2] is not None:
            values = hints.typed(names, binding[2], frame)
        yield from values


def method_frame(names: Names, function: t.Function, target: Instance, klass: Class) -> Frame:
    """The frame of a method of an object; a constructor's is the one that made the object, where known."""
    init = target.init
    if init is not None and init.function is function:
        return init
    if init is not None and init.function is not None and function.name == "__init__":
        inherited = _inherited(names, init, function)
        if inherited is not None:
            return inherited
    return names.frame(
        function, function.source.path, _self(function, Instance(None, target.klass)), klass.closure
    )


def set_once(names: Names, target: Instance, name: str) -> t.Expr | None:
    """What the constructor gives an attribute, where it does so always, and no other method ever does."""
    init = target.init.function if target.init is not None else None
    if init is None or not init.parameters:
        return None
    classes = lineage(names, target.klass)
    setting = [f for klass in classes for f in _assigning(names, klass, name) if _may_set(f, name)]
    found = _self_bindings(init, init.parameters[0].name).get(name, ())
    if setting != [init] or len(found) != 1 or found[0][1] or scope(init).chain(found[0][0].at):
        return None
    return None if any(_sets_by_name(names, klass) for klass in classes) else found[0][0]


def _may_set(function: t.Function, name: str) -> bool:
    targets = [x for node in t.nodes_of(function, t.Assign) for x in t.walk(*node.targets)]
    bound = [node.target for node in t.nodes_of(function, t.For, t.WithItem) if node.target is not None]
    places = (*targets, *t.walk(*bound))
    return bool(t.nodes_of(function, t.Define)) or any(
        isinstance(x, t.Attribute) and x.name == name for x in places
    )


def _inherited(names: Names, init: Frame, function: t.Function) -> Frame | None:
    """The frame of a base's constructor, as `super().__init__(...)` in a constructor calls it."""
    assert init.function is not None
    calls = (c for c in t.nodes_of(init.function, t.Call) if t.last_name(c.func) == "__init__")
    for call in calls:
        for value in names.evaluate(call.func, init):
            if isinstance(value, Func) and value.function is not init.function:
                inner = calling.bind(names, value, *calling.arguments(names, call, init))
                return inner if value.function is function else _inherited(names, inner, function)
    return None


@memo
def _self_bindings(
    function: t.Function, self_name: str
) -> dict[str, list[tuple[t.Expr, str, t.Expr | None]]]:
    """Attribute name -> (value, "" or "enter", annotation) of the assignments to self in a function."""
    found: dict[str, list[tuple[t.Expr, str, t.Expr | None]]] = {}
    for node in t.nodes_of(function, t.Assign, t.WithItem):
        if isinstance(node, t.Assign) and node.value is not None and not node.operator:
            for target in node.targets:
                for left, right in _pairs(target, node.value):
                    if isinstance(left, t.Attribute) and _is_self(left.value, function, self_name):
                        found.setdefault(left.name, []).append((right, "", node.annotation))
        elif isinstance(node, t.WithItem) and isinstance(node.target, t.Attribute):
            found.setdefault(node.target.name, []).append((node.value, "enter", None))
    return found


def _is_self(expr: t.Expr, function: t.Function, self_name: str) -> bool:
    """`self`; in `__new__` what `super().__new__(cls)` gave, under its name or as an attribute of the class."""
    if function.name != "__new__":
        return isinstance(expr, t.Name) and expr.id == self_name
    values = ((node.value, node.targets) for node in t.nodes_of(function, t.Assign))
    made = (targets for v, targets in values if isinstance(v, t.Call) and t.last_name(v.func) == "__new__")
    objects = [target for targets in made for target in targets]
    return any(type(each) is type(expr) and t.last_name(each) == t.last_name(expr) for each in objects)


def _pairs(target: t.Expr, value: t.Expr) -> Iterator[tuple[t.Expr, t.Expr]]:
    if (
        isinstance(target, t.Collection)
        and isinstance(value, t.Collection)
        and len(target.items) == len(value.items)
    ):
        yield from zip(target.items, value.items, strict=True)
    else:
        yield target, value


def _declared(names: Names, target: Instance | Cls, name: str) -> Values:
    """What the class body says: a value, a nested class, an annotation; a field given to the constructor first."""
    given = target.init.binding(name) if isinstance(target, Instance) and target.init else None
    if given is not None and known(given):
        return given
    for klass in lineage(names, target.klass):
        found = _class_level(names, klass, name)
        if found:
            return found
    return ()


def _class_level(names: Names, klass: Class, name: str) -> Values:
    frame = class_frame(names, klass)
    if klass.local is not None:
        return names.assigned_in(klass.local.body, name, frame)
    module = names.program.module(klass.source.path)
    found: list[Value] = []
    for entry in klass.entry.members if klass.entry else ():
        if name in entry.names and module is not None:
            found.extend(_class_entry(names, module, entry, klass, name))
    return unique(found)


def _class_entry(names: Names, module: object, entry: Entry, klass: Class, name: str) -> Values:
    frame = class_frame(names, klass)
    if entry.kind == "class":
        nested = names.program.klass(module, entry, klass.qualname)  # type: ignore[arg-type]
        return (Cls(None, nested),) if nested else ()
    if entry.kind != "assign":
        return ()
    block = names.program.statements(module, entry, klass.qualname)  # type: ignore[arg-type]
    for binding in Scope(block).bindings.get(name, []):
        expr = binding.annotation
        if injected := _injected(names, binding, frame):
            return injected
        values = names.binding(binding, frame) if binding.value is not None else ()
        solid = tuple(v for v in known(values) if not isinstance(v, Const) and not _is_field(v))
        if not solid and expr is not None:
            return hints.typed(names, expr, frame)
        return values
    return ()


def _injected(names: Names, binding: Binding, frame: Frame) -> Values:
    """What FastAPI gives a field of a class that is a dependency: `session: Session = Depends(get_session)`."""
    default = binding.value if isinstance(binding.value, t.Call) else None
    if default is None and (binding.value is not None or binding.annotation is None):
        return ()
    field = t.Parameter(binding.at, binding.name, binding.annotation, default)
    return hints.injected(names, field, frame, frame)


_FIELDS = ("Field", "field", "FieldInfo")
_PARAMETERS = ("File", "Form", "Query", "Header", "Body", "Cookie", "Path")


def _is_field(value: Value) -> bool:
    """What stands for a value that is given later: `Field(...)`, FastAPI's `File(...)`."""
    if not isinstance(value, Outside):
        return False
    module, _, last = value.name.rpartition(".")
    return last.rstrip("()") in (*_FIELDS, *(_PARAMETERS if module.startswith("fastapi") else ()))


def _outside_member(names: Names, target: Instance | Cls, name: str) -> Values:
    instance = isinstance(target, Instance)
    for base in outside_bases(names, target.klass):
        dotted = names.knowledge.canonical(f"{base}.{name}")
        if names.knowledge.fact(dotted) is not None:
            return (Outside(None, dotted, False, Outside(target.birth, base, instance)),)
    for value in (v for part in lineage(names, target.klass) for v in base_values(names, part)):
        if isinstance(value, Outside) and value.name not in _SILENT_BASES:
            dotted = names.knowledge.canonical(f"{value.name}.{name}")
            return (Outside(None, dotted, False, Outside(target.birth, value.name, instance)),)
    return ()


_SILENT_BASES = {
    "builtins.object", "abc.ABC", "typing.Protocol", "typing.Generic", "pydantic.BaseModel", "enum.Enum",
}  # fmt: skip
