"""Answers that are worth keeping for one run, and not for longer: they hold on to all that they were found in."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TypeVar, cast

F = TypeVar("F", bound=Callable[..., object])

_FORGET: list[Callable[[], None]] = []


def memo(function: F) -> F:
    """`functools.cache` until the next run."""
    kept = cache(function)
    _FORGET.append(kept.cache_clear)
    return cast("F", kept)


def forget() -> None:
    """A run begins: what was kept for the one before goes."""
    for clear in _FORGET:
        clear()
