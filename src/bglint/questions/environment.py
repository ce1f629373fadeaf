"""What a process is told when it starts: a handful of values that a person has written."""

from __future__ import annotations

from bglint import tree as t
from bglint.project import Project
from bglint.values import Frame, Instance, Outside, Value

DEPTH = 5
_ENVIRONMENT = (
    "os.environ",
    "os.getenv",
    "decouple.",
    "environs.",
    "environ.",
    "starlette.config.",
    "dynaconf.",
)
_SETTINGS = ("pydantic_settings.BaseSettings", "pydantic.BaseSettings", "pydantic.v1.BaseSettings")
_NAMED = ("settings", "get_settings")


def from_environment(project: Project, expr: t.Expr, frame: Frame, depth: int = DEPTH) -> bool:
    """True for what is made of nothing but the environment or the settings, by no more than builtins."""
    if not depth:
        return False
    if isinstance(expr, t.Comprehension):
        return all(from_environment(project, loop.iterable, frame, depth - 1) for loop in expr.loops)
    if _is_setting(project, expr, frame):
        return True
    if isinstance(expr, t.Call) and _is_builtin(project, expr, frame):
        return any(from_environment(project, given.value, frame, depth - 1) for given in expr.arguments)
    values = project.evaluate(expr, frame)
    return bool(values) and all(_is_told(project, value, expr, depth) for value in values)


def _is_setting(project: Project, expr: t.Expr, frame: Frame) -> bool:
    """True for `settings.admins`, `get_settings().get("admins")` and a field of pydantic's settings."""
    if isinstance(expr, t.Attribute) and any(
        isinstance(owner, Instance) and project.is_a(owner, *_SETTINGS)
        for owner in project.evaluate(expr.value, frame)
    ):
        return True
    while isinstance(expr, t.Attribute | t.Subscript | t.Call):
        expr = expr.func if isinstance(expr, t.Call) else expr.value
        if t.last_name(expr).lower() in _NAMED:
            return True
    return False


def _is_builtin(project: Project, call: t.Call, frame: Frame) -> bool:
    """True for `set(...)` and `map(...)`, not for a method of a text or a list."""
    called = project.evaluate(call.func, frame) if isinstance(call.func, t.Name) else ()
    return any(isinstance(value, Outside) and value.name.startswith("builtins.") for value in called)


def _is_told(project: Project, value: Value, expr: t.Expr, depth: int) -> bool:
    if isinstance(value, Outside) and value.name.startswith(_ENVIRONMENT):
        return True
    made = value.birth.node if value.birth is not None else None
    if value.birth is None or not isinstance(made, t.Expr) or made is expr:
        return False
    return from_environment(project, made, value.birth.frame, depth - 1)
