"""Where imports and loggers go, over the layouts that files have."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bglint.edits import add_import, add_logger, can_import, insert, lines_of, replace
from bglint.model import Edit, Span


def applied(source: str, *edits: Edit) -> str:
    lines = lines_of(source)
    starts = [sum(map(len, lines[:index])) for index in range(len(lines) + 1)]
    for edit in reversed(edits):
        span = edit.span
        start, end = starts[span.line - 1] + span.column - 1, starts[span.end_line - 1] + span.end_column - 1
        source = source[:start] + edit.text + source[end:]
    return source


def with_import(source: str, statement: str = "import asyncio") -> str:
    edit = add_import(source, "app.py", statement)
    assert edit is not None
    return applied(source, edit)


LAYOUTS = {
    "empty": ("", "import asyncio\n"),
    "code only": ("x = 1\n", "import asyncio\n\nx = 1\n"),
    "function only": ("def f():\n    pass\n", "import asyncio\n\n\ndef f():\n    pass\n"),
    "docstring": ('"""Doc."""\n\nx = 1\n', '"""Doc."""\n\nimport asyncio\n\nx = 1\n'),
    "docstring then code": ("'''Doc.'''\nx = 1\n", "'''Doc.'''\n\nimport asyncio\n\nx = 1\n"),
    "long docstring": (
        '"""Doc.\n\nimport os\n"""\n\nx = 1\n',
        '"""Doc.\n\nimport os\n"""\n\nimport asyncio\n\nx = 1\n',
    ),
    "future": (
        "from __future__ import annotations\n\nx = 1\n",
        "from __future__ import annotations\n\nimport asyncio\n\nx = 1\n",
    ),
    "docstring and future": (
        '"""Doc."""\n\nfrom __future__ import annotations\n\nfrom fastapi import FastAPI\n',
        '"""Doc."""\n\nfrom __future__ import annotations\n\nimport asyncio\n\nfrom fastapi import FastAPI\n',
    ),
    "shebang and coding": (
        "#!/usr/bin/env python\n# -*- coding: utf-8 -*-\n\nx = 1\n",
        "#!/usr/bin/env python\n# -*- coding: utf-8 -*-\n\nimport asyncio\n\nx = 1\n",
    ),
    "after earlier names": ("import abc\nimport time\n", "import abc\nimport asyncio\nimport time\n"),
    "before later names": ("import time\n\nx = 1\n", "import asyncio\nimport time\n\nx = 1\n"),
    "unsorted": (
        "import time\nimport json\n\nx = 1\n",
        "import time\nimport json\nimport asyncio\n\nx = 1\n",
    ),
    "before the from of its section": (
        "from dataclasses import dataclass\n\nfrom fastapi import FastAPI\n",
        "import asyncio\nfrom dataclasses import dataclass\n\nfrom fastapi import FastAPI\n",
    ),
    "only foreign": (
        "from fastapi import FastAPI\n\nx = 1\n",
        "import asyncio\n\nfrom fastapi import FastAPI\n\nx = 1\n",
    ),
    "many lines": (
        "import abc\nfrom fastapi import (\n    FastAPI,\n    Request,\n)\n",
        "import abc\nimport asyncio\nfrom fastapi import (\n    FastAPI,\n    Request,\n)\n",
    ),
    "comment at the end": (
        "import abc  # noqa: F401\nx = 1\n",
        "import abc  # noqa: F401\nimport asyncio\nx = 1\n",
    ),
    "no newline at the end": ("import abc", "import abc\nimport asyncio\n"),
    "semicolon": ("import abc; x = '''\n'''\n", "import asyncio\n\nimport abc; x = '''\n'''\n"),
    "in try": (
        "try:\n    import orjson\nexcept ImportError:\n    orjson = None\nimport time\n",
        "try:\n    import orjson\nexcept ImportError:\n    orjson = None\nimport asyncio\nimport time\n",
    ),
    "only for the type checker": (
        "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    import asyncio\n",
        "import asyncio\nfrom typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    import asyncio\n",
    ),
    "inside a function": (
        "import time\n\n\ndef f():\n    import asyncio\n",
        "import asyncio\nimport time\n\n\ndef f():\n    import asyncio\n",
    ),
    "other alias": ("import asyncio as aio\n", "import asyncio\nimport asyncio as aio\n"),
    "only relative": ("from . import models\n", "import asyncio\n\nfrom . import models\n"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_import_goes_where_the_file_keeps_its_imports(layout: str) -> None:
    before, after = LAYOUTS[layout]
    assert with_import(before) == after


@pytest.mark.parametrize("layout", LAYOUTS)
def test_import_is_there_afterwards(layout: str) -> None:
    after = LAYOUTS[layout][1]
    compile(after, "app.py", "exec")
    assert add_import(after, "app.py", "import asyncio") is None


FROMS = {
    "one line": ("from fastapi import FastAPI\n", "from fastapi import BackgroundTasks, FastAPI\n"),
    "last on the line": (
        "from fastapi import APIRouter\n",
        "from fastapi import APIRouter, BackgroundTasks\n",
    ),
    "comment": (
        "from fastapi import APIRouter  # noqa: F401\n",
        "from fastapi import APIRouter, BackgroundTasks  # noqa: F401\n",
    ),
    "one name a line": (
        "from fastapi import (\n    APIRouter,\n    FastAPI,\n)\n",
        "from fastapi import (\n    APIRouter,\n    BackgroundTasks,\n    FastAPI,\n)\n",
    ),
    "one name a line, last": (
        "from fastapi import (\n    APIRouter,  # routes\n)\n",
        "from fastapi import (\n    APIRouter,  # routes\n    BackgroundTasks,\n)\n",
    ),
    "no shape we know": (
        "from fastapi import (APIRouter,\n  FastAPI)\n",
        "from fastapi import BackgroundTasks\nfrom fastapi import (APIRouter,\n  FastAPI)\n",
    ),
    "other module": (
        "from anyio import sleep\nfrom httpx import get\n",
        "from anyio import sleep\nfrom fastapi import BackgroundTasks\nfrom httpx import get\n",
    ),
    "after the plain ones": (
        "import httpx\n\nfrom . import models\n",
        "import httpx\nfrom fastapi import BackgroundTasks\n\nfrom . import models\n",
    ),
    "standard library first": (
        "import time\n\nx = 1\n",
        "import time\n\nfrom fastapi import BackgroundTasks\n\nx = 1\n",
    ),
}


@pytest.mark.parametrize("layout", FROMS)
def test_from_import(layout: str) -> None:
    before, after = FROMS[layout]
    assert with_import(before, "from fastapi import BackgroundTasks") == after
    compile(after, "app.py", "exec")
    assert add_import(after, "app.py", "from fastapi import BackgroundTasks") is None


SORTED = [
    name
    for name in {**LAYOUTS, **FROMS}
    if name not in {"unsorted", "semicolon", "many lines", "no shape we know"}
]


@pytest.mark.parametrize("layout", SORTED)
def test_sorted_imports_stay_sorted(layout: str) -> None:
    before, after = {**LAYOUTS, **FROMS}[layout]
    assert _unsorted(before) or not _unsorted(after)


def _unsorted(source: str) -> bool:
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--isolated",
        "--select=I001",
        "-",
        "--stdin-filename=app.py",
    ]
    return subprocess.run(command, input=source, text=True, capture_output=True, check=False).returncode == 1


def test_crlf_source_is_read_line_by_line() -> None:
    edit = add_import("import abc\r\nimport time\r\n", "app.py", "import asyncio")
    assert edit == Edit("app.py", Span(2, 1, 2, 1), "import asyncio\n")


@pytest.mark.parametrize(
    ("source", "free"),
    [
        ("", True),
        ("import asyncio\n", True),
        ("from mine import asyncio\n", False),
        ("asyncio = None\n", False),
        ("def asyncio(): ...\n", False),
    ],
)
def test_a_name_that_means_something_else(source: str, free: bool) -> None:
    assert can_import(source, "import asyncio") is free


def test_what_is_no_single_import_is_refused() -> None:
    with pytest.raises(ValueError, match="not a single import"):
        add_import("", "app.py", "import a, b")


LOGGERS = {
    "there": ("import logging\n\nlog = logging.getLogger('app')\n", "log", None),
    "loguru": ("from loguru import logger\n", "logger", None),
    "structlog": ("import structlog\n\nLOG = structlog.get_logger()\n", "LOG", None),
    "missing": (
        "import time\n\nx = 1\n",
        "logger",
        "import logging\nimport time\n\nlogger = logging.getLogger(__name__)\n\nx = 1\n",
    ),
    "import there": (
        "import logging\nfrom fastapi import FastAPI\n\nx = 1\n",
        "logger",
        "import logging\nfrom fastapi import FastAPI\n\nlogger = logging.getLogger(__name__)\n\nx = 1\n",
    ),
    "no imports": (
        "def f():\n    pass\n",
        "logger",
        "import logging\n\nlogger = logging.getLogger(__name__)\n\n\ndef f():\n    pass\n",
    ),
    "name taken": (
        "import logging\nlogger = 3\n",
        "log",
        "import logging\n\nlog = logging.getLogger(__name__)\nlogger = 3\n",
    ),
}


@pytest.mark.parametrize("layout", LOGGERS)
def test_logger(layout: str) -> None:
    before, name, after = LOGGERS[layout]
    found, edits = add_logger(before, "app.py")
    assert found == name
    assert applied(before, *edits) == (after or before)


def test_plain_constructors() -> None:
    assert replace("a.py", Span(1, 2, 1, 5), "x") == Edit("a.py", Span(1, 2, 1, 5), "x")
    assert insert("a.py", 3, 4, "x") == Edit("a.py", Span(3, 4, 3, 4), "x")


def test_lines_are_split_where_python_splits() -> None:
    assert lines_of("a\r\nb\rc\n\x0cd\u2028e") == ["a\r\n", "b\r", "c\n", "\x0cd\u2028e"]
