"""Masks look the same in saved pictures and on the page."""

import re

import numpy as np
from PIL import ImageColor

from app.page.looks import FILE, make_looks
from sparsevit.draw import looks


def test_the_page_draws_with_the_looks_of_saved_pictures():
    text = FILE.read_text(encoding="utf-8")
    assert text == make_looks(), "run python -m app.page.looks"
    found = dict(re.findall(r"export const (\w+) = (.+);", text))
    assert float(found["EDGE_OPACITY"]) == looks.EDGE_OPACITY
    assert found["PRUNED_TINT"] == str(list(looks.PRUNED_TINT))


def test_the_colours_that_the_page_mixes_are_those_of_saved_pictures():
    stops = [ImageColor.getrgb(stop) for stop in re.findall(r'"(#\w{6})"', make_looks())]
    places = np.linspace(0, len(stops) - 1, 256)
    mixed = [np.interp(places, range(len(stops)), channel) for channel in np.transpose(stops)]
    saved = looks.colour_levels(np.linspace(0, 1, 256)).astype(float)
    assert np.abs(np.transpose(mixed) - saved).max() < 7  # of 255
