"""A drawing of growth curves: both axes by powers of ten, so that what is linear rises by one for one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

Points = Sequence[tuple[float, float]]
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 860, 480, 60, 30, 250, 50
COLORS = (
    "#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22",
    "#003f5c",
)  # fmt: skip


def svg(curves: Mapping[str, Points], x_title: str, y_title: str) -> str:
    """The curves, with a legend beside them; points at zero are left out."""
    shown = {name: [(x, y) for x, y in points if x > 0 and y > 0] for name, points in curves.items()}
    axes = _Axes([point for points in shown.values() for point in points])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        *axes.grid(),
        *(
            line
            for number, (name, points) in enumerate(shown.items())
            for line in _curve(axes, number, name, points)
        ),
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 12}" text-anchor="middle">{x_title}</text>',
        f'<text x="{LEFT - 40}" y="{TOP - 12}">{y_title}</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


class _Axes:
    def __init__(self, points: Points) -> None:
        self.low_x, self.high_x = _decades([x for x, _ in points])
        self.low_y, self.high_y = _decades([y for _, y in points])

    def place(self, x: float, y: float) -> tuple[float, float]:
        across = (math.log10(x) - self.low_x) / (self.high_x - self.low_x)
        up = (math.log10(y) - self.low_y) / (self.high_y - self.low_y)
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    def grid(self) -> list[str]:
        return [
            *(self._line(10.0**power, None) for power in range(self.low_x, self.high_x + 1)),
            *(self._line(None, 10.0**power) for power in range(self.low_y, self.high_y + 1)),
        ]

    def _line(self, x: float | None, y: float | None) -> str:
        x1, y1 = self.place(x or 10.0**self.low_x, y or 10.0**self.low_y)
        x2, y2 = self.place(x or 10.0**self.high_x, y or 10.0**self.high_y)
        label = (
            f'<text x="{x1:.0f}" y="{y1 + 16:.0f}" text-anchor="middle">{x:,.0f}</text>'
            if x
            else f'<text x="{x1 - 6:.0f}" y="{y1 + 4:.0f}" text-anchor="end">{y:g}</text>'
        )
        return f'<line x1="{x1:.0f}" y1="{y1:.0f}" x2="{x2:.0f}" y2="{y2:.0f}" stroke="#ddd"/>{label}'


def _decades(values: Sequence[float]) -> tuple[int, int]:
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def _curve(axes: _Axes, number: int, name: str, points: Points) -> list[str]:
    color, y = COLORS[number % len(COLORS)], TOP + 14 + 18 * number
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (axes.place(*point) for point in points))
    return [
        f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>',
        f'<text x="{WIDTH - RIGHT + 16}" y="{y}" fill="{color}">{name}</text>',
    ]
