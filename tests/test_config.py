"""Configuration files: which is read, what they may say, and how they complain."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from bglint.config import Config, ConfigError, load, parse, schema, selects, unknown_selector

SCHEMA = Path(__file__).parent.parent / "docs" / "bglint.schema.json"
EVERY_KEY = {
    "select": ["BG2", "no-timeout"],
    "ignore": ["BG304"],
    "extend-select": ["BG702"],
    "per-file-ignores": {"scripts/*": ["BG405"]},
    "exclude": ["old"],
    "extend-exclude": ["gen/**"],
    "respect-gitignore": False,
    "include-tests": True,
    "strict": True,
    "fastapi-version": "0.115.14",
    "starlette-version": "0.45.3",
    "queue": "Celery",
    "output-format": ["text", "sarif:out.sarif"],
    "output-file": "report.txt",
    "baseline": "known.json",
    "fix": True,
    "unsafe-fixes": True,
    "show-suppressed": True,
    "statistics": True,
    "verbose": True,
    "quiet": True,
    "color": "never",
    "exit-zero": True,
    "cache": False,
    "cache-dir": "cache",
    "knowledge": {"calls": {"acme.send": {"effect": "network"}}},
}


def pyproject(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "pyproject.toml"
    file.write_text(text, "utf-8")
    return file


# ---------------------------------------------------------------- which file is read


def test_nothing_is_configured_by_default(tmp_path: Path) -> None:
    assert load(tmp_path) == Config()


def test_the_nearest_file_wins(tmp_path: Path) -> None:
    pyproject(tmp_path, "[tool.bglint]\nqueue = 'far'\n")
    near = pyproject(tmp_path / "app", "[tool.bglint]\nqueue = 'near'\n")
    config = load(tmp_path / "app" / "deep")
    assert (config.queue, config.folder, config.source) == ("near", str(near.parent), str(near))


def test_a_pyproject_that_does_not_speak_of_us_is_passed_over(tmp_path: Path) -> None:
    pyproject(tmp_path, "[tool.bglint]\nqueue = 'far'\n")
    pyproject(tmp_path / "app", "[tool.ruff]\nline-length = 1\n")
    assert load(tmp_path / "app").queue == "far"


def test_bglint_toml_needs_no_table_and_wins_over_its_neighbour(tmp_path: Path) -> None:
    pyproject(tmp_path, "[tool.bglint]\nqueue = 'pyproject'\n")
    (tmp_path / "bglint.toml").write_text("queue = 'own'\n")
    assert load(tmp_path).queue == "own"


def test_a_file_given_by_name_is_the_only_one_read(tmp_path: Path) -> None:
    pyproject(tmp_path, "[tool.bglint]\nqueue = 'near'\n")
    (tmp_path / "other.toml").write_text("strict = true\n")
    assert (
        load(tmp_path, tmp_path / "other.toml").queue,
        load(tmp_path, tmp_path / "other.toml").strict,
    ) == (
        None,
        True,
    )


# --------------------------------------------------------------------- what it says


def test_every_option_is_a_key() -> None:
    config = parse(EVERY_KEY, Path("bglint.toml"))
    assert config == Config(
        select=("BG2", "no-timeout"),
        ignore=("BG304",),
        extend_select=("BG702",),
        per_file_ignores={"scripts/*": ("BG405",)},
        exclude=("old",),
        extend_exclude=("gen/**",),
        respect_gitignore=False,
        include_tests=True,
        strict=True,
        fastapi_version="0.115.14",
        starlette_version="0.45.3",
        queue="Celery",
        output_format=("text", "sarif:out.sarif"),
        output_file="report.txt",
        baseline="known.json",
        fix=True,
        unsafe_fixes=True,
        show_suppressed=True,
        statistics=True,
        verbose=True,
        quiet=True,
        color="never",
        exit_zero=True,
        cache=False,
        cache_dir="cache",
        knowledge={"calls": {"acme.send": {"effect": "network"}}},
        folder=os.getcwd(),
        source="bglint.toml",
    )


def test_a_list_of_one_may_be_written_as_a_string() -> None:
    assert parse({"output-format": "json"}, Path("bglint.toml")).output_format == ("json",)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("selct = []", 'no option is called "selct", did you mean "select"?'),
        ("per_file_ignores = {}", 'no option is called "per_file_ignores", did you mean "per-file-ignores"?'),
        ("zzz = 1", 'no option is called "zzz"'),
        ("strict = 'yes'", 'strict must be true or false, not "yes"'),
        ("select = 201", "select must be a list of strings, not 201"),
        ("ignore = ['BG1', 2]", 'ignore must be a list of strings, not ["BG1", 2]'),
        ("queue = true", "queue must be a string, not true"),
        (
            "per-file-ignores = {a = 'BG1'}",
            'per-file-ignores must be a table of lists of strings, not {"a": "BG1"}',
        ),
        ("knowledge = []", "knowledge must be a table, not []"),
        ("color = 'pink'", 'color must be "auto", "always" or "never", not "pink"'),
    ],
)
def test_a_wrong_key_or_value_is_named_with_the_way_out(tmp_path: Path, text: str, complaint: str) -> None:
    file = pyproject(tmp_path, f"[tool.bglint]\n{text}\n")
    with pytest.raises(ConfigError) as error:
        load(tmp_path)
    assert str(error.value) == f"{file}: [tool.bglint] {complaint}"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[tool.bglint\n", "not valid TOML"),
        ("[tool]\nbglint = 3\n", r"\[tool.bglint\] must be a table, not 3"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    pyproject(tmp_path, text)
    with pytest.raises(ConfigError, match=rf"pyproject.toml: {complaint}"):
        load(tmp_path)


def test_a_table_too_many_is_named(tmp_path: Path) -> None:
    (tmp_path / "bglint.toml").write_text("[tool.bglint]\nstrict = true\n")
    with pytest.raises(
        ConfigError, match=r'called "tool": only in pyproject.toml is there a \[tool.bglint\]'
    ):
        load(tmp_path)


def test_a_file_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml: cannot be read: No such file"):
        load(tmp_path, tmp_path / "nowhere.toml")


# ------------------------------------------------------------------------- the schema


def test_the_schema_in_the_documentation_is_current() -> None:
    text = json.dumps(schema(), indent=2) + "\n"
    if os.environ.get("BGLINT_GOLDEN") == "write":
        SCHEMA.write_text(text, "utf-8")
    assert text == SCHEMA.read_text("utf-8")


def test_the_schema_takes_what_the_parser_takes() -> None:
    jsonschema.Draft7Validator.check_schema(schema())
    jsonschema.validate(EVERY_KEY, schema(), jsonschema.Draft7Validator)
    assert set(schema()["properties"]) == set(EVERY_KEY)


@pytest.mark.parametrize(
    "wrong", [{"selct": []}, {"strict": 1}, {"ignore": [1]}, {"per-file-ignores": {"a": "b"}}]
)
def test_the_schema_refuses_what_the_parser_refuses(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        parse(wrong, Path("bglint.toml"))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, schema(), jsonschema.Draft7Validator)


# ------------------------------------------------------------------------- selectors


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("ALL", True),
        ("BG", True),
        ("BG2", True),
        ("bg201", True),
        ("BG201", True),
        ("blocking-sleep", True),
        ("BG202", False),
        ("BG3", False),
        ("blocking", False),
        ("", False),
    ],
)
def test_selectors_are_codes_prefixes_and_names(selector: str, expected: bool) -> None:
    assert selects([selector], "BG201", "blocking-sleep") is expected


@pytest.mark.parametrize(
    ("selector", "complaint"),
    [
        ("BG299", 'no rule is called "BG299", did you mean "BG202"?'),
        ("blocking-slep", 'no rule is called "blocking-slep", did you mean "blocking-sleep"?'),
        ("E501", 'no rule is called "E501"'),
        ("BG2", None),
        ("ALL", None),
    ],
)
def test_an_unknown_selector_is_named_with_the_nearest(selector: str, complaint: str | None) -> None:
    assert unknown_selector([selector], {"BG201": "blocking-sleep", "BG202": "blocking-network"}) == complaint
