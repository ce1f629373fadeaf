"""The map of tasks as a tree, as Mermaid and as JSON."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from bglint.report.safe import visible
from bglint.taskmap import Origin, Task

_COLORS = {"event loop": "magenta", "thread": "green", "unknown": "red"}


def as_tree(origins: Sequence[Origin], color: bool, width: int) -> str:
    """One branch a route, its tasks in the order in which they run."""
    if not origins:
        return "No tasks found.\n"
    out = io.StringIO()
    console = Console(
        file=out, force_terminal=color, color_system="standard" if color else None, width=width,
        legacy_windows=False, _environ={},
    )  # fmt: skip
    for origin in origins:
        tree = Tree(_head(origin))
        for number, task in enumerate(origin.tasks, 1):
            tree.add(_line(number, task))
        console.print(tree, soft_wrap=True)
        console.print()
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def _head(origin: Origin) -> Text:
    head = Text(visible(origin.title), "bold").append(f"  {visible(origin.handler)}", "not bold")
    return head.append(f"  {visible(origin.path)}:{origin.line}", "not bold cyan")


def _line(number: int, task: Task) -> Text:
    line = Text(f"{number}. {visible(task.name)}").append(f"  {task.where}", _COLORS[task.where])
    if task.effects:
        line.append(f"  {', '.join(task.effects)}", "yellow")
    return line.append(f"  {visible(task.path)}:{task.line}", "dim")


def as_json(origins: Sequence[Origin]) -> str:
    """`[{title, handler, path, line, tasks: [{name, path, line, where, effects}]}]`"""
    return json.dumps([asdict(origin) for origin in origins], indent=2) + "\n"


def as_mermaid(origins: Sequence[Origin]) -> str:
    """A flowchart: each response, then its tasks one after another."""
    lines = ["flowchart LR"]
    for number, origin in enumerate(origins):
        lines.append(f'    r{number}["{_quoted(origin.title)}<br>{_quoted(origin.handler)}"]')
        before = f"r{number}"
        for place, task in enumerate(origin.tasks):
            node = f"r{number}t{place}"
            words = "<br>".join([_quoted(task.name), task.where, *filter(None, [", ".join(task.effects)])])
            lines += [f'    {node}("{words}")', f"    {before} --> {node}"]
            before = node
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """Mermaid's own way to write what would end a label."""
    harmless = visible(text).replace("&", "#amp;").replace('"', "#quot;")
    return harmless.replace("<", "#lt;").replace(">", "#gt;")
