"""`nox` witnesses the fixtures under one FastAPI of each era, each in an environment of its own.

The version decides what is closed before a background task runs (see src/bglint/framework.py).
"""

from __future__ import annotations

import nox

nox.needs_version = ">=2024.4"
nox.options.default_venv_backend = "uv|virtualenv"

ERAS = {
    "A": ["fastapi==0.105.0", "httpx<0.28"],  # with Starlette 0.27: closed after the tasks
    "B": ["fastapi==0.115.14"],  # with Starlette 0.46: closed before the tasks
    "C": ["fastapi"],  # the newest: closed after the tasks
}
PROJECT = nox.project.load_toml("pyproject.toml")["project"]
TEST = PROJECT["optional-dependencies"]["test"]
FIXTURES_NEED = [need for need in TEST if not need.startswith(("fastapi", "bglint"))]


@nox.session
@nox.parametrize("era", list(ERAS), ids=list(ERAS))
def witness(session: nox.Session, era: str) -> None:
    """Run every app under this FastAPI: what shows is what bglint says of the version."""
    session.install(*ERAS[era], *FIXTURES_NEED, "--editable", ".")
    session.run(
        "python", "-c", "import fastapi, starlette; print(fastapi.__version__, starlette.__version__)"
    )
    session.run("pytest", "-q", "tests/test_witness.py", *session.posargs)
