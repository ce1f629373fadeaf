"""Versions are read from the nearest manifest, and what they mean is exact to the release."""

from __future__ import annotations

from pathlib import Path

import pytest

from bglint.framework import Framework, detect, queues
from bglint.versions import VersionRange, parse

UV_LOCK = """version = 1

[[package]]
name = "fastapi"
version = "0.115.14"
source = { registry = "https://pypi.org/simple" }

[[package]]
name = "fastapi-users"
version = "15.0.4"

[[package]]
name = "starlette"
version = "0.46.2"
"""


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def found(root: Path, files: dict[str, str], folder: str = ".") -> tuple[str, str]:
    """The version and the place of a project with these files."""
    framework = detect(write(root, files) / folder, root)
    return str(framework.fastapi), framework.source


@pytest.mark.parametrize(
    ("bounds", "shown"),
    [
        ("==0.115.14", "0.115.14"),
        ("0.115.14", "0.115.14"),
        ("===0.115.14", "0.115.14"),
        ("==0.115", "0.115.0"),
        ("==0.115.*", ">=0.115.0,<0.116.0"),
        (">=0.106,<0.118", ">=0.106.0,<0.118.0"),
        (">0.106,<=0.117.1", ">=0.106.1,<0.117.2"),
        ("~=0.115.3", ">=0.115.3,<0.116.0"),
        ("~=0.115", ">=0.115.0,<1.0.0"),
        ("^0.115.6", ">=0.115.6,<0.116.0"),
        ("^1.2.3", ">=1.2.3,<2.0.0"),
        ("^0.0.3", "0.0.3"),
        ("~0.115.6", ">=0.115.6,<0.116.0"),
        ("~1", ">=1.0.0,<2.0.0"),
        (">=0.110,!=0.112", ">=0.110.0"),
        ("<0.106", "<0.106.0"),
        ("*", "unknown"),
        ("", "unknown"),
    ],
)
def test_bounds(bounds: str, shown: str) -> None:
    assert str(parse(bounds)) == shown


@pytest.mark.parametrize("text", ["latest", "^main", ">=", "0.115 or so"])
def test_no_bounds(text: str) -> None:
    with pytest.raises(ValueError):
        parse(text)


@pytest.mark.parametrize(
    ("fastapi", "era", "closes_first"),
    [
        ("0.105.0", "A", False),
        ("0.106.0", "B", True),
        ("0.117.1", "B", True),
        ("0.118.0", "C", False),
        ("<0.106", "A", False),
        (">=0.106,<0.118", "B", True),
        (">=0.118", "C", False),
        (">=0.117", None, None),
        (">=0.105,<0.110", None, None),
        ("<0.107", None, None),
        (">=0.100", None, None),
        ("*", None, None),
    ],
)
def test_era(fastapi: str, era: str | None, closes_first: bool | None) -> None:
    framework = Framework(parse(fastapi))
    assert (framework.era, framework.closes_before_tasks) == (era, closes_first)


@pytest.mark.parametrize(
    ("fastapi", "function_scope", "provider"),
    [
        ("0.120.4", False, False),
        ("0.121.0", True, False),
        ("0.128.1", True, False),
        ("0.128.2", True, True),
        (">=0.120", None, None),
    ],
)
def test_newer_answers(fastapi: str, function_scope: bool | None, provider: bool | None) -> None:
    framework = Framework(parse(fastapi))
    assert (framework.function_scope, framework.depends_provider_injects) == (function_scope, provider)


@pytest.mark.parametrize(
    ("starlette", "delays", "swallows"),
    [
        ("0.28.0", True, False),
        ("0.29.0", False, True),
        ("0.45.3", False, True),
        ("0.46.0", False, False),
        (">=0.40,<0.47", False, None),
        ("*", None, None),
    ],
)
def test_middleware(starlette: str, delays: bool | None, swallows: bool | None) -> None:
    framework = Framework(starlette=parse(starlette))
    assert framework.middleware_delays_connection is delays
    assert framework.middleware_swallows_errors is swallows


@pytest.mark.parametrize(
    ("fastapi", "starlette"),
    [
        ("0.105.0", "<0.28.0"),
        ("0.107.0", ">=0.28,<0.29"),
        ("0.108.0", ">=0.29,<0.46"),
        ("0.115.9", ">=0.29,<0.46"),
        ("0.115.10", ">=0.40"),
        ("0.133.0", ">=0.40"),
        ("0.134.0", ">=0.46"),
        (">=0.109,<0.112", ">=0.29,<0.46"),
        ("0.106", "<0.28"),
        (">=0.100", "*"),
    ],
)
def test_starlette_that_fastapi_requires(tmp_path: Path, fastapi: str, starlette: str) -> None:
    framework = detect(tmp_path, tmp_path, fastapi)
    assert framework.starlette == parse(starlette)


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("uv.lock", UV_LOCK, 4),
        ("uv.lock", UV_LOCK.replace("\n", "\r\n"), 4),
        ("poetry.lock", UV_LOCK.replace("version = 1\n", "# generated\n"), 4),
        ("pdm.lock", UV_LOCK, 4),
        ("pylock.toml", UV_LOCK.replace("[[package]]", "[[packages]]"), 4),
        (
            "Pipfile.lock",
            '{"default": {\n"fastapi": {\n"hashes": ["sha256:00"],\n"version": "==0.115.14"\n}}}',
            2,
        ),
        ("requirements.txt", "# web\nfastapi==0.115.14\n", 2),
        ("requirements.txt", "FastAPI [standard] == 0.115.14 ; python_version > '3.8'  # web\n", 1),
        ("requirements.txt", "fastapi==0.115.14 \\\n    --hash=sha256:00\n", 1),
        ("requirements.txt", "fastapi==0.115.14 --hash=sha256:00\n", 1),
        ("requirements-prod.txt", "fastapi==0.115.14\n", 1),
        ("requirements/base.txt", "fastapi==0.115.14\n", 1),
        ("pyproject.toml", '[project]\ndependencies = [\n    "fastapi[all]==0.115.14",\n]\n', 3),
        ("pyproject.toml", '[project.optional-dependencies]\nweb = ["fastapi (==0.115.14)"]\n', 2),
        ("pyproject.toml", '[dependency-groups]\nweb = ["fastapi==0.115.14", {include-group = "x"}]\n', 2),
        ("pyproject.toml", '[tool.poetry.dependencies]\nfastapi = "0.115.14"\n', 2),
        ("pyproject.toml", '[tool.poetry.group.web.dependencies]\nfastapi = {version = "0.115.14"}\n', 2),
        ("pyproject.toml", '[tool.uv]\ndev-dependencies = ["fastapi==0.115.14"]\n', 2),
        ("pyproject.toml", '[tool.pdm.dev-dependencies]\nweb = ["fastapi==0.115.14"]\n', 2),
        ("Pipfile", '[packages]\nfastapi = "==0.115.14"\n', 2),
        ("setup.cfg", "[options]\ninstall_requires =\n    fastapi==0.115.14\n", 3),
        ("setup.py", "setup(install_requires=[\n'httpx', 'fastapi[all]==0.115.14'])\n", 2),
    ],
)
def test_manifests(tmp_path: Path, name: str, text: str, line: int) -> None:
    assert found(tmp_path, {name: text}) == ("0.115.14", f"{name}:{line}")


def test_requirements_in_utf_16(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_bytes("fastapi==0.115.14\r\n".encode("utf-16"))
    assert detect(tmp_path, tmp_path).era == "B"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("requirements.txt", "fastapi\n"),
        ("requirements.txt", "fastapi-users==0.115.14\n#fastapi==0.115.14\n"),
        ("requirements.txt", "fastapi @ git+https://example.com/fastapi@0.115.14\n"),
        ("pyproject.toml", '[project]\nkeywords = ["fastapi==0.115.14"]\n'),
        ("pyproject.toml", '[project\nbroken "fastapi==0.115.14"\n'),
        ("pyproject.toml", '[tool.poetry.dependencies]\nfastapi = "^0.110 || ^0.112"\n'),
        ("setup.py", "exclude = ['fastapi', 'fastapi.*']\n"),
        ("uv.lock", UV_LOCK.replace('name = "fastapi"\n', 'name = "fastapi-cli"\n')),
    ],
)
def test_says_nothing_of_the_version(tmp_path: Path, name: str, text: str) -> None:
    assert found(tmp_path, {name: text}) == ("unknown", "")


def test_included_requirements(tmp_path: Path) -> None:
    files = {
        "requirements.txt": "-r deploy/base.txt\nfastapi\n",
        "deploy/base.txt": "-c pins.txt\n-r ../requirements.txt\n",
        "deploy/pins.txt": "fastapi==0.110.3\n",
    }
    assert found(tmp_path, files) == ("0.110.3", "deploy/pins.txt:1")


def test_nearest_manifest_wins(tmp_path: Path) -> None:
    files = {
        "uv.lock": UV_LOCK,
        "services/api/requirements.txt": "fastapi==0.104.1\n",
        "services/api/app/mail.py": "",
        "services/mail/pyproject.toml": '[project]\ndependencies = ["fastapi"]\n',
    }
    assert found(tmp_path, files, "services/api/app") == ("0.104.1", "services/api/requirements.txt:1")
    assert found(tmp_path, files, "services/mail") == ("0.115.14", "uv.lock:4")


def test_nothing_above_the_root_is_read(tmp_path: Path) -> None:
    write(tmp_path, {"uv.lock": UV_LOCK, "project/app/main.py": ""})
    assert not detect(tmp_path / "project/app", tmp_path / "project").fastapi.known


def test_lock_beats_pin_beats_bounds(tmp_path: Path) -> None:
    bounds = {"requirements.txt": "fastapi>=0.100\n"}
    pin = {"pyproject.toml": '[project]\ndependencies = ["fastapi==0.110.3"]\n'}
    lock = {"uv.lock": UV_LOCK}
    assert found(tmp_path / "1", bounds) == (">=0.100.0", "requirements.txt:1")
    assert found(tmp_path / "2", {**bounds, **pin}) == ("0.110.3", "pyproject.toml:2")
    assert found(tmp_path / "3", {**bounds, **pin, **lock}) == ("0.115.14", "uv.lock:4")


def test_requirements_for_use_beat_those_for_development(tmp_path: Path) -> None:
    files = {"requirements-dev.txt": "fastapi==0.100.0\n", "requirements-web.txt": "fastapi==0.115.14\n"}
    assert found(tmp_path, files) == ("0.115.14", "requirements-web.txt:1")


def test_lock_of_the_workspace_settles_the_bounds_of_a_member(tmp_path: Path) -> None:
    member = {"api/pyproject.toml": '[project]\ndependencies = ["fastapi>=0.100"]\n'}
    files = {**member, "uv.lock": UV_LOCK}
    assert found(tmp_path / "1", files, "api") == (">=0.100.0", "api/pyproject.toml:2")
    files["uv.lock"] += 'name = "api"\nversion = "1.0"\nsource = { editable = "api" }\n'
    assert found(tmp_path / "2", files, "api") == ("0.115.14", "uv.lock:4")


def test_several_locked_versions_make_a_range(tmp_path: Path) -> None:
    lock = UV_LOCK + '\n[[package]]\nname = "fastapi"\nversion = "0.118.0"\n'
    assert found(tmp_path, {"uv.lock": lock}) == (">=0.115.14,<0.118.1", "uv.lock:4")


def test_starlette_of_the_same_manifest(tmp_path: Path) -> None:
    framework = detect(write(tmp_path, {"uv.lock": UV_LOCK}), tmp_path)
    assert (str(framework.starlette), framework.starlette_source) == ("0.46.2", "uv.lock:13")
    assert framework.describe() == "FastAPI 0.115.14 (uv.lock:4), Starlette 0.46.2 (uv.lock:13)"


def test_starlette_of_another_manifest_says_nothing(tmp_path: Path) -> None:
    files = {"uv.lock": UV_LOCK, "api/requirements.txt": "fastapi==0.105.0\n"}
    framework = detect(write(tmp_path, files) / "api", tmp_path)
    assert (str(framework.starlette), framework.starlette_source) == ("<0.28.0", "as FastAPI requires")


def test_starlette_alone(tmp_path: Path) -> None:
    framework = detect(write(tmp_path, {"requirements.txt": "starlette==0.40.0\n"}), tmp_path)
    assert framework.describe() == "Starlette 0.40.0 (requirements.txt:1)"


def test_overrides_win(tmp_path: Path) -> None:
    root = write(tmp_path, {"uv.lock": UV_LOCK})
    told = detect(root, root, "0.105.0")
    assert (told.era, str(told.starlette), told.source) == ("A", "<0.28.0", "configuration")
    both = detect(root, root, ">=0.118", "0.48")
    assert (both.era, both.starlette) == ("C", VersionRange((0, 48, 0), (0, 49, 0)))
    with pytest.raises(ValueError):
        detect(root, root, "newest")


def test_unknown(tmp_path: Path) -> None:
    framework = detect(tmp_path / "no" / "such", tmp_path)
    assert framework == Framework()
    assert framework.describe().startswith("FastAPI version unknown")


def test_queues(tmp_path: Path) -> None:
    files = {
        "pyproject.toml": '[project]\nname = "huey"\ndependencies = ["taskiq-redis", "celery[redis]>=5", "arq"]\n',
        "api/requirements.txt": "fastapi\nrq\n",
        "web/requirements.txt": "fastapi\n",
    }
    root = write(tmp_path, files)
    assert queues(root / "api", root) == ("RQ",)
    assert queues(root / "web", root) == ("Celery", "ARQ")
    assert queues(root / "web", root / "web") == ()
