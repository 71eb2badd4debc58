"""The frame of a plot: axes with ticks, units and a grid, in SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from netheal.rescoring.report.element import Element, element

Tick = tuple[float, str]
SHARE_TICKS: tuple[Tick, ...] = tuple((step / 5, f"{step / 5:.1f}") for step in range(6))


@dataclass(frozen=True)
class Frame:
    """A plot of `width` x `height` px; `x` and `y` are the ends of its axes in units of the data."""

    width: int
    height: int
    x: tuple[float, float]
    y: tuple[float, float]
    left: int = 68
    right: int = 16
    top: int = 14
    bottom: int = 52

    def at_x(self, value: float) -> float:
        """Px from the left."""
        low, high = self.x
        return round(self.left + (value - low) / (high - low) * (self.width - self.left - self.right), 2)

    def at_y(self, value: float) -> float:
        """Px from the top."""
        low, high = self.y
        return round(
            self.height - self.bottom - (value - low) / (high - low) * (self.height - self.top - self.bottom), 2
        )

    def drawing(self, title: str) -> Element:
        """An empty drawing; `title` is what a screen reader says."""
        svg = element("svg", viewBox=f"0 0 {self.width} {self.height}", role="img", class_="plot")
        svg.set("aria-label", title)
        svg.set("style", f"max-width:{self.width}px")
        return svg

    def draw_axes(
        self, svg: Element, x_label: str, y_label: str, x_ticks: Sequence[Tick], y_ticks: Sequence[Tick]
    ) -> None:
        """Grid, ticks and the names of the axes."""
        ends_x, ends_y = (self.at_x(self.x[0]), self.at_x(self.x[1])), (self.at_y(self.y[0]), self.at_y(self.y[1]))
        for value, text in x_ticks:
            at = self.at_x(value)
            svg.append(line(at, ends_y[0], at, ends_y[1], "grid"))
            svg.append(words(at, ends_y[0] + 18, text, anchor="middle"))
        for value, text in y_ticks:
            at = self.at_y(value)
            svg.append(line(ends_x[0], at, ends_x[1], at, "grid"))
            svg.append(words(ends_x[0] - 8, at + 4, text, anchor="end"))
        svg.append(line(ends_x[0], ends_y[0], ends_x[1], ends_y[0], "axis"))
        svg.append(line(ends_x[0], ends_y[0], ends_x[0], ends_y[1], "axis"))
        svg.append(words(sum(ends_x) / 2, self.height - 10, x_label, "name", "middle"))
        middle = sum(ends_y) / 2
        name = words(16, middle, y_label, "name", "middle")
        name.set("transform", f"rotate(-90 16 {middle})")
        svg.append(name)

    def path(self, xs: Sequence[float], ys: Sequence[float]) -> str:
        """Points joined by lines, as a path's `d`."""
        points = (f"{self.at_x(x):g} {self.at_y(y):g}" for x, y in zip(xs, ys, strict=True))
        return "M" + "L".join(points)


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Element:
    """A straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=kind)


def words(x: float, y: float, text: str, kind: str = "tick", anchor: str = "start") -> Element:
    """Text at a place."""
    return element("text", text, x=x, y=y, class_=kind, text_anchor=anchor)


def count_ticks(most: int) -> list[Tick]:
    """About five round numbers from 0 to `most`.

    >>> [text for _, text in count_ticks(4321)]
    ['0', '1,000', '2,000', '3,000', '4,000']
    """
    rough = max(most, 1) / 5
    size = 10 ** math.floor(math.log10(rough))
    step = max(1, next(int(size * factor) for factor in (1, 2, 5, 10) if size * factor >= rough))
    return [(value, f"{value:,}") for value in range(0, max(most, 1) + 1, step)]


def decade_ticks(most: int) -> list[Tick]:
    """Powers of ten up to `most`, at their logarithms."""
    return [(power, f"{10**power:,}") for power in range(math.floor(math.log10(max(most, 1))) + 1)]
