"""The filmstrip for a paper, read back from the file."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

from sparsevit.core.trace import BlockTrace
from sparsevit.core.windows import get_window_grid
from sparsevit.draw.filmstrip import draw_filmstrip

SVG = "{http://www.w3.org/2000/svg}"
IMAGE = np.full((90, 130, 3), 200, np.uint8)
#: Plain; shifted, so that windows wrap around; padded too; everything kept.
SHIFTS = ((0, 0), (3, 3), (2, 0), (0, 0))


@pytest.fixture(scope="module")
def blocks():
    blocks = []
    for number, shift in enumerate(SHIFTS):
        height, width = ((14, 21), (14, 21), (13, 19), (14, 21))[number]
        grid = get_window_grid(height, width, (7, 7), shift)
        scores = torch.rand((1, grid.rows, grid.cols), generator=torch.Generator().manual_seed(2))
        keep = scores > (0.5 if number < 3 else -1)
        blocks.append(BlockTrace(0, number, any(shift), keep, scores, grid, 0))
    return blocks


def find_group(root, name):
    return next((group for group in root.iter(f"{SVG}g") if group.get("id") == name), [])


def measure_area(path):
    """Area of the rectangles of a path, square points."""
    area = 0.0
    for part in path.get("d").split("M")[1:]:
        numbers = np.array(re.findall(r"[-.\d]+", part), float).reshape(-1, 2)
        area += np.prod(np.ptp(numbers, axis=0))
    return area


def test_every_pruned_window_is_a_path_that_covers_its_tokens(blocks):
    root = ElementTree.fromstring(draw_filmstrip(IMAGE, blocks, "svg"))
    (clip, *_) = root.iter(f"{SVG}clipPath")
    thumb = float(clip[0].get("width")) * float(clip[0].get("height"))
    for block in blocks:
        group = find_group(root, f"stage1_block{block.block + 1}_pruned")
        paths = [path for child in group for path in child.iter(f"{SVG}path")]
        assert len(paths) == block.total - block.kept
        dark = sum(map(measure_area, paths)) / thumb
        assert dark == pytest.approx(1 - float(block.token_mask().float().mean()), abs=1e-3)
    assert blocks[0].total > blocks[0].kept


def test_names_and_counts_are_text_and_the_photo_is_there(blocks):
    root = ElementTree.fromstring(draw_filmstrip(IMAGE, blocks, "svg"))
    texts = ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]
    first = blocks[0]
    assert texts[:4] == [
        "Stage 1, block 1, plain",
        f"{first.kept}/{first.total} windows",
        "Stage 1, block 2, shifted",
        f"{blocks[1].kept}/{first.total} windows",
    ]
    assert len(list(root.iter(f"{SVG}image"))) == 4


@pytest.mark.parametrize(("count", "width_cm"), [(1, 8.5), (2, 8.5), (3, 17.5)])
def test_a_figure_is_as_wide_as_one_column_or_two(blocks, count, width_cm):
    data = draw_filmstrip(IMAGE, blocks[:count], "pdf")
    assert data.startswith(b"%PDF")
    (width,) = re.findall(rb"/MediaBox \[ ?0 0 ([\d.]+)", data)
    assert float(width) == pytest.approx(width_cm / 2.54 * 72, abs=0.01)
    root = ElementTree.fromstring(draw_filmstrip(IMAGE, blocks[:count], "svg"))
    assert float(root.get("width").removesuffix("pt")) == pytest.approx(float(width), abs=0.01)


def test_the_same_figure_is_the_same_file(blocks):
    for format in ("svg", "pdf"):
        first, second = (draw_filmstrip(IMAGE, blocks, format) for _ in range(2))
        assert first == second
    with pytest.raises(ValueError, match="needs blocks"):
        draw_filmstrip(IMAGE, [], "svg")
