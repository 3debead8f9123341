"""Things after a crop, and what the heads should output for them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from sparsevit.data.augment import random_crop
from sparsevit.data.boxes import Box3D, Intrinsics, wrap_angle
from sparsevit.data.kinds import STREET_KINDS, KindList
from sparsevit.data.labelled import Sample, StreetScenes
from sparsevit.data.targets import make_targets
from sparsevit.data.things import Thing, Things
from sparsevit.networks.scene_outputs import read_boxes, read_instances

KINDS = KindList(("post", "lorry"), (0, 1), ((1.0, 2.0, 4.0), (8.0, 3.0, 2.0)))
CAMERA = Intrinsics(100.0, 100.0, 32.0, 16.0)


def make_things() -> Things:
    """A lorry of 16 x 8 pixels whose middle is at (24, 12), seen 10 m ahead, and a speck."""
    ids = np.zeros((32, 64), np.int32)
    ids[8:16, 16:32] = 7
    ids[20:24, 40:44] = 3
    box = Box3D(1, 1.0, (-0.8, 0.0, 10.0), (16.0, 3.0, 2.0), 0.5)
    lorry = Thing(1, 7, (16, 8, 32, 16), 128, box)
    speck = Thing(0, 3, (40, 20, 44, 24), 16)
    return Things(KINDS.names, (lorry, speck), ids, CAMERA)


def test_targets_of_one_thing_by_hand() -> None:
    targets = make_targets(make_things(), KINDS, (32, 64))
    heat, boxes = targets["heat"], targets["boxes"]
    assert heat.shape == (2, 8, 16)
    assert np.argwhere(heat == 1).tolist() == [[1, 3, 6]]  # kind, row, column of 4 pixels
    assert heat[1, 3, 7] == pytest.approx(math.exp(-1 / (2 * 0.8**2)))
    assert not heat[0].any()
    # The speck is too small to be asked for, and nothing said of it is wrong.
    assert np.argwhere(targets["heat_weight"] == 0).tolist() == [[5, 10]]
    weights = targets["offsets_weight"]  # 2 x 4 cells of the lorry, each 1 / sqrt(8)
    np.testing.assert_allclose(weights[weights > 0], [8**-0.5] * 8, rtol=1e-6)
    # The cell of row 2, column 4 has its middle at (18, 10), the lorry at (24, 12).
    np.testing.assert_allclose(targets["offsets"][:, 2, 4], [6 / 32, 2 / 32])
    assert targets["boxes_weight"].sum() == pytest.approx(1)
    alpha = 0.5 - math.atan2(-0.8, 10.0)
    seen_u, seen_v = 32 - 8, 16  # where the centre of the box falls; the cell's is (26, 14)
    expected = [math.log(100), math.log(2), 0, 0, math.sin(alpha), math.cos(alpha)]
    offset = [(seen_u - 26) / 32, (seen_v - 14) / 32]
    np.testing.assert_allclose(boxes[:, 3, 6], [*expected, *offset], atol=1e-6)


def test_nothing_counts_where_things_were_not_told_apart() -> None:
    for targets in (
        make_targets(None, KINDS, (32, 64)),
        make_targets(Things(KINDS.names, (), ignored=((0, 0, 64, 32),)), KINDS, (32, 64)),
    ):
        assert not any(targets[name].any() for name in targets if name.endswith("weight"))
    assert "boxes" not in make_targets(None, KindList(("post",), (0,)), (32, 64))


def test_a_thing_without_pixels_of_its_own_has_the_middle_of_its_rectangle() -> None:
    thing = Thing(0, 0, (9.0, 5.0, 20.0, 12.0), 77, Box3D(0, 1.0, (0, 0, -3), (1, 1, 1), 0.0))
    targets = make_targets(Things(KINDS.names, (thing,), camera=CAMERA), KINDS, (32, 64))
    assert np.argwhere(targets["heat"] == 1).tolist() == [[0, 2, 3]]
    assert not targets["offsets_weight"].any()
    assert not targets["boxes_weight"].any()  # it is behind the camera


@pytest.mark.parametrize("seed", range(6))
def test_a_crop_of_things_is_what_its_camera_sees(seed: int) -> None:
    """Corners of boxes, projected by the crop's camera, lie where the crop took them."""
    sample = Sample(np.zeros((96, 128, 3), np.uint8), np.zeros((96, 128), np.uint8), "")
    yaw = 0.7
    box = Box3D(0, 1.0, (0.3, 0.1, 9.0), (2.0, 1.0, 0.5), yaw)
    camera = Intrinsics(150.0, 150.0, 60.0, 50.0)
    ids = np.zeros((96, 128), np.int32)
    ids[40:60, 50:80] = 1
    things = Things(("x",), (Thing(0, 1, (50, 40, 80, 60), 600, box),), ids, camera)
    u, v = np.meshgrid(np.arange(128), np.arange(96))
    ramp = np.stack([u * 2 % 256, v * 2, np.zeros_like(u)], -1).astype(np.uint8)
    sample = Sample(ramp, (ids * 5).astype(np.uint8), "", things)
    crop = random_crop(sample, (64, 96), (0.8, 1.5), 9, np.random.default_rng(seed))
    assert crop.things is not None
    assert crop.things.ids is not None
    assert ((crop.things.ids == 1) == (crop.labels == 5)).mean() > 0.995
    (thing,) = crop.things.things
    assert thing.pixels == (crop.things.ids == 1).sum()
    rows, columns = np.nonzero(crop.labels == 5)
    edges = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    np.testing.assert_allclose(thing.rectangle, edges, atol=1.5)
    # Both cameras see the corners of the box at the same places of the thing.
    assert thing.box is not None
    assert crop.things.camera is not None
    before, after = camera.project(box.corners), crop.things.camera.project(thing.box.corners)
    is_mirrored = thing.box.centre[0] < 0
    if is_mirrored:  # left and right have changed places
        after = after[[1, 0, 3, 2, 5, 4, 7, 6]]
    matrix = np.linalg.lstsq(np.c_[before, np.ones(8)], after, rcond=None)[0]
    np.testing.assert_allclose(np.c_[before, np.ones(8)] @ matrix, after, atol=1e-9)
    assert (matrix[0, 0] < 0) == is_mirrored
    # That map takes the rectangle along, where the crop shows all of it.
    corners = np.array([[50, 40, 1], [80, 60, 1]]) @ matrix
    low, high = corners.min(0).clip(0), np.minimum(corners.max(0), (96, 64))
    np.testing.assert_allclose(thing.rectangle, [*low, *high], atol=1e-6)
    assert thing.box.alpha == pytest.approx(
        wrap_angle(math.pi - box.alpha) if is_mirrored else box.alpha
    )


def test_perfect_outputs_are_read_back_as_the_truth() -> None:
    """Targets of a drawn scene, given to what reads outputs, are the scene's things again."""
    sample = StreetScenes(300000, 1, (256, 512), has_things=True)[0]
    things, size = sample.things, (256, 512)
    assert things is not None
    assert things.ids is not None
    assert things.camera is not None
    targets = make_targets(things, STREET_KINDS, size)
    heat = targets["heat"].clip(1e-4, 1 - 1e-4)
    centres = np.concatenate([np.log(heat / (1 - heat)), targets["offsets"]])
    classes = torch.from_numpy(sample.labels[2::4, 2::4].astype(np.int64))
    logits = 9.0 * torch.nn.functional.one_hot(classes, 12).permute(2, 0, 1)[None, :11]
    output = {
        "logits": logits,
        "centres": torch.from_numpy(centres)[None],
        "boxes": torch.from_numpy(targets["boxes"])[None],
    }
    found = read_boxes(STREET_KINDS.sizes, output, size).see_with(things.camera)
    wanted = [thing for thing in things.things if thing.pixels >= 24]
    sure = [box for box in found.boxes if box.score > 0.9]
    assert len(sure) == len(wanted) > 5
    for thing in wanted:
        assert thing.box is not None
        apart = [np.abs(np.subtract(thing.box.centre, box.centre)).max() for box in sure]
        best = sure[int(np.argmin(apart))]
        assert min(apart) < 1e-3
        assert best.label == thing.label
        np.testing.assert_allclose(best.size, thing.box.size, rtol=1e-5)
        assert abs(wrap_angle(best.yaw - thing.box.yaw)) < 1e-5
    segments = read_instances(STREET_KINDS.classes, output, size)
    large = [thing for thing in wanted if thing.pixels > 400]
    for thing in large:
        mask = things.ids == thing.id
        ious = [
            (mask & (segments.ids == s.id)).sum() / (mask | (segments.ids == s.id)).sum()
            for s in segments.segments
        ]
        best_segment = segments.segments[int(np.argmax(ious))]
        assert max(ious) > 0.6
        assert best_segment.label == STREET_KINDS.classes[thing.label]
        assert best_segment.score > 0.9
