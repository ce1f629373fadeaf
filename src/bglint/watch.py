"""`--watch`: lint again after each save.

How to call: `watch(folder, again)`, where `again` lints and prints. The first run loads what every run needs; each later
one is a copy of this process where the system can make one, so that nothing is loaded twice and nothing piles up.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from bglint.cache import FOLDER
from bglint.config import ConfigError
from bglint.copies import Copy

if TYPE_CHECKING:
    from watchfiles import DefaultFilter

DEBOUNCE = 50
"""Milliseconds: the changes of one save come together."""

_PATIENCE = 200
"""Milliseconds after which the watcher is known to watch."""

_MATTERS = (".py", ".toml", ".lock", ".txt", ".in", ".cfg", ".json", ".gitignore", "Pipfile")


def watch(folder: str, again: Callable[[], None]) -> None:
    """Run until Ctrl-C; what is wrong with the configuration is told, and may be mended meanwhile."""
    changes = _changes(folder)
    # Ctrl-C may come between two looks of the watcher, which minds its own only.
    with suppress(KeyboardInterrupt):
        _run(folder, changes, again)


def _run(folder: str, changes: Iterator[bool], again: Callable[[], None]) -> None:
    next(changes)
    _once(again)
    _tell(folder)
    for changed in changes:
        if changed:
            click.clear()
            _apart(again)
            _tell(folder)


def _changes(folder: str) -> Iterator[bool]:
    """False when the watcher is ready, then True after each change that may matter."""
    try:
        import watchfiles
    except ImportError as error:
        raise ConfigError("--watch needs the package watchfiles: pip install 'bglint[watch]'") from error
    found = watchfiles.watch(
        folder,
        watch_filter=_filter(),
        debounce=10 * DEBOUNCE,
        step=DEBOUNCE,
        rust_timeout=_PATIENCE,
        yield_on_timeout=True,
        raise_interrupt=False,
    )
    return (bool(changes) for changes in found)


def _filter() -> DefaultFilter:
    from watchfiles import Change, DefaultFilter

    class Matters(DefaultFilter):
        """Python files and what else a result depends on, outside of caches and environments."""

        def __call__(self, change: Change, path: str) -> bool:
            return path.endswith(_MATTERS) and super().__call__(change, path)

    return Matters(ignore_dirs=(*DefaultFilter.ignore_dirs, FOLDER))


def _apart(again: Callable[[], None]) -> None:
    """Run in a copy of this process."""
    if hasattr(os, "fork"):
        Copy(lambda: _once(again)).result()
    else:
        _once(again)


def _once(again: Callable[[], None]) -> None:
    from bglint.discover import PathError

    try:
        again()
    except (ConfigError, PathError) as error:
        click.echo(f"bglint: {error}", err=True)
    except (click.exceptions.Exit, KeyboardInterrupt):
        pass
    sys.stdout.flush()


def _tell(folder: str) -> None:
    click.echo(f"Watching {folder} for changes; Ctrl-C ends it.", err=True)
