"""What a folder's manifests say about the packages we ask for: lock files, requirements, pyproject and kin.

Lock files are searched as text, never parsed: they run to megabytes.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bglint.frozen import by_value

QUEUES = {
    "celery": "Celery",
    "arq": "ARQ",
    "dramatiq": "Dramatiq",
    "rq": "RQ",
    "taskiq": "taskiq",
    "procrastinate": "procrastinate",
    "huey": "Huey",
}
WANTED = ("fastapi", "starlette", *QUEUES)
_LOCKS = ("uv.lock", "poetry.lock", "pdm.lock", "pylock.toml", "Pipfile.lock")
_FIXED_NAMES = (*_LOCKS, "pyproject.toml", "Pipfile", "setup.cfg", "setup.py")
_NAMES = "|".join(WANTED)
_EXTRAS = r"(?:\s*\[[^\]]*\])?"
_BOUND = r"[<>=!~]=?=?\s*[\w.*+!-]+"
_BOUNDS = rf"\(?\s*(?P<bounds>{_BOUND}(?:\s*,\s*{_BOUND})*)?"
_REQUIREMENT = re.compile(rf"(?i)\s*(?P<name>{_NAMES}){_EXTRAS}\s*{_BOUNDS}\s*\)?\s*(?:$|[;#@\\]|--)")
_INCLUDED = re.compile(r"(?m)^\s*(?:-[rc]|--requirement|--constraint)[ =]*(\S+)")
_QUOTED = re.compile(r"""["']([^"'\n]+)["']""")
_TOML_LOCKED = re.compile(rf'(?m)^name = "({_NAMES})"\r?\nversion = "([^"]+)"')
_PIPFILE_LOCKED = re.compile(rf'"({_NAMES})":\s*{{[^{{}}]*?"version":\s*"==([^"]+)"')
_MEMBER = re.compile(r'(?m)^source = \{ (?:editable|virtual) = "([^"]+)" \}')


@by_value
class Declared:
    """A package that a manifest names; `bounds` is "" where it sets none."""

    name: str
    bounds: str
    path: Path
    line: int


@by_value
class Manifests:
    """What one folder says: `locked` by its lock files, `declared` by hand, in the order of trust.

    `members` are the folders that its lock file speaks for (a uv workspace).
    """

    locked: tuple[Declared, ...]
    declared: tuple[Declared, ...]
    members: tuple[Path, ...]


_READ: dict[Path, Manifests] = {}
_OPENED: dict[Path, None] = {}


def read(folder: Path) -> Manifests:
    """Read the manifests that stand in `folder` itself, once until `forget`."""
    if folder not in _READ:
        _READ[folder] = _read(folder)
    return _READ[folder]


def forget() -> None:
    """Read everything anew when it is asked for again."""
    _READ.clear()
    _OPENED.clear()


def asked() -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """The folders that were asked for, and the files in which that was answered, missing ones too."""
    return tuple(_READ), tuple(_OPENED)


def listed(folder: Path) -> tuple[str, ...]:
    """The manifests that stand in a folder, by name."""
    present = set(os.listdir(folder)) if folder.is_dir() else set()
    requirements = (f"{path.parent.name}/{path.name}" for path in _requirement_files(folder, present))
    return (*sorted(requirements), *(name for name in _FIXED_NAMES if name in present))


def _read(folder: Path) -> Manifests:
    present = set(os.listdir(folder)) if folder.is_dir() else set()
    lock = folder / "uv.lock"
    members = _MEMBER.findall(_text(lock)) if lock.name in present else []
    return Manifests(
        tuple(_locked(folder, present)),
        tuple(_declared(folder, present)),
        tuple((folder / member).resolve() for member in members),
    )


def _locked(folder: Path, present: set[str]) -> Iterator[Declared]:
    for name in _LOCKS:
        if name in present:
            pattern = _PIPFILE_LOCKED if name == "Pipfile.lock" else _TOML_LOCKED
            text = _text(folder / name)
            for found in pattern.finditer(text):
                yield Declared(found[1], f"=={found[2]}", folder / name, _line(text, found.start()))


def _declared(folder: Path, present: set[str]) -> Iterator[Declared]:
    for path in _requirement_files(folder, present):
        yield from _requirements(path, set())
    for name in ("pyproject.toml", "Pipfile"):
        if name in present:
            yield from _toml(folder / name)
    if "setup.cfg" in present:
        yield from _lines(folder / "setup.cfg")
    if "setup.py" in present:
        yield from _setup_py(folder / "setup.py")


def _requirement_files(folder: Path, present: set[str]) -> list[Path]:
    files = [folder / name for name in present if re.fullmatch(r"requirements.*\.txt", name)]
    if "requirements" in present:
        files += (folder / "requirements").glob("*.txt")
    return sorted(files, key=lambda path: (path.name != "requirements.txt", _for_developers(path), path))


def _for_developers(path: Path) -> bool:
    return re.search(r"dev|test|doc|lint", path.stem) is not None


def _requirements(path: Path, seen: set[Path]) -> Iterator[Declared]:
    _OPENED[path] = None
    if path in seen or not path.is_file():
        return
    seen.add(path)
    yield from _lines(path)
    for included in _INCLUDED.findall(_text(path)):
        yield from _requirements((path.parent / included).resolve(), seen)


def _lines(path: Path) -> Iterator[Declared]:
    for number, line in enumerate(_text(path).splitlines(), 1):
        yield from _requirement(line, path, number)


def _setup_py(path: Path) -> Iterator[Declared]:
    text = _text(path)
    for quoted in _QUOTED.finditer(text):
        yield from _requirement(quoted[1], path, _line(text, quoted.start()))


def _requirement(text: str, path: Path, line: int) -> Iterator[Declared]:
    if found := _REQUIREMENT.match(text):
        yield Declared(found["name"].lower(), found["bounds"] or "", path, line)


def _toml(path: Path) -> Iterator[Declared]:
    text = _text(path)
    data = _parsed(text)
    for requirement in _requirement_strings(data):
        yield from _requirement(requirement, path, _line(text, text.find(requirement)))
    for name, bounds in _requirement_tables(data):
        place = re.search(rf'(?m)^\s*"?{name}"?\s*=', text)
        yield Declared(name.lower(), bounds, path, _line(text, place.end() if place else 0))


def _parsed(text: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {}


def _requirement_strings(data: dict[str, Any]) -> Iterator[str]:
    project, tool = data.get("project", {}), data.get("tool", {})
    lists = [project.get("dependencies", [])]
    lists += project.get("optional-dependencies", {}).values()
    lists += data.get("dependency-groups", {}).values()
    lists += tool.get("pdm", {}).get("dev-dependencies", {}).values()
    lists.append(tool.get("uv", {}).get("dev-dependencies", []))
    yield from (item for items in lists for item in items if isinstance(item, str))


def _requirement_tables(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    poetry = data.get("tool", {}).get("poetry", {})
    tables = [data.get("packages", {}), data.get("dev-packages", {})]
    tables += [poetry.get("dependencies", {}), poetry.get("dev-dependencies", {})]
    tables += [group.get("dependencies", {}) for group in poetry.get("group", {}).values()]
    for table in tables:
        for name, wanted in table.items():
            if name.lower() in WANTED:
                yield name, _table_bounds(wanted)


def _table_bounds(wanted: object) -> str:
    if isinstance(wanted, dict):
        wanted = wanted.get("version", "")
    return wanted if isinstance(wanted, str) and "|" not in wanted else ""


def _text(path: Path) -> str:
    _OPENED[path] = None
    try:
        raw = path.read_bytes()
    except OSError:
        return ""
    # Windows shells write `pip freeze > requirements.txt` as UTF-16.
    wide = raw.startswith((b"\xff\xfe", b"\xfe\xff"))
    return raw.decode("utf-16" if wide else "utf-8-sig", errors="replace")


def _line(text: str, offset: int) -> int:
    return text.count("\n", 0, max(offset, 0)) + 1


def above(folder: Path, root: Path) -> tuple[Path, ...]:
    """The folder and those around it, nearest first, up to and with `root`."""
    folder, root = folder.resolve(), root.resolve()
    levels = (folder, *folder.parents)
    return levels[: levels.index(root) + 1] if root in levels else levels[:1]
