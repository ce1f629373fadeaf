"""bglint: a linter for misuse of FastAPI and Starlette background tasks.

`lint(paths)` is the whole tool as a function; the command line is a thin layer over it.
"""

from bglint.config import Config, ConfigError
from bglint.discover import PathError
from bglint.lint import lint
from bglint.model import Finding, Report

__all__ = ["Config", "ConfigError", "Finding", "PathError", "Report", "lint"]
__version__ = "0.1.0"
DOCS = "https://bglint.readthedocs.io/en/latest/"
"""Where the site stands that `docs/build.py` builds."""
