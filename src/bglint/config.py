"""The options of a run. The keys of `[tool.bglint]` are the fields of `Config`, written with dashes."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import Field, dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_type_hints

BASELINE = "bglint-baseline.json"
FORMATS = ("text", "concise", "json", "jsonl", "sarif", "github", "gitlab", "junit")
COLORS = ("auto", "always", "never")
DEFAULT_EXCLUDE = ("__pycache__", "__pypackages__", "build", "dist", "node_modules", "site-packages", "venv")


class ConfigError(Exception):
    """A configuration that cannot be used; the message names the file, the key and the way out."""


def _option(default: Any, meaning: str) -> Any:
    if isinstance(default, dict):
        return field(default_factory=dict, metadata={"meaning": meaning})
    return field(default=default, metadata={"meaning": meaning})


@dataclass(frozen=True, slots=True)
class Config:
    """Every option. Globs are relative to `folder`, where the configuration file stands."""

    select: tuple[str, ...] = _option(("ALL",), "Rules to run: codes (BG201), prefixes (BG2), names or ALL.")
    ignore: tuple[str, ...] = _option((), "Rules not to run; wins over select.")
    extend_select: tuple[str, ...] = _option((), "Rules to run besides the selected ones.")
    per_file_ignores: Mapping[str, tuple[str, ...]] = _option(
        {}, "Rules not to report for files: a gitignore pattern to a list of rules."
    )
    exclude: tuple[str, ...] = _option(
        DEFAULT_EXCLUDE, "Files and folders that are not read, as gitignore patterns; replaces the default."
    )
    extend_exclude: tuple[str, ...] = _option((), "Further files and folders that are not read.")
    respect_gitignore: bool = _option(True, "Do not read what .gitignore files exclude.")
    include_tests: bool = _option(False, "Lint tests/, test_*.py, *_test.py and conftest.py too.")
    strict: bool = _option(False, "Report findings of the level advice too.")
    fastapi_version: str | None = _option(
        None, "The FastAPI version to judge by, instead of the one found in lock files and requirements."
    )
    starlette_version: str | None = _option(
        None, "The Starlette version to judge by, instead of the one found."
    )
    queue: str | None = _option(None, "The task queue to recommend, instead of the one the project uses.")
    output_format: tuple[str, ...] = _option(
        ("text",), f"One or more of {', '.join(FORMATS)}; each may name a file: sarif:out.sarif."
    )
    output_file: str | None = _option(None, "Write the report to this file.")
    baseline: str | None = _option(None, "A file of known findings; only new ones are reported.")
    fix: bool = _option(False, "Apply the safe fixes.")
    unsafe_fixes: bool = _option(False, "Apply the fixes that may change behaviour, too.")
    show_suppressed: bool = _option(False, "List the suppressed findings and why.")
    statistics: bool = _option(False, "Count the findings by rule.")
    verbose: bool = _option(False, "List the tasks that could not be followed, and more.")
    quiet: bool = _option(False, "No summary.")
    color: Literal["auto", "always", "never"] = _option("auto", "Colours in the terminal; auto asks it.")
    exit_zero: bool = _option(False, "Exit with 0 even where something was found.")
    cache: bool = _option(True, "Keep what was found for as long as nothing that matters changes.")
    cache_dir: str | None = _option(
        None, "Where it is kept, instead of .bglint_cache in the project's folder."
    )
    knowledge: Mapping[str, Any] = _option(
        {}, "What outside functions do: the project's own knowledge table."
    )
    folder: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a key may hold: in words, as JSON schema, as a test, and how it becomes the field's value."""

    words: str
    schema: Mapping[str, Any]
    accepts: Callable[[Any], bool]
    convert: Callable[[Any], Any] = lambda value: value


def _is_strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


_STRINGS = {"type": "array", "items": {"type": "string"}}
_KINDS: dict[Any, _Kind] = {
    bool: _Kind("true or false", {"type": "boolean"}, lambda value: isinstance(value, bool)),
    str | None: _Kind("a string", {"type": "string"}, lambda value: isinstance(value, str)),
    Literal["auto", "always", "never"]: _Kind(
        '"auto", "always" or "never"', {"enum": list(COLORS)}, lambda value: value in COLORS
    ),
    tuple[str, ...]: _Kind(
        "a list of strings",
        {"anyOf": [_STRINGS, {"type": "string"}]},
        lambda value: isinstance(value, str) or _is_strings(value),
        lambda value: (value,) if isinstance(value, str) else tuple(value),
    ),
    Mapping[str, tuple[str, ...]]: _Kind(
        "a table of lists of strings",
        {"type": "object", "additionalProperties": _STRINGS},
        lambda value: isinstance(value, dict) and all(map(_is_strings, value.values())),
        lambda value: {key: tuple(items) for key, items in value.items()},
    ),
    Mapping[str, Any]: _Kind("a table", {"type": "object"}, lambda value: isinstance(value, dict)),
}


@cache
def _keys() -> dict[str, tuple[Field[Any], _Kind]]:
    """Each key of the file with the field that it sets."""
    hints = get_type_hints(Config)
    options = (option for option in fields(Config) if "meaning" in option.metadata)
    return {option.name.replace("_", "-"): (option, _KINDS[hints[option.name]]) for option in options}


def load(start: Path, file: Path | None = None) -> Config:
    """Read `file`, or the nearest bglint.toml or pyproject.toml with `[tool.bglint]` at or above `start`."""
    if file is not None:
        table = _table(file)
        return parse(table or {}, file)
    for folder in (start, *start.parents):
        for candidate in (folder / "bglint.toml", folder / "pyproject.toml"):
            if candidate.is_file() and (table := _table(candidate)) is not None:
                return parse(table, candidate)
    return Config()


def parse(table: Mapping[str, Any], file: Path) -> Config:
    """Turn the keys of one file into a Config; raises ConfigError for a key or a value that is wrong."""
    place = f"{file}: [tool.bglint]" if file.name == "pyproject.toml" else f"{file}:"
    known = _keys()
    values = {}
    for key, value in table.items():
        if key not in known:
            hint = (
                ": only in pyproject.toml is there a [tool.bglint]" if key == "tool" else suggest(key, known)
            )
            raise ConfigError(f'{place} no option is called "{key}"{hint}')
        option, kind = known[key]
        if not kind.accepts(value):
            raise ConfigError(f"{place} {key} must be {kind.words}, not {_shown(value)}")
        values[option.name] = kind.convert(value)
    return Config(**values, folder=str(file.parent.absolute()), source=str(file))


def _table(file: Path) -> Mapping[str, Any] | None:
    """The options in a file; None for a pyproject.toml that does not mention us."""
    data = _read_toml(file)
    if file.name != "pyproject.toml":
        return data
    table = data.get("tool", {}).get("bglint")
    if table is not None and not isinstance(table, dict):
        raise ConfigError(f"{file}: [tool.bglint] must be a table, not {_shown(table)}")
    return table


def _read_toml(file: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: not valid TOML: {error}") from error
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from error


def suggest(word: str, known: Iterable[str]) -> str:
    """`, did you mean "select"?`, or nothing where no known word is near."""
    from difflib import get_close_matches

    near = get_close_matches(word.replace("_", "-"), list(known), n=1, cutoff=0.6)
    return f', did you mean "{near[0]}"?' if near else ""


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value).replace("'", '"')


def schema() -> dict[str, Any]:
    """The JSON schema of `[tool.bglint]`, made from the fields of `Config`."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "bglint",
        "description": "The options of bglint: [tool.bglint] in pyproject.toml, or a bglint.toml.",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            key: {"description": option.metadata["meaning"], **kind.schema, **_default(option)}
            for key, (option, kind) in sorted(_keys().items())
        },
    }


def _default(option: Field[Any]) -> dict[str, Any]:
    default = option.default
    if isinstance(default, tuple):
        return {"default": list(default)}
    return {"default": default} if isinstance(default, (bool, str)) else {}


def selects(selectors: Iterable[str], code: str, name: str) -> bool:
    """Does one of the selectors (code, prefix, name, ALL) mean this rule?"""
    return any(_means(selector, code, name) for selector in selectors)


def _means(selector: str, code: str, name: str) -> bool:
    if re.fullmatch(r"BG\d{0,3}", selector, re.IGNORECASE):
        return code.startswith(selector.upper())
    return selector == "ALL" or selector == name


def unknown_selector(selectors: Iterable[str], names: Mapping[str, str]) -> str | None:
    """The complaint about the first selector that means none of the rules (code to name)."""
    for selector in selectors:
        if selector != "ALL" and not any(_means(selector, code, name) for code, name in names.items()):
            near = suggest(selector, [*names, *names.values()])
            return f'no rule is called "{selector}"{near}'
    return None
