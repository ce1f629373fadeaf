"""bglint: a linter for misuse of FastAPI and Starlette background tasks."""

__version__ = "0.1.0"
