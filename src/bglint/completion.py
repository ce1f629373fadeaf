"""What the shell may complete: rules, in lists with commas too, and formats."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from bglint.catalogue import names
from bglint.config import FORMATS


def rules(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Codes and names of rules; behind a comma those of the next one."""
    before, comma, word = incomplete.rpartition(",")
    known = [*names().items(), *((name, code) for code, name in names().items())]
    return [
        CompletionItem(f"{before}{comma}{value}", help=other)
        for value, other in known
        if value.lower().startswith(word.lower())
    ]


def formats(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of formats."""
    return [CompletionItem(name) for name in FORMATS if name.startswith(incomplete)]
