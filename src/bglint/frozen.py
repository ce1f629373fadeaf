"""Dataclasses that nobody changes. The type checker alone holds them to that: at run time it would double their price."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform

    @dataclass_transform(frozen_default=True, field_specifiers=(field,))
    def by_value(kind: type[Any]) -> type[Any]:
        """Two of them are equal where all that they hold is."""

    @dataclass_transform(frozen_default=True, eq_default=False, field_specifiers=(field,))
    def by_identity(kind: type[Any]) -> type[Any]:
        """Each of them is equal to itself alone."""

else:
    by_value = dataclass(slots=True, unsafe_hash=True)
    by_identity = dataclass(slots=True, eq=False)
