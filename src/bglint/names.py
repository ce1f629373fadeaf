"""What an expression stands for: names, imports, attributes and calls, followed through the project.

Nothing is guessed: what cannot be followed is `Unknown`. Answers are memoised; a question that
leads back to itself is answered with nothing.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Iterator

from bglint import calling, deciding, filling, hints, members, spreading
from bglint import tree as t
from bglint.knowledge import Knowledge
from bglint.outline import Entry
from bglint.program import Module, Program
from bglint.scope import Binding, Scope, scope
from bglint.values import (
    Birth,
    Class,
    Cls,
    Const,
    Frame,
    Func,
    Items,
    Missing,
    ModuleValue,
    Outside,
    Unknown,
    Value,
    Values,
    anonymous,
    declared_as,
    known,
    unique,
)  # fmt: skip

DEPTH = 40
"""How many questions may wait for each other before the answer is `Unknown`."""

MOST_FRAMES = 24
"""A function that is called in more ways than this is followed once more, with nothing known of its parameters."""

MOST_CONSTANT = 20
"""Many times more ways are told apart by their constants alone before nothing is known of any parameter."""

MOST_VALUES = 24
"""More alternatives than this say nothing that a reader could check."""


Bindings = tuple[tuple[str, Values], ...]
"""The values of parameters by name, in a fixed order."""

_UNKNOWN: Values = (Unknown(),)
_NONE: Values = (Const(value=None),)


class Names:
    """Evaluates expressions of a program in frames."""

    def __init__(self, program: Program, knowledge: Knowledge) -> None:
        self.program = program
        self.knowledge = knowledge
        self._counts: dict[tuple[object, ...], int] = {}
        self._frames: dict[tuple[object, ...], Frame] = {}
        self._modules: dict[str, Frame] = {}
        self._memo: dict[tuple[object, ...], Values] = {}
        self._parsed: dict[str, t.Expr] = {}
        self._open: set[tuple[object, ...]] = set()
        self.live: dict[Frame, tuple[t.Node, ...]] = {}

    # --------------------------------------------------------------- frames

    def frame(
        self,
        function: t.Function | None,
        path: str,
        bindings: Bindings = (),
        closure: Frame | None = None,
    ) -> Frame:
        """The interned frame of a function with these bindings; with fewer once there are too many."""
        key = (function, path, bindings, closure)
        if key not in self._frames:
            kept = self._kept(bindings, (function, path, closure))
            make = Frame if kept == bindings else self.frame
            self._frames[key] = make(function, path, kept, closure)
        return self._frames[key]

    def _kept(self, bindings: Bindings, of: tuple[object, ...]) -> Bindings:
        """What tells this way to call a function from the others: constants alone, then nothing, once they are many."""
        self._counts[of] = count = self._counts.get(of, 0) + 1
        if count <= MOST_FRAMES:
            return bindings
        return _constants(bindings) if count <= MOST_CONSTANT * MOST_FRAMES else ()

    def module_frame(self, path: str) -> Frame:
        """The frame of a module's own statements."""
        if path not in self._modules:
            self._modules[path] = self.frame(None, path)
        return self._modules[path]

    # ----------------------------------------------------------- evaluation

    def remember(self, key: tuple[object, ...], ask: Callable[[], Values]) -> Values:
        """The answer to a question, asked once; () while it is being asked, `Unknown` too deep down."""
        found = self._memo.get(key)
        if found is not None:
            return found
        if key in self._open:
            return ()
        if len(self._open) > DEPTH:
            return _UNKNOWN
        self._open.add(key)
        try:
            found = self._memo[key] = ask()[:MOST_VALUES]
        finally:
            self._open.discard(key)
        return found

    def parsed(self, text: str, parse: Callable[[str], t.Expr]) -> t.Expr:
        """A string annotation, parsed once."""
        if text not in self._parsed:
            self._parsed[text] = parse(text)
        return self._parsed[text]

    def evaluate(self, expr: t.Expr | None, frame: Frame) -> Values:
        """Everything that `expr` may stand for in `frame`; never empty but in a circle."""
        found = self._memo.get((expr, frame))
        if found is not None:
            return found
        handler = _EVALUATE.get(type(expr))
        if handler is not None:
            return self.remember((expr, frame), lambda: handler(self, expr, frame))
        return _NONE if expr is None else _literal(expr)

    def together(self, exprs: tuple[t.Expr, ...], frame: Frame) -> Values:
        """Everything that one of these may stand for; kept where it was asked for outside of any circle."""
        found = self._memo.get((exprs, frame))
        if found is not None:
            return found
        answers = [self.evaluate(expr, frame) for expr in exprs]
        found = unique([value for values in answers for value in values])
        if all((expr, frame) in self._memo for expr in exprs):
            self._memo[exprs, frame] = found
        return found

    def _name(self, expr: t.Name, frame: Frame) -> Values:
        return self.lookup(expr.id, frame, expr.at)

    def _attribute(self, expr: t.Attribute, frame: Frame) -> Values:
        found: list[Value] = []
        for value in self.evaluate(expr.value, frame):
            found.extend(members.attribute(self, value, expr.name))
        return unique(found)

    def _call(self, expr: t.Call, frame: Frame) -> Values:
        found: list[Value] = []
        for value in self.evaluate(expr.func, frame):
            found.extend(calling.result(self, value, expr, frame))
        return unique(found)

    def _await(self, expr: t.Await, frame: Frame) -> Values:
        found: list[Value] = []
        for value in self.evaluate(expr.value, frame):
            found.extend(calling.awaited(self, value))
        return unique(found)

    def _either(self, expr: t.Conditional, frame: Frame) -> Values:
        verdict = deciding.decide(self, expr.test, frame)
        arms = (
            (expr.body,)
            if verdict is True
            else (expr.orelse,)
            if verdict is False
            else (expr.body, expr.orelse)
        )
        return unique([value for arm in arms for value in self.evaluate(arm, frame) or _UNKNOWN])

    def _operation(self, expr: t.Operation, frame: Frame) -> Values:
        if expr.kind in ("or", "and"):
            operands = deciding.evaluated(self, expr, frame)
            found = [value for operand in operands for value in self.evaluate(operand, frame) or _UNKNOWN]
            some = [v for v in found if v != Const(value=None)] if expr.kind == "or" else found
            return unique(some or found)
        return calling.arithmetic(self, expr, frame)

    def _walrus(self, expr: t.Walrus, frame: Frame) -> Values:
        return self.evaluate(expr.value, frame)

    def _starred(self, expr: t.Starred, frame: Frame) -> Values:
        return self.evaluate(expr.value, frame)

    def _collection(self, expr: t.Collection, frame: Frame) -> Values:
        birth = Birth("display", frame, expr)
        return (Items(birth, expr.kind, tuple(self.evaluate(item, frame) for item in expr.items)),)

    def _mapping(self, expr: t.Mapping, frame: Frame) -> Values:
        pairs: list[tuple[object, Values]] = []
        for key, value in expr.items:
            found, closed = spreading.keywords(self, value, frame) if key is None else ({}, False)
            own = (key.value if isinstance(key, t.Constant) else None, self.evaluate(value, frame))
            pairs.extend(found.items() if closed else [own])
        keys, items = tuple(key for key, _ in pairs), tuple(values for _, values in pairs)
        return (Items(Birth("display", frame, expr), "dict", items, keys),)

    def _comprehension(self, expr: t.Comprehension, frame: Frame) -> Values:
        element = self.evaluate(expr.elements[-1], frame)
        return (Items(Birth("display", frame, expr), expr.kind, (element,), whole=False),)

    def _subscript(self, expr: t.Subscript, frame: Frame) -> Values:
        found: list[Value] = []
        for value in self.evaluate(expr.value, frame):
            found.extend(calling.item(self, value, expr.index, frame, expr))
        return unique(found)

    def _lambda(self, expr: t.Lambda, frame: Frame) -> Values:
        return (Func(None, expr.function, frame),)

    def _text(self, expr: t.Text, frame: Frame) -> Values:
        return (Outside(Birth("display", frame, expr), "builtins.str", True),)

    # ---------------------------------------------------------------- names

    def lookup(self, name: str, frame: Frame, at: int | None = None) -> Values:
        """What a name means in a frame, for a use at `at` (None: from a nested function)."""
        if frame.function is None:
            return self.global_name(frame.path, name)
        local = scope(frame.function)
        if local.declared.get(name) == "global":
            return self.global_name(frame.path, name)
        parameter = frame.function.parameter(name)
        if parameter is not None:
            return self._parameter_or_later(parameter, frame, at)
        if bindings := deciding.open_bindings(self, local.visible(name, at), frame):
            return self._bound(bindings, frame)
        if frame.closure is not None:
            return self.lookup(name, frame.closure)
        return self.global_name(frame.path, name)

    def _parameter_or_later(self, parameter: t.Parameter, frame: Frame, at: int | None) -> Values:
        """What a parameter was given, and what its name was given since."""
        assert frame.function is not None
        every, hidden = scope(frame.function).rebound(parameter.name, at)
        bindings = deciding.open_bindings(self, every, frame)
        if hidden:
            return self._bound(bindings, frame)
        own = self.parameter(parameter, frame)
        return unique([*own, *self._bound(bindings, frame)]) if bindings else own

    def _bound(self, bindings: list[Binding], frame: Frame) -> Values:
        return unique([value for binding in bindings for value in self.binding(binding, frame)])

    def binding(self, binding: Binding, frame: Frame) -> Values:
        """What one binding gives its name."""
        return self.remember(("binding", binding, frame), lambda: self._binding(binding, frame))

    def _binding(self, binding: Binding, frame: Frame) -> Values:
        if binding.kind == "function":
            assert isinstance(binding.node, t.Define)
            return self.decorated(binding.node.function, frame)
        if binding.kind == "class":
            assert isinstance(binding.node, t.DefineClass) and frame.function is not None
            source = frame.function.source
            node = binding.node
            qualname = f"{frame.function.qualname}.<locals>.{node.name}"
            return (Cls(None, self._local_class(node, qualname, source, frame)),)
        if binding.kind == "import":
            return self.imported(frame.path, binding.target)
        if binding.kind == "assign" and binding.value is not None:
            return self._assigned(binding, frame)
        if binding.kind == "annotation" and binding.annotation is not None:
            return hints.typed(self, binding.annotation, frame)
        return _UNKNOWN

    def _local_class(self, node: t.DefineClass, qualname: str, source: t.Source, frame: Frame) -> Class:
        return Class(node.name, qualname, source, node.bases, node.decorators, node.at, None, node, frame)

    def _assigned(self, binding: Binding, frame: Frame) -> Values:
        values = self.evaluate(binding.value, frame)
        for step in binding.steps:
            values = unique([v for value in values for v in self._step(value, step, binding, frame)])
        values = filling.named(values, binding.value, binding.name)
        if binding.annotation is not None and all(anonymous(value) for value in known(values)):
            declared = hints.typed(self, binding.annotation, frame)
            return self._named(known(values), declared) if known(values) else declared
        return values

    def _step(self, value: Value, step: int | str, binding: Binding, frame: Frame) -> Values:
        if step == "enter":
            return calling.entered(self, value, Birth("with", frame, binding.node, binding.name))
        if step == "element":
            return calling.element(self, value)
        if isinstance(step, int):
            return calling.nth(self, value, step)
        return _UNKNOWN

    # ----------------------------------------------------------- parameters

    def parameter(self, parameter: t.Parameter, frame: Frame) -> Values:
        """What a parameter holds: what the caller gave, else what its annotation and default say."""
        given = known(frame.binding(parameter.name) or ())
        if given and not all(anonymous(value) for value in given):
            return given
        declared = self.remember(("parameter", parameter, frame), lambda: self._declared(parameter, frame))
        return self._named(given, declared) if given else declared

    def _named(self, given: Values, declared: Values) -> Values:
        """Values without a type of their own, with the type that the annotation gives them."""
        if not known(declared):
            return given
        return unique([declared_as(value, kind) for value in given for kind in declared])

    def _declared(self, parameter: t.Parameter, frame: Frame) -> Values:
        function = frame.function
        assert function is not None
        if function.owner and parameter is function.parameters[0]:
            own = members.own_self(self, function, frame)
            if own:
                return own
        outer = frame.closure or self.module_frame(frame.path)
        birth = Birth("parameter", frame, parameter, parameter.name)
        if parameter.kind in ("*", "**"):
            return (Unknown(birth),)
        injected = hints.injected(self, parameter, frame, outer)
        if injected:
            return injected
        found: Values = ()
        if parameter.annotation is not None:
            found = hints.typed(self, parameter.annotation, outer, birth)
        if not known(found) and parameter.default is not None:
            default = self.evaluate(parameter.default, outer)
            found = tuple(v for v in default if not isinstance(v, Const)) or found
        return found or (Unknown(birth),)

    # -------------------------------------------------------------- modules

    def global_name(self, path: str, name: str) -> Values:
        """What a name means at the level of a module; a builtin where the module does not bind it."""
        found = self.exported(path, name)
        if found:
            return found
        if hasattr(builtins, name):
            return (Outside(None, f"builtins.{name}"),)
        return _UNKNOWN

    def exported(self, path: str, name: str) -> Values:
        """What a module binds to a name; () where it does not."""
        return self.remember(("global", path, name), lambda: self._exported(path, name))

    def _exported(self, path: str, name: str) -> Values:
        module = self.program.module(path)
        if module is None:
            return _UNKNOWN
        found: list[Value] = []
        for entry in _latest(module.outline.named(name)):
            found.extend(self._entry(module, entry, name))
        if not known(tuple(found)) or all(v == Const(value=None) for v in found):
            found.extend(self._declared_global(module, name))
        if not found:
            found.extend(self._starred_import(module, name))
        if not found:
            found.extend(self._submodule(module, name))
        return unique(found)

    def _entry(self, module: Module, entry: Entry, name: str) -> Values:
        frame = self.module_frame(module.path)
        if entry.kind == "function":
            function = self.program.function(module, entry)
            return self.decorated(function, frame) if function else (Unknown(),)
        if entry.kind == "class":
            klass = self.program.klass(module, entry)
            return (Cls(None, klass),) if klass else (Unknown(),)
        if entry.kind == "import":
            return self.imported(module.path, entry.targets[entry.names.index(name)])
        return self.assigned_in(self.program.statements(module, entry), name, frame)

    def assigned_in(self, block: t.Block, name: str, frame: Frame) -> Values:
        """What the statements of a block, run in `frame`, assign to `name`."""
        found: list[Value] = []
        for binding in Scope(block).bindings.get(name, []):
            found.extend(self.binding(binding, frame))
        return unique(found)

    def _declared_global(self, module: Module, name: str) -> Iterator[Value]:
        """Assignments in functions that declare `global name`."""
        for number in module.declared_global.get(name, ()):
            entry = module.outline.around(number)
            function = self.program.function(module, entry) if entry and entry.kind == "function" else None
            if function is not None:
                frame = self.frame(function, module.path)
                for binding in scope(function).bindings.get(name, []):
                    yield from self.binding(binding, frame)

    def _starred_import(self, module: Module, name: str) -> Iterator[Value]:
        for entry in module.outline.named("*"):
            for value in self.imported(module.path, entry.targets[entry.names.index("*")]):
                if isinstance(value, ModuleValue):
                    yield from self.exported(value.path, name)

    def _submodule(self, module: Module, name: str) -> Iterator[Value]:
        if module.file.is_package:
            file = self.program.sources.find_module(f"{module.file.module}.{name}", module.file)
            if file is not None and file.path != module.path:
                yield ModuleValue(None, file.path)

    def imported(self, path: str, target: str) -> Values:
        """What `import target` or `from a import b` (target "a.b", relative ones with leading dots) gives."""
        module = self.program.module(path)
        if module is None:
            return _UNKNOWN
        dotted = absolute(module, target)
        return self.remember(("import", path, dotted), lambda: self._imported(module, dotted))

    def _imported(self, module: Module, dotted: str) -> Values:
        parts = dotted.split(".")
        for cut in range(len(parts), 0, -1):
            head = ".".join(parts[:cut])
            file = self._find(head, module)
            if file is not None and file != module.path:
                return self._through(ModuleValue(None, file), parts[cut:], dotted)
            if file is not None and cut < len(parts):
                return self._through(ModuleValue(None, file), parts[cut:], dotted)
        if self.program.sources.is_namespace(parts[0], module.file) and not self._is_outside(parts[0]):
            return _UNKNOWN
        return (Outside(None, self.knowledge.canonical(dotted)),)

    def _find(self, dotted: str, module: Module) -> str | None:
        file = self.program.sources.find_module(dotted, module.file)
        return file.path if file is not None else None

    def _is_outside(self, package: str) -> bool:
        return package in sys.stdlib_module_names

    def _through(self, value: Value, rest: list[str], dotted: str) -> Values:
        values: Values = (value,)
        for name in rest:
            values = unique([v for value in values for v in members.attribute(self, value, name)])
        return values or (Missing(None, dotted),)

    # ----------------------------------------------------------- decorators

    def decorated(self, function: t.Function, frame: Frame, bound: Value | None = None) -> Values:
        """The function as its name is bound: what its decorators make of it."""
        closure = frame if frame.function is not None else None
        values: Values = (Func(None, function, closure, bound),)
        for decorator in reversed(function.decorators):
            values = unique([v for value in values for v in self._decorate(value, decorator, frame)])
        return values

    def _decorate(self, value: Value, decorator: t.Expr, frame: Frame) -> Values:
        if isinstance(decorator, t.Name) and decorator.id in ("property", "staticmethod", "classmethod"):
            return (value,)
        found: list[Value] = []
        for wrapper in self.evaluate(decorator, frame):
            found.extend(calling.decorate(self, wrapper, value))
        return unique(found) or (value,)


def _constants(bindings: Bindings) -> Bindings:
    """The parameters of which a constant is known: these close branches."""
    return tuple(pair for pair in bindings if all(isinstance(value, Const) for value in pair[1]))


def _literal(expr: t.Expr) -> Values:
    if isinstance(expr, t.Constant) and expr.value is not ...:
        return (Const(value=expr.value),)  # type: ignore[arg-type]
    return _UNKNOWN


def absolute(module: Module, target: str) -> str:
    """A relative import target made absolute; others unchanged."""
    bare = target.lstrip(".")
    level = len(target) - len(bare)
    if not level:
        return target
    base = module.file.module.split(".")
    drop = level - 1 if module.file.is_package else level
    return ".".join([*base[: len(base) - drop], bare]).strip(".")


def _latest(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """The bindings that may be seen after the module has run: all, but imports for type checkers only if alone."""
    real = tuple(entry for entry in entries if not entry.typing_only) or entries
    definitions = [entry for entry in real if entry.kind in ("function", "class")]
    return tuple(definitions[-1:]) if definitions and real[-1] is definitions[-1] else real


_EVALUATE: dict[type, Callable[..., Values]] = {
    t.Name: Names._name,
    t.Attribute: Names._attribute,
    t.Call: Names._call,
    t.Await: Names._await,
    t.Conditional: Names._either,
    t.Operation: Names._operation,
    t.Walrus: Names._walrus,
    t.Starred: Names._starred,
    t.Collection: Names._collection,
    t.Mapping: Names._mapping,
    t.Comprehension: Names._comprehension,
    t.Subscript: Names._subscript,
    t.Lambda: Names._lambda,
    t.Text: Names._text,
}
