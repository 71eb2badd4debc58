"""The plots of a report as SVG: no file beside the page, colours by its style, so that light and dark both work."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from netheal.rescoring.report.element import Element, element
from netheal.rescoring.report.plot_frame import SHARE_TICKS, Frame, count_ticks, decade_ticks, line, words

_KEY_PX = 20
_BAR_PX = 26
_CELL_PX = 44
_BARS_JOINED = 2
"""Fiftieths of the scale to a group of bars."""
_SERIES = ("unlabelled", "normal", "attack")


def bar_chart(rows: Sequence[tuple[str, int, str]], unit: str, title: str) -> Element:
    """A bar a row: name, length, and what stands behind it."""
    most = max(length for _, length, _ in rows)
    frame = Frame(680, len(rows) * _BAR_PX + 66, (0, most * 1.22), (len(rows), 0), left=190)
    svg = frame.drawing(title)
    ticks = count_ticks(most)
    frame.draw_axes(svg, unit, "", ticks, [])
    for place, (name, length, text) in enumerate(rows):
        top, end = frame.at_y(place) + 4, frame.at_x(length)
        width = round(max(end - frame.left, 1), 2)
        svg.append(words(frame.left - 8, top + 14, name, "label", "end"))
        svg.append(element("rect", x=frame.left, y=top, width=width, height=_BAR_PX - 8, rx=2, class_="bar"))
        svg.append(words(end + 6, top + 14, text, "value"))
    return svg


def roc_chart(curves: Mapping[str, Mapping[str, Any]], point: tuple[float, float] | None) -> Element:
    """A line a detector; `point` is where the first one's threshold puts it: false and true positive rate."""
    frame = _square(len(curves) + (point is not None))
    svg = frame.drawing("ROC curve")
    frame.draw_axes(
        svg,
        "False positive rate: share of normal rows",
        "True positive rate: share of attacks",
        SHARE_TICKS,
        SHARE_TICKS,
    )
    svg.append(element("path", d=frame.path((0, 1), (0, 1)), class_="chance"))
    for number, (name, curve) in enumerate(curves.items()):
        path = frame.path(curve["false_positive_rate"], curve["true_positive_rate"])
        svg.append(element("path", d=path, class_=f"curve series-{number}"))
        _key(svg, frame, number, f"{name}, AUC {curve['auc']:.4f}")
    if point is not None:
        svg.append(element("circle", cx=frame.at_x(point[0]), cy=frame.at_y(point[1]), r=5, class_="point"))
        y = 14 + len(curves) * _KEY_PX
        svg.append(element("circle", cx=frame.left + 11, cy=y - 4, r=5, class_="point"))
        svg.append(words(frame.left + 30, y, "at the threshold", "key"))
    return svg


def calibration_chart(series: Mapping[str, Mapping[str, Any]]) -> Element:
    """Mean score against the share of attacks, a point a tenth of the scale; a larger one has more rows."""
    frame = _square(len(series))
    svg = frame.drawing("Calibration")
    frame.draw_axes(svg, "Mean score", "Share of attacks", SHARE_TICKS, SHARE_TICKS)
    svg.append(element("path", d=frame.path((0, 1), (0, 1)), class_="chance"))
    for number, (name, figures) in enumerate(series.items()):
        bins = figures["bins"]
        most = max(one["rows"] for one in bins)
        xs, ys = [one["mean_score"] for one in bins], [one["attacks"] for one in bins]
        svg.append(element("path", d=frame.path(xs, ys), class_=f"curve series-{number}"))
        for x, y, one in zip(xs, ys, bins, strict=True):
            radius = round(3 + 5 * math.sqrt(one["rows"] / most), 2)
            hint = element("title", f"{one['rows']:,} rows: mean score {x:.3f}, attacks {y:.3f}")
            dot = element("circle", hint, cx=frame.at_x(x), cy=frame.at_y(y), r=radius, class_=f"dot series-{number}")
            svg.append(dot)
        _key(svg, frame, number, f"{name}, error {figures['calibration_error']:.4f}")
    return svg


def _square(keys: int) -> Frame:
    """Shares against shares, below a legend of so many lines."""
    top = 18 + keys * _KEY_PX
    return Frame(460, 406 + top, (0.0, 1.0), (0.0, 1.0), top=top)


def _key(svg: Element, frame: Frame, number: int, text: str) -> None:
    """A line of the legend."""
    y = 14 + number * _KEY_PX
    svg.append(line(frame.left, y - 4, frame.left + 22, y - 4, f"curve series-{number}"))
    svg.append(words(frame.left + 30, y, text, "key"))


def score_chart(bars: Sequence[Mapping[str, Any]], thresholds: Sequence[float]) -> Element:
    """Rows by score, on a logarithmic axis, side by side by what their labels say."""
    joined = [
        {name: sum(bar[name] for bar in bars[at : at + _BARS_JOINED]) for name in _SERIES}
        for at in range(0, len(bars), _BARS_JOINED)
    ]
    most = max((count for group in joined for count in group.values()), default=1)
    there = [name for name in _SERIES if any(group[name] for group in joined)]
    frame = Frame(940, 330, (0.0, 1.0), (-0.3, math.log10(max(most, 1)) + 0.15), left=84, top=34)
    svg = frame.drawing("Rows by score")
    frame.draw_axes(svg, "Score of the threat detector", "Rows (logarithmic)", SHARE_TICKS, decade_ticks(most))
    step, foot = 1 / len(joined), frame.at_y(frame.y[0])
    wide = (frame.at_x(step) - frame.at_x(0) - 4) / max(len(there), 1)
    for place, group in enumerate(joined):
        for number, name in enumerate(there):
            if group[name]:
                top = frame.at_y(math.log10(group[name]))
                hint = element("title", f"{place * step:.2f} to {(place + 1) * step:.2f}, {name}: {group[name]:,} rows")
                x = round(frame.at_x(place * step) + 2 + number * wide, 2)
                box = {"x": x, "y": top, "width": round(wide, 2), "height": round(foot - top, 2)}
                svg.append(element("rect", hint, **box, class_=f"fill {name}"))
    for threshold in thresholds:
        svg.append(line(frame.at_x(threshold), frame.at_y(frame.y[1]), frame.at_x(threshold), foot, "threshold"))
    for number, name in enumerate((*there, "threshold")):
        x = frame.left + number * 120
        mark = line(x, 16, x + 16, 16, "threshold") if name == "threshold" else None
        svg.append(mark if mark is not None else element("rect", x=x, y=10, width=12, height=12, class_=f"fill {name}"))
        svg.append(words(x + 22, 20, name, "key"))
    return svg


def confusion_chart(names: Sequence[str], matrix: Sequence[Sequence[int]]) -> Element:
    """Rows by label (down) and by class (across); the darker, the larger the share of the label's rows."""
    size = len(names) * _CELL_PX
    left, top = 196, 172
    frame = Frame(left + size + 130, top + size + 16, (0, 1), (0, 1))
    svg = frame.drawing("Confusion matrix")
    svg.append(words(left + size / 2, 14, "Class by the model", "name", "middle"))
    side = words(14, top + size / 2, "Class by the label", "name", "middle")
    side.set("transform", f"rotate(-90 14 {top + size / 2})")
    svg.append(side)
    for i, name in enumerate(names):
        middle = i * _CELL_PX + _CELL_PX / 2
        svg.append(words(left - 8, top + middle + 4, name, "label", "end"))
        across = words(left + middle, top - 8, name, "label")
        across.set("transform", f"rotate(-50 {left + middle} {top - 8})")
        svg.append(across)
        for j, rows in enumerate(matrix[i]):
            _cell(svg, (left + j * _CELL_PX, top + i * _CELL_PX), rows, rows / max(sum(matrix[i]), 1), i == j)
    return svg


def _cell(svg: Element, corner: tuple[int, int], rows: int, share: float, right: bool) -> None:
    x, y = corner
    box = {"x": x + 1, "y": y + 1, "width": _CELL_PX - 2, "height": _CELL_PX - 2, "rx": 3}
    svg.append(element("rect", **box, class_="cell"))
    if rows:
        tint = round(0.08 + 0.5 * math.sqrt(share), 3)
        svg.append(element("rect", **box, class_="right" if right else "wrong", fill_opacity=tint))
        hint = element("title", f"{rows:,} rows, {share:.2%} of the label's")
        text = words(x + _CELL_PX / 2, y + _CELL_PX / 2 + 4, _short(rows), "value", "middle")
        text.append(hint)
        svg.append(text)


def _short(rows: int) -> str:
    """A number in at most five characters.

    >>> [_short(rows) for rows in (999, 9_999, 12_345, 1_234_567, 99_999_999)]
    ['999', '9999', '12k', '1.2M', '100M']
    """
    if rows < 10_000:
        return str(rows)
    if rows < 999_500:
        return f"{rows / 1e3:.0f}k"
    return f"{rows / 1e6:.1f}M" if rows < 9_950_000 else f"{rows / 1e6:.0f}M"
