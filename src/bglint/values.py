"""What an expression may stand for: the answers of `names.py`.

All values are frozen and comparable. `birth` says where a value came into the world (a parameter,
a dependency, a call, a `with`), `of` what an outside value was taken from, so that a rule can ask
where something comes from, not only what it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from bglint.frozen import by_identity, by_value
from bglint.outline import Entry
from bglint.tree import Argument, DefineClass, Expr, Function, Node, Source


@by_identity
class Class:
    """A first-party class, at module level or in a class (`entry`) or inside a function (`local`)."""

    name: str
    qualname: str
    source: Source
    bases: tuple[Argument, ...]
    decorators: tuple[Expr, ...]
    at: int = 0
    entry: Entry | None = None
    local: DefineClass | None = None
    closure: Frame | None = None

    def __repr__(self) -> str:
        return f"<Class {self.source.module}:{self.qualname}>"


@by_identity
class Frame:
    """A function (None: the module itself) with what is known of its parameters.

    Frames are interned: equal functions, bindings and closures give the same object.
    """

    function: Function | None
    path: str
    bindings: tuple[tuple[str, Values], ...] = ()
    closure: Frame | None = None

    def binding(self, name: str) -> Values | None:
        for key, values in self.bindings:
            if key == name:
                return values
        return None

    def __repr__(self) -> str:
        return f"<Frame {self.function or self.path}>"


@by_value
class Birth:
    """Where a value came into the world; `providers` are the dependency's functions for the kind "dependency"."""

    kind: Literal["parameter", "dependency", "call", "with", "display"]
    frame: Frame
    node: Node
    name: str = ""
    providers: tuple[Value, ...] = ()


@by_value
class Value:
    birth: Birth | None = None


Values = tuple[Value, ...]


@by_value
class Unknown(Value):
    """Nothing is known but perhaps its birth."""


@by_value
class Missing(Value):
    """A name that a first-party module or class does not have."""

    name: str = ""


@by_value
class Const(Value):
    value: str | bytes | int | float | bool | None = None


@by_value
class Outside(Value):
    """Something of an outside library by its canonical dotted name; an instance of it where `instance`.

    `f()` of an outside function whose result type is not known is named "f()"; `of` is what it was taken from
    or called on.
    """

    name: str = ""
    instance: bool = False
    of: Value | None = None


@by_value
class ModuleValue(Value):
    """A first-party module, by path."""

    path: str = ""


@by_value
class Cls(Value):
    klass: Class = None  # type: ignore[assignment]


@by_value
class Instance(Value):
    """An object of a first-party class; `exact` where its construction was seen, `init` its constructor's frame."""

    klass: Class = None  # type: ignore[assignment]
    exact: bool = False
    init: Frame | None = None


@by_value
class Super(Value):
    """`super()` of an instance: members are looked up behind `klass`."""

    klass: Class = None  # type: ignore[assignment]
    instance: Value | None = None


@by_value
class Func(Value):
    """A first-party function. `bound` is its `self` or `cls`, `closure` the frame it was defined in.

    `decorators` are the dotted names of outside decorators around it, "?" for one that could not be read.
    """

    function: Function = None  # type: ignore[assignment]
    closure: Frame | None = None
    bound: Value | None = None
    decorators: tuple[str, ...] = ()


@by_value
class Partial(Value):
    target: Value = None  # type: ignore[assignment]
    positional: tuple[Values, ...] = ()
    keywords: tuple[tuple[str, Values], ...] = ()


@by_value
class Coroutine(Value):
    """What calling an async function gives; `call` is the frame that awaiting it runs."""

    func: Func = None  # type: ignore[assignment]
    call: Frame = None  # type: ignore[assignment]


@by_value
class Generator(Value):
    """What calling a (sync or async) generator function gives."""

    func: Func = None  # type: ignore[assignment]
    call: Frame = None  # type: ignore[assignment]


@by_value
class Items(Value):
    """A collection and what it holds. `kind`: "list", "tuple", "set", "dict", "iterator".

    `keys` are the constant keys of a dict, None where a key is not constant; `whole` where `items` are all there are
    (a display), else one entry stands for any element (an annotation `list[T]`).
    """

    kind: str = "list"
    items: tuple[Values, ...] = ()
    keys: tuple[object, ...] = ()
    whole: bool = True

    def elements(self) -> Iterator[Value]:
        for item in self.items:
            yield from item


@by_value
class Annotation(Value):
    """A type expression kept for later: `Annotated[...]`, `Optional[...]`, `A | B` under a name."""

    expr: Expr = None  # type: ignore[assignment]
    frame: Frame = None  # type: ignore[assignment]


def known(values: Values) -> Values:
    """The values without those that say nothing."""
    return tuple(v for v in values if not isinstance(v, (Unknown, Missing)))


def unique(values: list[Value]) -> Values:
    return tuple(dict.fromkeys(values) if len(values) > 1 else values)


def declared_as(given: Value, declared: Value) -> Value:
    """What is given where a type is declared: an object of that type, with the origin of what is given."""
    if isinstance(declared, Outside):
        return replace(declared, birth=given.birth, of=given)
    return replace(declared, birth=given.birth) if isinstance(declared, Instance) else declared


def anonymous(value: Value) -> bool:
    """True for what some outside call or index gave, or an attribute of a `state`, of a type that has no name."""
    if not isinstance(value, Outside):
        return False
    return ".state." in value.name or (value.instance and value.name.endswith(("()", "[]")))
