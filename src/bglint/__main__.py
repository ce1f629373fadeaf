"""`python -m bglint`."""

from bglint.cli import main

main()
