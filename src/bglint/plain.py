"""Frozen dataclasses to plain JSON values and back; what does not have the right shape is refused.

How to call: `json.dumps(plain(report))`, `restored(Report, json.loads(text))`. A dataclass is the list of its fields.
"""

from __future__ import annotations

import types
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

Restored = TypeVar("Restored")


def plain(value: Any) -> Any:
    """The value in lists, strings, numbers, booleans and None."""
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    if is_dataclass(value):
        return [plain(getattr(value, field.name)) for field in fields(value)]
    return value


def restored(kind: type[Restored], raw: object) -> Restored:
    """The dataclass that `plain` gave these values for; raises ValueError for any others."""
    values = _list(raw)
    kinds: tuple[Any, ...] = _field_kinds(kind)  # type: ignore[arg-type]
    if len(values) != len(kinds):
        raise ValueError(f"{kind.__name__} has {len(kinds)} fields, not {len(values)}")
    return kind(*(_value(wanted, value) for wanted, value in zip(kinds, values, strict=True)))


@cache
def _field_kinds(kind: Any) -> tuple[Any, ...]:
    hints = get_type_hints(kind)
    return tuple(hints[field.name] for field in fields(kind))


def _value(kind: Any, raw: object) -> Any:
    if is_dataclass(kind) and isinstance(kind, type):
        return restored(kind, raw)
    origin = get_origin(kind)
    if origin is tuple:
        return tuple(_value(get_args(kind)[0], item) for item in _list(raw))
    if origin in (Union, types.UnionType):
        inner = next(arg for arg in get_args(kind) if arg is not type(None))
        return None if raw is None else _value(inner, raw)
    fits = raw in get_args(kind) if origin is Literal else type(raw) is kind
    if not fits:
        raise ValueError(f"{raw!r} is no {kind}")
    return raw


def _list(raw: object) -> list[Any]:
    if not isinstance(raw, list):
        raise ValueError(f"{raw!r} is no list")
    return raw
