"""Text from linted source, made harmless for a terminal."""

from __future__ import annotations

import unicodedata


def visible(text: str) -> str:
    r"""Show control characters instead of obeying them: an escape becomes `\x1b`, a tab four spaces.

    Characters that reverse or hide what follows them are shown too.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_shown, text))


def _shown(character: str) -> str:
    if character == "\t":
        return "    "
    if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
        return character.encode("unicode_escape").decode("ascii")
    return character
