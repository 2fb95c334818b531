"""The reliability plot: how often a classifier is right, beside how sure it says it is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from jointwise.evaluation.calibration import Reliability
from jointwise.report.page import charts
from jointwise.report.page.reading import TRAINED
from jointwise.report.page.runs import Chart, LegendEntry
from jointwise.report.page.scales import percent

_FEWEST = 5  # clips of a dot; fewer say too little about a share
_LARGEST = 9.0  # radius of the dot of all clips


def draw_reliability(curves: Mapping[str, Reliability]) -> Chart | None:
    """Draw accuracy over stated probability.

    Args:
        curves: By name, as a Result has them.

    Returns:
        The chart, with the calibration errors in its legend; None without curves.
    """
    if not curves:
        return None
    ends = np.array([0.0, 100.0])
    lines = [charts.Line("as it should be", ends, ends / 100, 5, dotted=True, dots=np.zeros(2))]
    for name, curve in curves.items():
        shown = curve.clips >= min(_FEWEST, curve.clips.max())
        x, y, radii = 100 * curve.stated[shown], curve.right[shown], _LARGEST * np.sqrt(curve.share[shown])
        before = name == TRAINED
        lines.append(charts.Line(name, x, y, 2 if before else 1, dashed=before, dots=np.maximum(1.8, radii)))
    title = "Reliability: right (%) by stated probability (%)"
    axis = charts.value_axis([0.0, 1.0], as_percent=True)
    drawing = charts.line_chart(lines, title, "stated probability (%)", axis, height=240)
    legend = (
        LegendEntry(f"{line.label}, off by", percent(curves[line.label].error, unit=True), line.colour, line.dashed)
        for line in lines[1:]
    )
    return Chart(title, drawing, tuple(legend), single=False)
