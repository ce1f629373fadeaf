"""`python -m bglint`."""

from bglint.cli import program

program()
