"""How masks look, for the browser: ``python -m app.page.looks`` writes ``looks.js``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from sparsevit.draw import looks

FILE = Path(__file__).with_name("looks.js")

_STOPS = 17  # colours of the scale that the page mixes the others from


def make_looks() -> str:
    """The module ``looks.js``: every look that the page draws with, from the library's own."""
    stops = looks.colour_levels(np.linspace(0, 1, _STOPS))
    viridis = [f'  "#{red:02x}{green:02x}{blue:02x}",' for red, green, blue in stops.tolist()]
    numbers = {
        "DIFFERENCE_COLOUR": list(looks.DIFFERENCE_COLOUR),
        "PRUNED_LIGHT": looks.PRUNED_LIGHT,
        "PRUNED_COLOUR": looks.PRUNED_COLOUR,
        "PRUNED_TINT": list(looks.PRUNED_TINT),
        "OUTLINE_LEVEL": looks.OUTLINE_LEVEL,
        "EDGE_OPACITY": looks.EDGE_OPACITY,
        "FADED_WINDOW": looks.FADED_WINDOW,
        "HEAT_OPACITY": looks.HEAT_OPACITY,
    }
    lines = [
        "// How masks look; made from sparsevit/draw/looks.py by: python -m app.page.looks",
        *(f"export const {name} = {json.dumps(value)};" for name, value in numbers.items()),
        "",
        "// Dark blue to yellow, evenly spaced; the page mixes what lies between.",
        *("export const VIRIDIS = [", *viridis, "];"),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    FILE.write_text(make_looks(), encoding="utf-8")
