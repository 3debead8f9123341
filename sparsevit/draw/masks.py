"""Figures of what a network kept, drawn over the photo: numpy and OpenCV only.

Pictures are (h, w, 3) uint8 RGB. Every function leaves its inputs alone and returns a new picture.
The photo may have any size: a trace's token grid is taken to cover all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from sparsevit.core.trace import BlockTrace
from sparsevit.core.windows import map_tokens_to_windows
from sparsevit.data.transforms import Size, resize_image
from sparsevit.draw.looks import (
    DIFFERENCE_COLOUR,
    EDGE_OPACITY,
    FADED_WINDOW,
    HEAT_OPACITY,
    OUTLINE_LEVEL,
    PRUNED_COLOUR,
    PRUNED_LIGHT,
    PRUNED_TINT,
    Colour,
    colour_levels,
)

_BRIGHT = 140  # grey level from which a window's edges are black instead of white
_SCORE_PERCENTILES = (2, 98)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FONT_SCALE = 0.45
_LINE_HEIGHT, _BASELINE = 20, 14  # pixels of a caption line, and where its letters stand
_MARGIN = 8
_SHEET_COLOUR = 24  # grey level behind the thumbnails
_TEXT_COLOUR = (235, 235, 235)


def upscale_tokens(values: np.ndarray, size: Size) -> np.ndarray:
    """Give each pixel the value of the token its centre lies in; exact for any pair of sizes.

    Args:
        values: (H, W, ...) any dtype.
        size: (h, w) pixels; may be smaller than the grid.

    Returns:
        (h, w, ...) of the same dtype.
    """
    if values.shape[:2] == tuple(size):
        return values.copy()
    rows, columns = _nearest(values.shape[0], size[0]), _nearest(values.shape[1], size[1])
    return values.take(columns, axis=1).take(rows, axis=0)


def draw_pruned_windows(image: np.ndarray, block: BlockTrace, image_index: int = 0) -> np.ndarray:
    """The photo with the windows a block skipped darkened, and the edges of all its windows.

    Kept windows are outlined in white. Pruned ones are turned bluish grey as well, so that they
    show on a black photo too.

    Args:
        image: (h, w, 3) uint8 RGB, the photo the network saw, at any size.
        block: what the block kept.
        image_index: which image of the batch.

    Returns:
        (h, w, 3) uint8 RGB. Away from edges kept windows are the photo's own pixels.
    """
    size = image.shape[:2]
    owner = _window_map(block)
    keep = block.keep_mask[image_index].numpy().reshape(-1)[owner].astype(np.uint8)
    picture = cv2.transform(image, _make_pruning_matrix())
    cv2.copyTo(image, upscale_tokens(keep, size), picture)

    line = upscale_tokens(_choose_line_colours(picture, owner), size)
    strength = EDGE_OPACITY * min(1.0, _window_side(block, size) / FADED_WINDOW)
    edged = cv2.addWeighted(picture, 1 - strength, line, strength, 0)
    cv2.copyTo(edged, _find_edges(owner, size), picture)
    cv2.copyTo(np.full_like(picture, OUTLINE_LEVEL), _find_edges(keep, size), picture)
    return picture


def get_score_range(block: BlockTrace, image_index: int = 0) -> tuple[float, float]:
    """The window scores at the two ends of :func:`draw_score_map`'s colours.

    Args:
        block: the block whose scores are drawn.
        image_index: which image of the batch.

    Returns:
        (low, high): the 2nd and 98th percentile of the finite scores, so that one odd window does
        not wash out the rest; their ends where those are equal; (0, 0) when there is none.
    """
    return find_range(block.scores[image_index].numpy())


def find_range(scores: np.ndarray) -> tuple[float, float]:
    """(low, high) of scores of any shape, as :func:`get_score_range` has them of a block."""
    finite = scores[np.isfinite(scores)]
    low, high = np.percentile(finite, _SCORE_PERCENTILES) if finite.size else (0, 0)
    low, high = (low, high) if low < high or not finite.size else (finite.min(), finite.max())
    return float(low), float(high)


def draw_score_map(image: np.ndarray, block: BlockTrace, image_index: int = 0) -> np.ndarray:
    """The scores of a block's windows as colours over the grey photo: dark blue low, yellow high.

    Args:
        image: (h, w, 3) uint8 RGB, the photo the network saw, at any size.
        block: the block whose scores to draw; :func:`get_score_range` gives its colours' ends.
        image_index: which image of the batch.

    Returns:
        (h, w, 3) uint8 RGB.
    """
    low, high = get_score_range(block, image_index)
    scores = block.scores[image_index].numpy().reshape(-1)
    level = np.full(scores.shape, 0.5) if high <= low else (scores - low) / (high - low)
    heat = upscale_tokens(colour_levels(level)[_window_map(block)], image.shape[:2])
    return blend_heat(image, heat)


def compute_map(blocks: Sequence[BlockTrace], size: Size, image_index: int = 0) -> np.ndarray:
    """In what part of the network's blocks each pixel was computed.

    Args:
        blocks: all blocks of one forward.
        size: (h, w) pixels.
        image_index: which image of the batch.

    Returns:
        (h, w) float32 from 0 (skipped everywhere) to 1 (computed in every block).

    Raises:
        ValueError: no blocks, or over 255.
    """
    return _count_computed(blocks, size, image_index) / np.float32(len(blocks))


def draw_compute_map(
    image: np.ndarray, blocks: Sequence[BlockTrace], image_index: int = 0
) -> np.ndarray:
    """:func:`compute_map` as colours over the grey photo: dark blue for 0, yellow for 1.

    Args:
        image: (h, w, 3) uint8 RGB, the photo the network saw, at any size.
        blocks: all blocks of one forward.
        image_index: which image of the batch.

    Returns:
        (h, w, 3) uint8 RGB.
    """
    counts = _count_computed(blocks, image.shape[:2], image_index)
    return blend_heat(image, _paint(counts, [colour for _, colour in compute_map_legend(blocks)]))


def compute_map_legend(blocks: Sequence[BlockTrace]) -> list[tuple[int, Colour]]:
    """What the colours of :func:`draw_compute_map` mean, before they are blended with the photo.

    Args:
        blocks: all blocks of one forward.

    Returns:
        (number of blocks, RGB) for 0 up to all blocks.
    """
    colours = colour_levels(np.arange(len(blocks) + 1) / max(1, len(blocks)))
    return [(count, (int(r), int(g), int(b))) for count, (r, g, b) in enumerate(colours)]


def caption_block(block: BlockTrace, image_index: int = 0) -> str:
    """A block in words, counted from 1: "Stage 3, block 5, shifted, 64/128 windows"."""
    kept = int(block.keep_mask[image_index].sum())
    shift = "shifted" if block.shifted else "plain"
    place = f"Stage {block.stage + 1}, block {block.block + 1}"
    return f"{place}, {shift}, {kept}/{block.total} windows"


def make_filmstrip(
    image: np.ndarray,
    blocks: Sequence[BlockTrace],
    columns: int = 4,
    thumb_width: int = 320,
    image_index: int = 0,
) -> np.ndarray:
    """All blocks of a network on one sheet: :func:`draw_pruned_windows`, each with its caption.

    Args:
        image: (h, w, 3) uint8 RGB, the photo the network saw, at any size.
        blocks: the blocks, in the order they are laid out, row by row.
        columns: thumbnails in a row.
        thumb_width: of a thumbnail, pixels, at least 120: what a caption needs.
        image_index: which image of the batch.

    Returns:
        (h', w', 3) uint8 RGB, light text on dark grey.

    Raises:
        ValueError: no blocks, no columns or thumbnails too narrow.
    """
    if not blocks or columns < 1 or thumb_width < 120:
        raise ValueError("A filmstrip needs blocks, columns and thumbnails of 120 pixels or more.")
    thumb_height = max(1, round(image.shape[0] * thumb_width / image.shape[1]))
    thumb = resize_image(image, (thumb_height, thumb_width))
    captions = [_wrap(caption_block(block, image_index), thumb_width) for block in blocks]
    step_x = thumb_width + _MARGIN
    step_y = thumb_height + max(len(lines) for lines in captions) * _LINE_HEIGHT + _MARGIN
    columns = min(columns, len(blocks))
    rows = -(-len(blocks) // columns)
    sheet = np.full(
        (rows * step_y + _MARGIN, columns * step_x + _MARGIN, 3), _SHEET_COLOUR, dtype=np.uint8
    )
    for number, (block, lines) in enumerate(zip(blocks, captions, strict=True)):
        x = _MARGIN + number % columns * step_x
        y = _MARGIN + number // columns * step_y
        picture = draw_pruned_windows(thumb, block, image_index)
        sheet[y : y + thumb_height, x : x + thumb_width] = picture
        for line, text in enumerate(lines):
            origin = (x, y + thumb_height + line * _LINE_HEIGHT + _BASELINE)
            cv2.putText(sheet, text, origin, _FONT, _FONT_SCALE, _TEXT_COLOUR, 1, cv2.LINE_AA)
    return sheet


def draw_labels(
    image: np.ndarray, labels: np.ndarray, palette: np.ndarray, opacity: float = 0.55
) -> np.ndarray:
    """The photo tinted with the colour of each pixel's class.

    Args:
        image: (h, w, 3) uint8 RGB.
        labels: (h, w) uint8, or of another size and scaled to fit; classes without a colour leave
            the photo as it is.
        palette: (n, 3) uint8 RGB of each class.
        opacity: of the colours, 0 to 1.

    Returns:
        (h, w, 3) uint8 RGB.
    """
    labels = upscale_tokens(labels.astype(np.uint8, copy=False), image.shape[:2])
    picture = cv2.addWeighted(image, 1 - opacity, _paint(labels, palette), opacity, 0)
    if len(palette) < 256:
        cv2.copyTo(image, (labels >= len(palette)).astype(np.uint8), picture)
    return picture


def draw_difference(
    image: np.ndarray, dense_labels: np.ndarray, sparse_labels: np.ndarray
) -> np.ndarray:
    """Where two outputs differ: those pixels in one strong colour on the faded grey photo.

    Args:
        image: (h, w, 3) uint8 RGB.
        dense_labels, sparse_labels: (h, w) of one dtype, or both of another size and scaled to fit.

    Returns:
        (h, w, 3) uint8 RGB.
    """
    differs = upscale_tokens(dense_labels != sparse_labels, image.shape[:2])
    picture = cv2.convertScaleAbs(_to_grey(image), alpha=0.6, beta=64)
    picture[differs] = DIFFERENCE_COLOUR
    return picture


def side_by_side(left: np.ndarray, right: np.ndarray, gap: int = 8) -> np.ndarray:
    """Two pictures in a row, white between them; the right one is scaled to the left one's height.

    Args:
        left, right: (h, w, 3) uint8 RGB.
        gap: pixels between them.

    Returns:
        (h of left, widths and gap, 3) uint8 RGB.
    """
    height = left.shape[0]
    width = max(1, round(right.shape[1] * height / right.shape[0]))
    space = np.full((height, gap, 3), 255, dtype=np.uint8)
    return np.hstack([left, space, resize_image(right, (height, width))])


def save_picture(path: str | Path, picture: np.ndarray) -> None:
    """Write a picture; its folder is made if need be.

    Args:
        path: ends in .png (exact), .jpg, .jpeg or .webp.
        picture: (h, w, 3) uint8 RGB.

    Raises:
        ValueError: another ending.
        OSError: the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in (".png", ".jpg", ".jpeg", ".webp"):
        raise ValueError(f'A picture is saved as .png, .jpg or .webp, not "{path.name}".')
    _, encoded = cv2.imencode(path.suffix.lower(), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded.tobytes())


def _nearest(count: int, length: int) -> np.ndarray:
    """(length,) the cell, of ``count`` equal ones, that each pixel's centre lies in."""
    return (2 * np.arange(length) + 1) * count // (2 * length)


def _window_map(block: BlockTrace) -> np.ndarray:
    """(H, W) int32, the window of every token."""
    return map_tokens_to_windows(block.grid).numpy().astype(np.int32)


def _window_side(block: BlockTrace, size: Size) -> float:
    """Shorter side of a window on a picture of this size, pixels."""
    grid, window = block.grid.grid, block.grid.window
    return min(window[axis] * size[axis] / grid[axis] for axis in range(2))


def _make_pruning_matrix() -> np.ndarray:
    """(3, 4) float32 from (R, G, B, 1) to a pruned pixel: darker, greyer, bluish."""
    grey = np.tile([0.299, 0.587, 0.114], (3, 1))
    mix = PRUNED_COLOUR * np.eye(3) + (1 - PRUNED_COLOUR) * grey
    return np.column_stack([PRUNED_LIGHT * mix, PRUNED_TINT]).astype(np.float32)


def _choose_line_colours(picture: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8: a window's edges are white where it is dark, black where bright."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    light = cv2.resize(grey, owner.shape[::-1], interpolation=cv2.INTER_AREA)  # (H, W)
    windows = owner.ravel()
    mean = np.bincount(windows, light.ravel()) / np.maximum(1, np.bincount(windows))
    level: np.ndarray = np.where(mean < _BRIGHT, 255, 0).astype(np.uint8)[owner]
    return cv2.cvtColor(level, cv2.COLOR_GRAY2RGB)


def _find_edges(values: np.ndarray, size: Size) -> np.ndarray:
    """(h, w) uint8, 1 where a pixel's token differs in value from that above or to the left.

    On large pictures lines are thicker, so that they survive being shown smaller.
    """
    rows, columns = _nearest(values.shape[0], size[0]), _nearest(values.shape[1], size[1])
    tall, wide = values.take(rows, axis=0), values.take(columns, axis=1)
    across = (tall[1:] != tall[:-1]).view(np.uint8).take(columns, axis=1)  # (h - 1, w)
    down = (wide[:, 1:] != wide[:, :-1]).view(np.uint8).take(rows, axis=0)  # (h, w - 1)
    edges = np.zeros(size, dtype=np.uint8)
    for offset in range(1, max(1, round(min(size) / 800)) + 1):
        edges[offset:] |= across[: size[0] - offset]
        edges[:, offset:] |= down[:, : size[1] - offset]
    return edges


def _to_grey(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


def _paint(labels: np.ndarray, colours: np.ndarray | Sequence[Colour]) -> np.ndarray:
    """(h, w, 3) uint8: each label (h, w) uint8 in its colour, those beyond the colours black."""
    table = np.zeros((256, 1, 3), dtype=np.uint8)
    table[: len(colours), 0] = colours
    return cv2.applyColorMap(labels, table)


def _count_computed(blocks: Sequence[BlockTrace], size: Size, image_index: int) -> np.ndarray:
    """(h, w) uint8, the blocks in which each pixel was computed."""
    if not 0 < len(blocks) < 256:
        raise ValueError(f"A compute map is of 1 to 255 blocks, got {len(blocks)}.")
    counts: dict[tuple[int, ...], np.ndarray] = {}  # of each token, by token grid
    for block in blocks:
        mask = block.token_mask(image_index).numpy().view(np.uint8)
        counts[mask.shape] = counts[mask.shape] + mask if mask.shape in counts else mask
    total = np.zeros(size, dtype=np.uint8)
    for count in counts.values():
        cv2.add(total, upscale_tokens(count, size), total)
    return total


def blend_heat(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Colours (h, w, 3) over the grey photo."""
    return cv2.addWeighted(heat, HEAT_OPACITY, _to_grey(image), 1 - HEAT_OPACITY, 0)


def _wrap(text: str, width: int) -> list[str]:
    """Break a caption at its commas into lines that fit; a part alone may still be longer."""
    first, *parts = text.split(", ")
    lines = [first]
    for part in parts:
        joined = f"{lines[-1]}, {part}"
        if cv2.getTextSize(joined, _FONT, _FONT_SCALE, 1)[0][0] <= width:
            lines[-1] = joined
        else:
            lines.append(part)
    return lines
