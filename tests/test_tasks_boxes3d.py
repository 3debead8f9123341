"""Boxes compared by hand, and drawn where they are."""

import math
from dataclasses import replace

import numpy as np
import pytest

from sparsevit.data.boxes import Box3D, Boxes3D, Intrinsics
from sparsevit.data.kinds import STREET_KINDS
from sparsevit.data.labelled import open_data
from sparsevit.data.things import Thing, Things
from sparsevit.draw.birds_eye import choose_reach
from sparsevit.evaluation.scorer import AgreementScorer
from sparsevit.tasks.boxes3d import Boxes3DTask, match_boxes
from sparsevit.tasks.palette import choose_palette

SIZE = (240, 480)
CAMERA = Intrinsics.from_field_of_view(SIZE)
TASK = Boxes3DTask(
    STREET_KINDS.names, choose_palette(STREET_KINDS.names), lambda output, size: output
)
IMAGE = np.full((*SIZE, 3), 128, np.uint8)


def make_box(
    x: float, z: float, label: int = 0, score: float = 0.9, yaw: float = 0.0, length: float = 4.0
) -> Box3D:
    return Box3D(label, score, (x, 0.5, z), (length, 1.5, 2.0), yaw)


def gather(*boxes: Box3D) -> Boxes3D:
    return Boxes3D(boxes, CAMERA, SIZE)


DENSE = gather(make_box(0, 10), make_box(6, 20), make_box(-6, 20, label=3))
SPARSE = gather(
    make_box(0.3, 10.4, yaw=math.pi / 2, length=2.0),  # 0.5 m away, half as long, turned
    make_box(6, 22.1),  # too far
    make_box(-6, 20, label=4),  # of another kind
    make_box(-6, 20, label=3, score=0.29),  # not sure
)


def test_agreement_by_hand() -> None:
    result = TASK.compare(DENSE, SPARSE)
    assert next(iter(result)) == "agreement"
    assert result == pytest.approx(
        {
            "agreement": 2 * 1 / (3 + 3),
            "matched": 1 / 3,
            "centre_error_m": 0.5,
            "size_error": 0.5,
            "yaw_error_deg": 90.0,
            "dense_boxes": 3,
            "sparse_boxes": 3,
        }
    )
    expected = {"Car": 2 * 1 / 4, "Pedestrian": 0.0, "Cyclist": 0.0}
    assert TASK.compare_classes(DENSE, SPARSE) == pytest.approx(expected)
    (match,) = match_boxes(DENSE, SPARSE)[1:]  # which takes the unsure ones as well
    assert (match.dense, match.sparse) == (DENSE.boxes[0], SPARSE.boxes[0])
    assert match.distance_m == pytest.approx(0.5)


def test_a_prediction_agrees_with_itself_and_nothing_with_nothing() -> None:
    nothing = gather()
    assert TASK.compare(DENSE, DENSE)["agreement"] == 1.0
    nowhere = {"centre_error_m": math.nan, "size_error": math.nan, "yaw_error_deg": math.nan}
    assert TASK.compare(nothing, nothing) == pytest.approx(
        {"agreement": 1, "matched": 1, **nowhere, "dense_boxes": 0, "sparse_boxes": 0}, nan_ok=True
    )
    assert TASK.compare(nothing, DENSE)["agreement"] == 0.0
    assert TASK.compare(DENSE, nothing)["matched"] == 0.0
    assert TASK.compare_classes(nothing, nothing) == {}


def test_pictures_without_a_match_make_no_error_smaller() -> None:
    scorer = AgreementScorer(TASK)
    nothing = gather()
    scorer.add(None, nothing, nothing)
    assert scorer.summarise()["centre_error_m"] is None
    for sparse in (SPARSE, nothing):
        scorer.add(None, DENSE, sparse)
    result = scorer.summarise()
    assert (result["centre_error_m"], result["yaw_error_deg"]) == (0.5, 90.0)
    assert result["agreement"] == pytest.approx((1 + 2 / 6 + 0) / 3, abs=1e-6)


def test_the_nearest_two_are_matched_first_and_each_once() -> None:
    dense = gather(make_box(0, 10), make_box(1.5, 10))
    sparse = gather(make_box(1.0, 10), make_box(-1.8, 10))
    pairs = [(m.dense.centre[0], m.sparse.centre[0]) for m in match_boxes(dense, sparse)]
    assert pairs == [(1.5, 1.0), (0.0, -1.8)]
    turned = [(m.sparse.centre[0], m.dense.centre[0]) for m in match_boxes(sparse, dense)]
    assert turned == pairs
    assert len(match_boxes(dense, gather(make_box(1.0, 10)))) == 1
    above = replace(make_box(0, 10), centre=(0.0, -50.0, 10.0))  # height does not count
    assert match_boxes(gather(above), dense)[0].distance_m == 0.0


def test_truth_is_of_the_kinds_that_the_network_knows() -> None:
    def make_thing(label: int, box: Box3D | None) -> Thing:
        return Thing(label, 1, (0, 0, 1, 1), 1, box)

    kinds = ("Tram", "Cyclist", "Car")
    things = (make_thing(0, make_box(0, 9)), make_thing(2, make_box(0, 8, label=2)))
    truth = TASK.read_truth(Things(kinds, things, camera=CAMERA), SIZE)
    assert truth is not None
    assert truth.boxes == (make_box(0, 8, label=0),)
    assert (truth.camera, truth.size) == (CAMERA, SIZE)
    assert TASK.read_truth(Things(kinds, things), SIZE) is None
    untold = (*things, make_thing(1, None))
    assert TASK.read_truth(Things(kinds, untold, camera=CAMERA), SIZE) is None


def find_changed(picture: np.ndarray) -> np.ndarray:
    return (picture != IMAGE).any(2)


def test_what_is_drawn_is_where_the_thing_is() -> None:
    """Of drawn scenes, whose pixels are told: all of a near car lies within its wireframe."""
    sample = open_data("streets:5:1:128x256", has_things=True)[0]
    assert sample.things is not None
    assert sample.things.ids is not None
    truth = TASK.read_truth(sample.things, sample.labels.shape)
    assert truth is not None
    thing = max(sample.things.things, key=lambda thing: thing.pixels)
    grey = np.full_like(sample.image, 128)
    drawn = TASK.draw_pair(
        grey, replace(truth, boxes=(thing.box,)), replace(truth, boxes=()), False
    )
    filled = (drawn[0] != grey).any(2)  # alone, so all of its hull
    assert filled[sample.things.ids == thing.id].mean() > 0.98
    assert filled.sum() < 3 * thing.pixels


def test_edges_are_drawn_where_they_are_by_hand() -> None:
    # Seen from straight behind: 2 x 1.5 m at 8 to 12 m; its end nearer to the camera is the rear.
    box = Box3D(0, 0.9, (0.0, 0.0, 10.0), (4.0, 1.5, 2.0), -math.pi / 2)
    picture = TASK.draw_pair(IMAGE, gather(box), gather(box), has_names=False)[0]
    rows, columns = np.nonzero(find_changed(picture))
    focal = 240 * math.sqrt(3)
    assert columns.min() == pytest.approx(240 - focal / 8, abs=4)
    assert columns.max() == pytest.approx(240 + focal / 8, abs=4)
    assert rows.min() == pytest.approx(120 - 0.75 * focal / 8, abs=4)
    assert rows.max() == pytest.approx(120 + 0.75 * focal / 8, abs=4)
    left = picture[120, round(240 - focal / 8) - 2 : round(240 - focal / 8) + 2].astype(int)
    assert (left[:, 0] - left[:, 1]).max() > 100  # red, as cars are; outlined in a dark grey
    assert left.max(1).min() < 30


def test_the_front_is_filled() -> None:
    coming = make_box(0, 10, yaw=math.pi / 2)  # its front is nearer and looks larger
    counts = {}
    for name, box in {"coming": coming, "going": replace(coming, yaw=-math.pi / 2)}.items():
        picture = TASK.draw_pair(IMAGE, gather(box), gather(box), has_names=False)[0]
        tint = 0.65 * 128 + 0.35 * TASK.palette[0].astype(float)
        counts[name] = int((np.abs(picture - tint).max(2) <= 1).sum())
    assert counts["coming"] > 1.5 * counts["going"] > 0


def test_a_match_looks_the_same_on_both_sides_and_what_is_alone_does_not() -> None:
    dense, sparse = TASK.draw_pair(IMAGE, DENSE, DENSE, has_names=False)
    assert (dense == sparse).all()
    lost, rest = TASK.draw_pair(IMAGE, DENSE, gather(*DENSE.boxes[1:]), has_names=False)
    box = DENSE.boxes[0]
    middle = CAMERA.project(np.array(box.centre)).astype(int)[::-1]
    around = tuple(slice(place - 10, place + 10) for place in middle)
    assert find_changed(lost)[around].all()
    assert not find_changed(dense)[around].all()
    assert (lost != dense).any()
    apart = CAMERA.project(np.array(DENSE.boxes[1].centre)).astype(int)[::-1]
    nearby = tuple(slice(place - 5, place + 5) for place in apart)
    assert (lost[nearby] == dense[nearby]).all()
    assert (rest[nearby] == dense[nearby]).all()


def test_the_nearest_is_on_top_in_whatever_order_they_come() -> None:
    near, far = make_box(0, 10), Box3D(1, 0.9, (0.0, 0.5, 14.0), (2.0, 6.0, 9.0), math.pi / 2)
    both = [
        TASK.draw_pair(IMAGE, gather(*boxes), gather(*boxes), has_names=False)[0]
        for boxes in ((near, far), (far, near))
    ]
    assert (both[0] == both[1]).all()
    alone = TASK.draw_pair(IMAGE, gather(near), gather(near), has_names=False)[0]
    row = round(CAMERA.project(np.array([0.0, 0.5, 9.0]))[1])  # where its side edge stands
    edge = round(CAMERA.project(np.array([2.0, 0.5, 9.0]))[0])
    red = alone[row, edge - 3 : edge + 3].astype(int)
    strongest = edge - 3 + int((red[:, 0] - red[:, 1]).argmax())
    assert (both[0][row, strongest] == alone[row, strongest]).all()


@pytest.mark.parametrize("shape", [(240, 480), (640, 320), (37, 900)])
def test_any_box_can_be_drawn(shape: tuple[int, int]) -> None:
    """Around, behind and inside of the camera, huge, tiny and far; hundreds of them; none."""
    image = np.full((*shape, 3), 128, np.uint8)
    odd = [
        Box3D(0, 1.0, (0.0, 0.0, 0.0), (4.0, 4.0, 4.0), 0.3),  # around the camera
        Box3D(1, 1.0, (2.0, 1.0, 1.0), (4.0, 1.5, 2.0), 1.0),  # partly behind
        Box3D(2, 1.0, (0.0, 0.0, 5.0), (1e4, 1e4, 1e4), 0.0),
        Box3D(3, 1.0, (0.0, 0.0, 1e300), (1e300, 1.0, 1.0), 0.0),
        Box3D(4, 1.0, (1e9, 0.0, 1e-9), (1e-12, 1e-12, 1e-12), 0.0),
        Box3D(0, 1.0, (1e5, 1e5, 0.2), (1.0, 1.0, 1.0), 0.0),
        Box3D(0, 1.0, (0.0, 0.0, 0.100001), (1e-9, 1e-9, 1e-9), 0.0),
    ]
    random = np.random.default_rng(0)
    many = [
        make_box(*random.uniform((-40, -10), (40, 90)), yaw=i)
        for i in range(300 if shape == SIZE else 3)
    ]
    dense = Boxes3D((*odd, *many), CAMERA, SIZE)
    nothing = Boxes3D((), CAMERA, SIZE)
    for drawn in (TASK.draw(image, dense), *TASK.draw_pair(image, dense, nothing)):
        assert drawn.shape == image.shape
    assert (TASK.draw(image, nothing) == image).all()
    assert (image == 128).all()
    for sparse, truth in ((None, None), (dense, None), (nothing, dense)):
        assert TASK.draw_birds_eye((200, 300), dense, sparse, truth).shape == (200, 300, 3)
    assert TASK.draw_birds_eye((160, 160), nothing).shape == (160, 160, 3)


def test_what_is_behind_the_camera_is_not_drawn() -> None:
    behind = Box3D(0, 1.0, (0.0, 0.0, -5.0), (4.0, 1.5, 2.0), 0.3)
    assert (TASK.draw(IMAGE, gather(behind)) == IMAGE).all()
    partly = Box3D(0, 1.0, (1.5, 1.0, 1.0), (4.0, 1.5, 2.0), -math.pi / 2)
    changed = find_changed(TASK.draw_pair(IMAGE, gather(partly), gather(), has_names=False)[0])
    assert changed[:, 300:].any()
    assert not changed[:, :200].any()  # nothing of it is on the left


def test_unsure_boxes_are_not_drawn() -> None:
    unsure = gather(make_box(0, 10, score=0.29))
    assert (TASK.draw(IMAGE, unsure) == IMAGE).all()
    assert TASK.place_names(unsure) == []
    nothing = TASK.draw_birds_eye((200, 200), gather(), reach_m=30)
    assert (TASK.draw_birds_eye((200, 200), unsure, reach_m=30) == nothing).all()


def test_names_stand_above_what_is_large_enough() -> None:
    near, far = make_box(0, 10), make_box(0, 400)
    ((box, u, v),) = TASK.place_names(gather(far, near))
    assert box is near
    assert TASK.name_box(box) == "Car 10 m"
    assert u == pytest.approx(0.5)
    focal = 240 * math.sqrt(3)
    assert v * 240 == pytest.approx(120 + focal * (0.5 - 0.75) / 9)  # its upper edge at 9 m
    cut = Box3D(0, 1.0, (0.0, 0.0, 1.0), (1.0, 50.0, 1.0), 0.0)  # higher than the picture
    assert TASK.place_names(gather(cut))[0][2] == pytest.approx(0.0)


def test_the_view_from_above_by_hand() -> None:
    """Where the footprints lie, relative to each other, and what the looks are."""
    size, reach = (420, 420), 40.0
    empty = TASK.draw_birds_eye(size, gather(), reach_m=reach).astype(int)

    def find(box: Box3D, **sides: Boxes3D) -> tuple[float, float, int]:
        picture = TASK.draw_birds_eye(size, gather(box), reach_m=reach, **sides)
        rows, columns = np.nonzero((picture != empty).any(2))
        return float(rows.mean()), float(columns.mean()), len(rows)

    row, column, _ = find(make_box(0, 10))
    far_row, far_column, _ = find(make_box(0, 30))
    right_row, right_column, _ = find(make_box(10, 10))
    assert far_column == pytest.approx(column, abs=0.1)
    assert right_row == pytest.approx(row, abs=0.1)
    assert (row - far_row) / 20 == pytest.approx((right_column - column) / 10, abs=0.05)
    ahead_row, ahead_column, _ = find(make_box(0, 10, yaw=-math.pi / 2))
    assert ahead_row < row - 0.1  # the line out of its front goes up the picture
    assert column > ahead_column + 0.1  # and there to the right


def test_the_view_reaches_as_far_as_nine_boxes_out_of_ten() -> None:
    boxes = [make_box(0, 16.0)] * 9
    assert choose_reach(boxes) == 20  # to 18 m
    assert choose_reach([*boxes, *boxes, make_box(0, 75.0)]) == 20
    assert choose_reach([*boxes, *[make_box(0, 35.0)] * 3]) == 40
    assert choose_reach([make_box(0, 18.5)]) == 30
    assert choose_reach([make_box(0, 500.0)]) == 80
    assert choose_reach([]) == 10


def test_what_the_camera_does_not_see_is_darker() -> None:
    """Half of 480 pixels over a focal length of 480: a metre aside for every two ahead."""
    size, camera = (420, 420), Intrinsics.from_focal(SIZE, 480.0)
    nothing = Boxes3D((), camera, SIZE)
    empty = TASK.draw_birds_eye(size, nothing, reach_m=40).astype(int)
    places = []
    for x, z in ((0, 10), (10, 30)):
        spot = Box3D(0, 1.0, (x, 0.0, z), (1e-3, 1.0, 1e-3), 0.0)
        boxes = Boxes3D((spot,), camera, SIZE)
        changed = (TASK.draw_birds_eye(size, boxes, reach_m=40) != empty).any(2)
        places.append([float(index.mean()) for index in np.nonzero(changed)])
    (row, column), (far_row, right_column) = places
    across, ahead = (right_column - column) / 10, (far_row - row) / 20  # pixels a metre

    def look(x: float, z: float) -> int:
        return int(empty[round(row + (z - 10) * ahead), round(column + x * across)].mean())

    # Beside the lines of the grid, which stand at every 5 m.
    assert look(6.5, 18.5) == look(-6.5, 18.5) > look(8.5, 13.5) == look(-8.5, 13.5)


def test_the_legend_says_what_lies_outside() -> None:
    inside, outside = gather(make_box(0, 10)), gather(make_box(0, 10), make_box(0, 90))
    pictures = [TASK.draw_birds_eye((300, 300), boxes, reach_m=30) for boxes in (inside, outside)]
    rows, _ = np.nonzero((pictures[0] != pictures[1]).any(2))
    assert 0 < rows.max() < 40


def test_looks_differ_by_more_than_colour() -> None:
    boxes, none = gather(make_box(0, 10)), gather()
    pictures = [
        TASK.draw_birds_eye((300, 300), *sides, reach_m=20).mean(2)
        for sides in ((boxes, none, none), (none, boxes, none), (none, none, boxes))
    ]
    dark = [int((picture < 60).sum()) for picture in pictures]
    assert len({picture.tobytes() for picture in pictures}) == 3
    assert dark[1] != dark[0] > dark[2]


def test_a_view_from_above_has_room() -> None:
    with pytest.raises(ValueError, match="160 pixels or more a side"):
        TASK.draw_birds_eye((100, 300), gather())
