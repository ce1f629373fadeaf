"""Which rules there are, without loading one: told from the names of their files."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib.util import find_spec


@cache
def names() -> dict[str, str]:
    """The names of all rules by code."""
    package = find_spec("bglint.rules")
    places = package.submodule_search_locations if package else None
    stems = sorted(module.name for module in pkgutil.iter_modules(places))
    split = (stem.partition("_") for stem in stems)
    return {code.upper(): name.replace("_", "-") for code, _, name in split}
