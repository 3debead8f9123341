"""Lines and polygons cut, by hand; names that do not run into each other."""

import numpy as np
import pytest

from sparsevit.draw.shapes import clip_lines, clip_polygon, cut_dashes, draw_lines, fill_polygon
from sparsevit.draw.words import write_above

SQUARE = np.array([(1, 0, 0), (-1, 0, 10), (0, 1, 0), (0, -1, 10)])  # 0 to 10 both ways


def test_lines_are_cut_to_a_square() -> None:
    lines = np.array(
        [
            [(-5, 5), (15, 5)],  # through it
            [(2, 3), (4, 9)],  # inside
            [(5, 5), (5, 30)],  # out of it
            [(-4, 3), (3, -4)],  # past its corner, on no side of the square as a whole
            [(-3, 2), (-3, 8)],  # beside it
        ],
        float,
    )
    found, owners = clip_lines(lines, SQUARE)
    assert owners.tolist() == [0, 1, 2]
    assert found == pytest.approx(np.array([[(0, 5), (10, 5)], lines[1], [(5, 5), (5, 10)]]))
    assert clip_lines(lines[1:2], SQUARE)[0] == pytest.approx(lines[1:2])
    assert len(clip_lines(lines[:0], SQUARE)[0]) == 0


def test_polygons_are_cut_to_a_square() -> None:
    def area(points: np.ndarray) -> float:
        x, y = points.T
        return abs(float(x @ np.roll(y, 1) - y @ np.roll(x, 1))) / 2

    triangle = np.array([(-5, 5), (5, -5), (5, 5)], float)
    cut = clip_polygon(triangle, SQUARE)  # of its 50, half lies beyond the sides
    assert area(cut) == pytest.approx(25)
    assert {tuple(point) for point in cut.round(6)} == {(0, 5), (0, 0), (5, 0), (5, 5)}
    assert clip_polygon(triangle - 50, SQUARE).shape == (0, 2)
    around = np.array([(-9, -9), (30, -9), (30, 30), (-9, 30)], float)
    assert area(clip_polygon(around, SQUARE)) == pytest.approx(100)


def test_dashes_begin_and_end_a_line() -> None:
    dashes = cut_dashes(np.array([[(0, 0), (9, 0)], [(0, 0), (0, 0.1)]], float), 1.0)
    assert dashes[:5, :, 0].ravel().tolist() == pytest.approx(range(10))
    assert dashes[5:].tolist() == [[[0, 0], [0, 0.1]]]
    assert cut_dashes(np.empty((0, 2, 2)), 1.0).shape == (0, 2, 2)


def test_places_count_from_the_edge_of_the_first_pixel() -> None:
    picture = np.zeros((6, 8, 3), np.uint8)
    draw_lines(picture, np.array([[(2.5, 0.5), (2.5, 5.5)]]), (255, 0, 0), 1)
    assert picture[:, :, 0].argmax(1).tolist() == [2] * 6
    picture[:] = 0
    fill_polygon(picture, np.array([(-9, -9), (4, -9), (4, 99), (-9, 99)]), (200, 100, 0), 0.5)
    assert (picture[:, :3] == (100, 50, 0)).all()
    assert not picture[:, 5:].any()
    before = picture.copy()
    fill_polygon(picture, np.array([(-9, 2), (-3, 2), (-3, 4)]), (200, 100, 0))
    fill_polygon(picture, np.array([(1, 2), (3, 2)]), (200, 100, 0))
    assert (picture == before).all()


def test_names_do_not_run_into_each_other() -> None:
    def write(*names: tuple[str, float, float]) -> np.ndarray:
        picture = np.full((100, 200, 3), 128, np.uint8)
        write_above(picture, names)
        return picture

    one, two, other = ("Car 10 m", 0.5, 0.5), ("Van 20 m", 0.55, 0.52), ("Van 20 m", 0.5, 0.9)
    assert (write(one, two) == write(one)).all()
    assert (write(one, other) != write(one)).any()
    (rows, _), height = np.nonzero((write(one) != 128).any(2)), 100
    assert rows.max() < 0.5 * height  # above its place
    assert (write(("Car 10 m", 0.0, 0.0)) != 128).any()  # moved into the picture
