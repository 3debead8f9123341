"""The filmstrip of a network's blocks as a figure for a paper: lines and text in SVG or PDF."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import pairwise
from threading import Lock
from typing import Any

import numpy as np

from sparsevit.core.trace import BlockTrace
from sparsevit.core.windows import Span, find_spans
from sparsevit.data.transforms import resize_image
from sparsevit.draw.looks import EDGE_OPACITY, OUTLINE_LEVEL, PRUNED_LIGHT, PRUNED_TINT
from sparsevit.draw.masks import caption_block
from sparsevit.package.choices import FigureFormat
from sparsevit.package.extras import require

#: Width of one and of two columns of a paper.
ONE_COLUMN_CM, TWO_COLUMNS_CM = 8.5, 17.5

_MOST_COLUMNS = 4  # thumbnails in a row of two columns; half of them in one
_GAP_CM = 0.15
_LINE_CM = 0.32  # of a caption, which has two
_FONT_PT = 7
_CM = 1 / 2.54  # inches
_DPI = 250  # of the photo
_EDGE_PT, _OUTLINE_PT = 0.25, 0.6

# Settings of matplotlib's are global, and read while a file is written.
_lock = Lock()
_SETTINGS: Any = {
    "svg.fonttype": "none",  # text stays text
    "pdf.fonttype": 42,
    "svg.hashsalt": "sparsevit",  # the same figure is the same file
    "font.size": _FONT_PT,
}


def draw_filmstrip(
    image: np.ndarray,
    blocks: Sequence[BlockTrace],
    format: FigureFormat,
    width_cm: float | None = None,
    image_index: int = 0,
) -> bytes:
    """What each block kept of a photo: pruned windows dark, edges and names over the photo.

    In the SVG the group ``stageS_blockB_pruned`` holds one path for each pruned window.

    Args:
        image: (h, w, 3) uint8 RGB, the photo the network saw, at any size.
        blocks: the blocks, in the order they are laid out, row by row.
        format: "svg" or "pdf".
        width_cm: of the figure; by default that of one column of a paper for two blocks or fewer,
            else of two.
        image_index: which image of the batch.

    Returns:
        The file. The photo in it is a picture of 250 dots an inch, all else is drawn with lines.

    Raises:
        ValueError: no blocks.
        MissingPackageError: matplotlib is not installed.
    """
    require("matplotlib", "A filmstrip for a paper", "app")
    from matplotlib import rc_context
    from matplotlib.figure import Figure  # a second to import

    if not blocks:
        raise ValueError("A filmstrip needs blocks.")
    most = _MOST_COLUMNS
    if width_cm is None:
        width_cm = ONE_COLUMN_CM if 2 * len(blocks) <= most else TWO_COLUMNS_CM
    most = most if width_cm > (ONE_COLUMN_CM + TWO_COLUMNS_CM) / 2 else most // 2
    rows = -(-len(blocks) // most)
    columns = -(-len(blocks) // rows)
    thumb_width = (width_cm - (columns - 1) * _GAP_CM) / columns
    thumb_height = thumb_width * image.shape[0] / image.shape[1]
    step = thumb_height + 2 * _LINE_CM + _GAP_CM
    height_cm = rows * step - _GAP_CM
    pixels = [max(1, round(side * _CM * _DPI)) for side in (thumb_height, thumb_width)]
    photo = resize_image(image, (pixels[0], pixels[1]))
    buffer = io.BytesIO()
    with _lock, rc_context(_SETTINGS):
        figure = Figure(figsize=(width_cm * _CM, height_cm * _CM), facecolor="white")
        for number, block in enumerate(blocks):
            x = number % columns * (thumb_width + _GAP_CM)
            y = height_cm - number // columns * step - thumb_height
            place = (x / width_cm, y / height_cm, thumb_width / width_cm, thumb_height / height_cm)
            axes = figure.add_axes(place)
            axes.set_axis_off()
            axes.imshow(photo, extent=(0, 1, 1, 0), aspect="auto", interpolation="none")
            _draw_windows(axes, block, image_index)
            head, _, kept = caption_block(block, image_index).rpartition(", ")
            for line, text in enumerate((head, kept)):
                below = (y - (line + 0.8) * _LINE_CM) / height_cm
                figure.text(place[0], below, text, weight="normal" if line else "bold")
        metadata = {"Date": None} if format == "svg" else {"CreationDate": None}
        figure.savefig(buffer, format=format, metadata=metadata)
    return buffer.getvalue()


def _draw_windows(axes: Any, block: BlockTrace, image_index: int) -> None:
    """Pruned windows as paths, and lines between all; places are fractions of the photo."""
    from matplotlib.collections import LineCollection, PathCollection
    from matplotlib.path import Path

    keep = block.keep_mask[image_index].numpy()
    row_spans, col_spans = find_spans(block.grid)
    paths = [
        Path.make_compound_path(
            *(_frame(Path, ys, xs) for ys in row_spans[row] for xs in col_spans[col])
        )
        for row, col in np.argwhere(~keep)
    ]
    opacity = 1 - PRUNED_LIGHT
    dark = np.array(PRUNED_TINT) / 255 / opacity
    pruned = PathCollection(paths, facecolors=[(*dark, opacity)], linewidths=0)
    pruned.set_gid(f"stage{block.stage + 1}_block{block.block + 1}_pruned")
    axes.add_collection(pruned, autolim=False)

    rows, cols = _find_cells(row_spans), _find_cells(col_spans)
    down, across = [y for y, *_ in rows[1:]], [x for x, *_ in cols[1:]]
    between = [[(0, y), (1, y)] for y in down] + [[(x, 0), (x, 1)] for x in across]
    outline = [
        [(x0, y), (x1, y)]
        for x0, x1, col in cols
        for (_, _, above), (y, _, below) in pairwise(rows)
        if keep[above, col] != keep[below, col]
    ]
    outline += [
        [(x, y0), (x, y1)]
        for y0, y1, row in rows
        for (_, _, left), (x, _, right) in pairwise(cols)
        if keep[row, left] != keep[row, right]
    ]
    white = (OUTLINE_LEVEL / 255,) * 3
    for lines, opacity, width in ((between, EDGE_OPACITY, _EDGE_PT), (outline, 1, _OUTLINE_PT)):
        drawn = LineCollection(lines, colors=[(*white, opacity)], linewidths=width)
        axes.add_collection(drawn, autolim=False)


def _frame(path: Any, ys: Span, xs: Span) -> Any:
    """A rectangle as a closed path."""
    corners = [(xs[0], ys[0]), (xs[1], ys[0]), (xs[1], ys[1]), (xs[0], ys[1]), (xs[0], ys[0])]
    return path(corners, closed=True)


def _find_cells(spans: Sequence[Sequence[Span]]) -> list[tuple[float, float, int]]:
    """(from, to, window's row or column) of the cells along one side, in the picture's order."""
    return sorted((*span, owner) for owner, pieces in enumerate(spans) for span in pieces)
