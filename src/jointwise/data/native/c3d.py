"""What a C3D file holds, as the library ezc3d reads it. Only the process that reads apart imports this."""

from __future__ import annotations

from typing import Any

import ezc3d  # an extra
import numpy as np

from jointwise.data.native.process import Answer


def read_c3d(path: str, texts: tuple[str, ...]) -> Answer:
    """Read a C3D file.

    Args:
        path: The file.
        texts: Names of parameters of the points that are texts; NAME stands for NAME2, NAME3, … as well.

    Returns:
        `texts`: name -> texts; `rate`: frames per second, as a list. Arrays: coordinates (3, V, T), and whether a
        point is seen (V, T).
    """
    content = ezc3d.c3d(path)
    parameters = content["parameters"]["POINT"]
    points = np.asarray(content["data"]["points"], np.float64)[:3]
    seen = np.asarray(content["data"]["meta_points"]["residuals"])[0] >= 0
    rates = np.ravel(parameters["RATE"]["value"]) if "RATE" in parameters else np.zeros(0)
    found = {name: _texts(parameters, name) for name in texts}
    return {"texts": found, "rate": [float(rate) for rate in rates[:1]]}, [points, seen]


def _texts(parameters: Any, key: str) -> list[str]:
    """The texts of a parameter and of its continuations (LABELS, LABELS2, …), as a parameter holds at most 255."""
    texts: list[str] = []
    number = 1
    while (name := key if number == 1 else f"{key}{number}") in parameters:
        texts += [str(text).strip() for text in np.ravel(parameters[name]["value"]).tolist()]
        number += 1
    return texts
