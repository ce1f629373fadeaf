"""Which versions a requirement allows: a range that answers yes, no or "it depends"."""

from __future__ import annotations

import re

from bglint.frozen import by_value

Release = tuple[int, int, int]


@by_value
class VersionRange:
    """The versions a project may run: from `low` up to, but without, `below`. None means open."""

    low: Release | None = None
    below: Release | None = None

    @property
    def known(self) -> bool:
        """True where at least one end is given."""
        return self != UNKNOWN

    @property
    def exact(self) -> bool:
        """True where only one version is left."""
        return self.low is not None and self.below == _after(self.low)

    def inside(self, low: Release | None, below: Release | None) -> bool | None:
        """Do all (True), none (False) or some (None) of these versions lie from `low` to before `below`?"""
        starts = low is None or (self.low is not None and self.low >= low)
        ends = below is None or (self.below is not None and self.below <= below)
        if starts and ends:
            return True
        too_old = low is not None and self.below is not None and self.below <= low
        too_new = below is not None and self.low is not None and self.low >= below
        return False if too_old or too_new else None

    def meets(self, other: VersionRange) -> VersionRange:
        """The versions that both allow."""
        lows = [end for end in (self.low, other.low) if end is not None]
        tops = [end for end in (self.below, other.below) if end is not None]
        return VersionRange(max(lows, default=None), min(tops, default=None))

    def spans(self, other: VersionRange) -> VersionRange:
        """The smallest range that holds both."""
        low = min(self.low, other.low) if self.low and other.low else None
        below = max(self.below, other.below) if self.below and other.below else None
        return VersionRange(low, below)

    @property
    def empty(self) -> bool:
        """True where no version is left."""
        return self.low is not None and self.below is not None and self.low >= self.below

    def __str__(self) -> str:
        if self.exact:
            return _text(self.low)
        ends = [f">={_text(self.low)}" * bool(self.low), f"<{_text(self.below)}" * bool(self.below)]
        return ",".join(end for end in ends if end) or "unknown"


UNKNOWN = VersionRange()


def parse(bounds: str) -> VersionRange:
    """Read PEP 440 or Poetry bounds: "==0.115.*", ">=0.106,<0.118", "^0.115.6", "0.110.3".

    Raises ValueError where the text is neither.
    """
    from packaging.specifiers import SpecifierSet

    allowed = UNKNOWN
    parts = (_as_specifier(part.strip()) for part in bounds.split(",") if part.strip() not in ("", "*"))
    for specifier in SpecifierSet(",".join(parts)):
        allowed = allowed.meets(_range(specifier.operator, specifier.version))
    return allowed


def _as_specifier(part: str) -> str:
    if part.startswith("^"):
        return _compatible(part[1:], _first_nonzero(part[1:]))
    if part.startswith("~") and not part.startswith("~="):
        return _compatible(part[1:], min(1, part.count(".")))
    return f"=={part}" if part[:1].isdigit() else part


def _first_nonzero(version: str) -> int:
    numbers = _numbers(version)
    return next((place for place, number in enumerate(numbers) if number), len(numbers) - 1)


def _compatible(version: str, place: int) -> str:
    numbers = _numbers(version)
    top = [*numbers[:place], numbers[place] + 1]
    return f">={version.strip()},<{'.'.join(map(str, top))}"


def _range(operator: str, version: str) -> VersionRange:
    release = _release(version)
    if operator in ("==", "===", "~="):
        return VersionRange(release, _top(operator, version))
    if operator in (">", ">="):
        return VersionRange(low=release if operator == ">=" else _after(release))
    if operator in ("<", "<="):
        return VersionRange(below=release if operator == "<" else _after(release))
    return UNKNOWN


def _top(operator: str, version: str) -> Release:
    numbers = _numbers(version)
    if operator == "~=":
        numbers.pop()
    elif not version.endswith(".*"):
        return _after(_release(version))
    return _release(".".join(map(str, [*numbers[:-1], numbers[-1] + 1])))


def _numbers(version: str) -> list[int]:
    plain = re.match(r"\s*v?(\d+(?:\.\d+)*)", version)
    if plain is None:
        raise ValueError(f"not a version: {version!r}")
    return [int(number) for number in plain[1].split(".")]


def _release(version: str) -> Release:
    major, minor, micro = (*_numbers(version), 0, 0)[:3]
    return major, minor, micro


def _after(release: Release) -> Release:
    return release[0], release[1], release[2] + 1


def _text(release: Release | None) -> str:
    return ".".join(map(str, release or ()))
