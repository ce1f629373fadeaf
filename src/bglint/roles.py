"""What a function is to the framework: a route, a dependency, a middleware ..., and who calls it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import accumulate, islice, pairwise
from typing import Literal

from bglint import members
from bglint import tree as t
from bglint.discover import SourceFile
from bglint.frozen import by_identity
from bglint.names import Names
from bglint.needles import begun
from bglint.program import Module
from bglint.values import Cls, Frame, Func, Instance, Unknown

RoleKind = Literal[
    "route", "websocket", "dependency", "middleware", "exception handler", "startup", "starlette route"
]

VERBS = {"get", "post", "put", "patch", "delete", "head", "options", "trace", "api_route"}
ROUTERS = ("fastapi.FastAPI", "fastapi.APIRouter", "fastapi.applications.FastAPI", "fastapi.routing.APIRouter",
           "starlette.applications.Starlette", "starlette.routing.Router")  # fmt: skip
_BY_DECORATOR: dict[str, RoleKind] = {
    **dict.fromkeys(VERBS, "route"),
    "route": "starlette route",
    "websocket": "websocket",
    "websocket_route": "websocket",
    "middleware": "middleware",
    "exception_handler": "exception handler",
    "on_event": "startup",
}

_SERVES = re.compile(rb"@[^\n#]*\.\s*(?:%s)\b" % "|".join(_BY_DECORATOR).encode())
"""A decorator that may make a handler of a function."""

_DEFINES = re.compile(rb"\bdef[ \t]+(\w+)")

_BY_CALL: dict[bytes, RoleKind] = {
    b"Depends": "dependency",
    b"Security": "dependency",
    b"add_api_route": "route",
    b"APIRoute": "route",
    b"add_api_websocket_route": "websocket",
    b"add_websocket_route": "websocket",
    b"WebSocketRoute": "websocket",
    b"APIWebSocketRoute": "websocket",
    b"add_route": "starlette route",
    b"Route": "starlette route",
    b"add_exception_handler": "exception handler",
    b"add_event_handler": "startup",
    b"lifespan": "startup",
    b"add_middleware": "middleware",
    b"dispatch": "middleware",
}
_REGISTERING = re.compile(b"|".join(_BY_CALL))
_PARTIAL = rb"(?:(?:functools\.)?partial\(\s*)?"
_REGISTERS = re.compile(rb"\b(%s)\s*[=(]\s*%s([^()]*)(\(?)" % (_REGISTERING.pattern, _PARTIAL))
_KIN = re.compile(
    rb"(?:class\s+(\w+)\s*\([^)]*"
    rb"|(\w+)\s*(?::[^=\n]+)?=\s*(?:\w+\.)*Annotated\[[^\]]*"
    rb"|def\s+(\w+)\s*\((?:[^()]|\([^()]*\))*\)\s*->[^:\n]*)\Z"
)
"""What stands before the name of a class: the name of one derived from it, of an alias, of a function that gives one."""

_KIN_REACH = 400
"""Bytes."""

_PROTOCOL = re.compile(rb"(?m)^class\s+(\w+)\s*\([^)]*\bProtocol\b")

MOST_CALLERS = 40
"""A name that is called in more places is too common to be looked for."""

MOST_KIN = 20
MOST_NEAR = 3
"""Of so many of its kin the kin is looked for."""


@by_identity
class Role:
    """`router` is the decorator's call for a decorated route, with its keywords (response_class, dependencies ...)."""

    kind: RoleKind
    function: t.Function
    router: t.Call | None = None


@by_identity
class Caller:
    """A call of a function, in the function (None: the module) where it is written; `chain` are the functions around it, outermost first."""

    call: t.Call
    chain: tuple[t.Function, ...]
    path: str


class Roles:
    """Answers by decorator first, then by an index of all registering calls, made in one pass over the files."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._registered: dict[str, set[RoleKind]] | None = None
        self._factories: set[str] = set()
        self._kin: dict[str, tuple[str, ...]] = {}
        self._made: dict[tuple[str, str], tuple[str, ...]] = {}
        self._roles: dict[t.Function, Role | None] = {}
        self._parents: dict[t.Function, t.Function] = {}
        self._callers: dict[tuple[t.Function, bool, bool], tuple[Caller, ...]] = {}

    def role(self, function: t.Function) -> Role | None:
        """The role of a function; None for a plain one."""
        if function not in self._roles:
            self._roles[function] = self._decorated(function) or self._by_index(function)
        return self._roles[function]

    def _decorated(self, function: t.Function) -> Role | None:
        for decorator in function.decorators:
            func = decorator.func if isinstance(decorator, t.Call) else decorator
            kind = _BY_DECORATOR.get(func.name) if isinstance(func, t.Attribute) else None
            if kind is not None and isinstance(func, t.Attribute) and self._is_router(func.value, function):
                return Role(kind, function, decorator if isinstance(decorator, t.Call) else None)
        return None

    def _is_router(self, expr: t.Expr, function: t.Function) -> bool:
        values = self._names.evaluate(expr, self._outer_frame(function))
        if any(members.is_a(self._names, value, *ROUTERS) for value in values):
            return True
        return not values or any(isinstance(value, Unknown) for value in values)

    def _outer_frame(self, function: t.Function) -> Frame:
        parent = self.parent(function)
        return self.default_frame(parent) if parent else self._names.module_frame(function.source.path)

    def _by_index(self, function: t.Function) -> Role | None:
        kinds = {kind for name in self.registered_as(function) for kind in self._index().get(name, ())}
        if function.name == "dispatch" and function.owner:
            return Role("middleware", function)
        if "<locals>" in function.qualname and kinds != {"dependency"}:
            kinds = {kind for kind in kinds if self._is_registered_beside(function, kind)}
        return next((Role(kind, function) for kind in sorted(kinds)), None)

    def _is_registered_beside(self, function: t.Function, kind: RoleKind) -> bool:
        """Does the function around a nested one register it: `router.add_api_route("/", endpoint)`?"""
        parent = self.parent(function)
        calls = t.nodes_of(parent, t.Call) if parent is not None else ()
        registering = (c for c in calls if _BY_CALL.get(t.last_name(c.func).encode()) == kind)
        given = (argument.value for call in registering for argument in call.arguments)
        return any(isinstance(expr, t.Name) and expr.id == function.name for expr in given)

    def registered_as(self, function: t.Function) -> tuple[str, ...]:
        """The names by which a registering call may name a function: of its class, an object, the factory around it."""
        if function.name == "__call__" and function.owner:
            return _last(function.owner), *self._objects(_last(function.owner))
        if function.name == "__init__":
            return (_last(function.owner),)
        factory = self.factory(function)
        return (function.name,) if factory is None else (function.name, factory.name)

    def factory(self, function: t.Function) -> t.Function | None:
        """The function around a nested one that hands it back, where a dependency is made so: `Depends(require("admin"))`."""
        parent = self.parent(function)
        if parent is None or (self._index() and parent.name not in self._factories):
            return None
        returned = (node.value for node in t.nodes_of(parent, t.Return))
        return parent if any(isinstance(v, t.Name) and v.id == function.name for v in returned) else None

    def _objects(self, klass: str, indent: str = r"\s*") -> tuple[str, ...]:
        """The names that objects of a class are given, by the text; without an indent those of modules alone."""
        if (klass, indent) not in self._made:
            pattern = rf"(?m)^{indent}(\w+)\s*(?::[^=\n]+)?=\s*(?:\w+\.)*{klass}\("
            self._made[klass, indent] = self._found(pattern, rf"{klass}\(")
        return self._made[klass, indent]

    def _index(self) -> dict[str, set[RoleKind]]:
        if self._registered is None:
            self._registered = defaultdict(set)
            for file in self._names.program.sources.mentioning(_REGISTERING):
                for match in _REGISTERS.finditer(self._names.program.sources.scan(file)):
                    names = re.findall(rb"[A-Za-z_]\w*(?=\s*(?:[,)\n]|$))", match.group(2))
                    if match.group(3) and _BY_CALL[match.group(1)] == "dependency":
                        self._factories.update(name.decode() for name in names[-1:])
                    for name in names:
                        self._registered[name.decode()].add(_BY_CALL[match.group(1)])
        return self._registered

    # -------------------------------------------------------------- functions

    def functions_in(self, module: Module, lines: set[int]) -> Iterator[t.Function]:
        """The functions and methods around these lines, each once, the functions inside them too."""
        seen: set[int] = set()
        for line in sorted(lines):
            for function in self.around(module, line):
                if id(function) not in seen:
                    seen.add(id(function))
                    yield function
                    yield from self.nested(function)

    def around(self, module: Module, line: int) -> Iterator[t.Function]:
        """The top-level function or method that holds a line."""
        entry, owner = module.outline.defined_at(line)
        if entry is not None and entry.kind == "function":
            function = self._names.program.function(module, entry, owner)
            if function is not None:
                yield function

    def nested(self, function: t.Function) -> Iterator[t.Function]:
        """The functions and lambdas inside a function, at any depth."""
        for node in t.nodes_of(function, t.Define, t.Lambda, t.DefineClass):
            for inner in _inner(node):
                self._parents[inner] = function
                yield inner
                yield from self.nested(inner)

    def parent(self, function: t.Function) -> t.Function | None:
        """The function around a nested one."""
        return self._parents.get(function)

    def default_frame(self, function: t.Function) -> Frame:
        """The frame of a function of whose callers nothing is known."""
        parent = self.parent(function)
        closure = self.default_frame(parent) if parent else None
        return self._names.frame(function, function.source.path, (), closure)

    # ---------------------------------------------------------------- callers

    def callers(
        self, function: t.Function, handlers: bool = False, handed: bool = False
    ) -> tuple[Caller, ...]:
        """The calls of a function in the project, by name and then by resolution.

        With `handlers` those in handlers; with `handed` also the calls that it is handed to: `to_thread(function, x)`.
        """
        key = (function, handlers, handed)
        if key not in self._callers:
            self._callers[key] = ()
            self._callers[key] = tuple(self._find_callers(function, handlers, handed))
        return self._callers[key]

    def _find_callers(self, function: t.Function, handlers: bool, handed: bool) -> Iterator[Caller]:
        for name in self._called_as(function):
            for file, lines in self._places(function, name, r"[(,]" if handed else r"\("):
                module = self._names.program.module(file.path)
                if module is not None:
                    wanted = {line for line in lines if not handlers or self.may_serve(module, line)}
                    for around in self.functions_in(module, wanted):
                        yield from self._calls_in(around, name, function, handed)

    def _called_as(self, function: t.Function) -> tuple[str, ...]:
        """The names that a function is called by: of its class for a constructor, of its objects for `__call__`."""
        if function.name == "__init__":
            return (_last(function.owner),)
        if function.name == "__call__" and function.owner:
            kin = "|".join(self._kin_of(_last(function.owner)))
            return self._found(rf"(?m)\b(\w+)\s*(?::[^=,\n()]*\b(?:{kin})\b|=\s*(?:\w+\.)*(?:{kin})\()", kin)
        return () if function.is_lambda else (function.name,)

    def _found(self, pattern: str, words: str) -> tuple[str, ...]:
        """The names that a pattern finds in files that hold one of these words."""
        sources, wanted = self._names.program.sources, re.compile(pattern.encode())
        found = (
            wanted.findall(sources.scan(file)) for file in sources.mentioning(re.compile(words.encode()))
        )
        return tuple(dict.fromkeys(islice((name.decode() for each in found for name in each), MOST_KIN)))

    def _places(self, function: t.Function, name: str, behind: str) -> list[tuple[SourceFile, set[int]]]:
        """The lines that may call a function; of a method also by those who know its class by another name, if nobody else."""
        klass = _last(function.owner)
        places = list(self._naming(function, name, behind, f"{klass}|{_snake(klass)}" if klass else ""))
        if klass and all(file.path == function.source.path for file, _ in places):
            near = self._akin(klass, *self._above(function), *self._objects(klass, indent=""))
            wider = list(self._naming(function, name, behind, near))
            places = wider if _count(wider) <= MOST_CALLERS else places
        return places if _count(places) <= MOST_CALLERS else []

    def may_serve(self, module: Module, line: int) -> bool:
        """Could the function around a line be a handler, or hold one? Told by its text, before it is read."""
        entry = module.outline.around(line)
        if entry is None or entry.kind != "function":
            return False
        text = module.text(entry.start, entry.end)
        return _SERVES.search(text.encode()) is not None or entry.name in self._index()

    def may_define_handlers(self, file: SourceFile) -> bool:
        """The same of a file, before it is outlined."""
        data = self._names.program.sources.scan(file)
        return _SERVES.search(data) is not None or not self._index().keys().isdisjoint(_names_in(data))

    def _naming(
        self, function: t.Function, name: str, behind: str, near: str
    ) -> Iterator[tuple[SourceFile, set[int]]]:
        """The lines that may call a function by this name, in files in which the pattern `near` is found, too.

        `behind` is the pattern of what follows its name there.
        """
        sources = self._names.program.sources
        called = re.compile(begun(rf"\b{name}(?<!def {name})\s*{behind}").encode())
        known = {function.source.path, *(file.path for file in sources.mentioning(re.compile(near.encode())))}
        for file in sources.mentioning(re.compile(name.encode())):
            if (not near or file.path in known) and (lines := _lines(called, sources.scan(file))):
                yield file, lines

    def _akin(self, klass: str, *others: str) -> str:
        """A pattern of what stands for a class elsewhere: itself, what is derived from it, an alias, a provider."""
        kin = self._kin_of(klass)
        return "|".join((*kin, *map(_snake, kin), *others))

    def _kin_of(self, klass: str) -> tuple[str, ...]:
        if klass not in self._kin:
            self._kin[klass] = self._find_kin(klass)
        return self._kin[klass]

    def _find_kin(self, klass: str) -> tuple[str, ...]:
        near = dict.fromkeys(islice(self._standing_before(klass), MOST_KIN))
        further = (name for each in islice(near, MOST_NEAR) for name in self._standing_before(each))
        return tuple(dict.fromkeys((klass, *near, *islice(further, MOST_KIN))))

    def _standing_before(self, klass: str) -> Iterator[str]:
        sources, wanted = self._names.program.sources, re.compile(klass.encode())
        for text in map(sources.scan, sources.mentioning(wanted)):
            for match in wanted.finditer(text):
                before = text[max(0, match.start() - _KIN_REACH) : match.start()]
                line = before[before.rfind(b"\n") + 1 :]
                if b"->" in line or b"class " in line or b"Annotated[" in before:
                    found = _KIN.search(before)
                    yield from (name.decode() for name in (found.groups() if found else ()) if name)

    def _above(self, function: t.Function) -> Iterator[str]:
        """The bases and protocols that have a method of the same name: callers may know no more."""
        klass = members.owner(self._names, function, self.default_frame(function))
        if klass is not None:
            bases = members.lineage(self._names, klass)[1:]
            yield from (base.name for base in bases if members.own_method(self._names, base, function.name))
            yield from self._protocols(function.name)

    def _protocols(self, method: str) -> Iterator[str]:
        """The protocols of the modules that have both a protocol and a method of this name."""
        sources, defined = self._names.program.sources, re.compile(rf"def {method}\b".encode())
        for file in sources.mentioning(re.compile(b"Protocol")):
            data = sources.scan(file)
            if defined.search(data):
                yield from (name.decode() for name in _PROTOCOL.findall(data))

    def _calls_in(self, around: t.Function, name: str, wanted: t.Function, handed: bool) -> Iterator[Caller]:
        frame = self.default_frame(around)
        for node in t.nodes_of(around, t.Call):
            given = (a.value for a in node.arguments if handed and not a.star)
            named = (expr for expr in (node.func, *given) if t.last_name(expr) == name)
            values = (value for expr in named for value in self._names.evaluate(expr, frame))
            if any(self._means(value, wanted) for value in values):
                yield Caller(node, self.chain(around), around.source.path)

    def _means(self, value: object, wanted: t.Function) -> bool:
        if isinstance(value, Func):
            return value.function is wanted or self._wraps(value, wanted)
        if isinstance(value, Cls) and wanted.name == "__init__":
            return members.own_method(self._names, value.klass, "__init__") is wanted
        if isinstance(value, Instance) and wanted.name == "__call__":
            func = members.bound(self._names, value, "__call__")
            return func is not None and func.function is wanted
        return False

    def _wraps(self, value: Func, wanted: t.Function) -> bool:
        bindings = value.closure.bindings if value.closure else ()
        return any(isinstance(v, Func) and v.function is wanted for _, values in bindings for v in values)

    def chain(self, function: t.Function | None) -> tuple[t.Function, ...]:
        """A function and those that it is defined in, outermost first."""
        if function is None:
            return ()
        parent = self.parent(function)
        return (*self.chain(parent), function) if parent else (function,)


def _inner(node: t.Node) -> Iterator[t.Function]:
    if isinstance(node, (t.Define, t.Lambda)):
        yield node.function
    elif isinstance(node, t.DefineClass):
        for statement in node.body:
            yield from _inner(statement)


def _lines(pattern: re.Pattern[bytes], data: bytes) -> set[int]:
    """The numbers of the lines in which a match begins."""
    starts = [match.start() for match in pattern.finditer(data)]
    gaps = (data.count(b"\n", start, end) for start, end in pairwise([0, *starts]))
    return {1 + number for number in accumulate(gaps)}


def _names_in(data: bytes) -> Iterator[str]:
    return (name.decode("utf-8", "replace") for name in _DEFINES.findall(data))


def _count(places: list[tuple[SourceFile, set[int]]]) -> int:
    return sum(len(lines) for _, lines in places)


def _last(dotted: str) -> str:
    return dotted.rpartition(".")[2]


def _snake(name: str) -> str:
    """What an object of a class is likely to be called: `cache_manager` of CacheManager."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
