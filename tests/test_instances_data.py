"""COCO's layout of instances as data to train on: what its masks say of pixels and of things."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from eval_support import CATEGORIES, count_runs, make_photo, write_instances, write_json

from sparsevit.data.kinds import KindList
from sparsevit.data.labelled import (
    DataError,
    EmptySplitError,
    choose_split,
    name_data,
    open_data,
)

#: The categories by their ids, 3, 7, 12 and 90, behind the background.
CLASSES = ("background", "road", "car", "sky", "tree")


def block(rows: slice, columns: slice) -> dict[str, Any]:
    mask = np.zeros((64, 96), bool)
    mask[rows, columns] = True
    return count_runs(mask)


def write(root: Path, *things: tuple[str, Any, bool], names: tuple[str, ...] = ("a",)) -> Any:
    """Pictures of 64 x 96 pixels; the things are those of the first."""
    photos = {name: make_photo(seed=number) for number, name in enumerate(names)}
    return write_instances(root, photos, {names[0]: list(things)})


def test_masks_are_classes_of_pixels_and_things(tmp_path: Path) -> None:
    large, small = slice(0, 40), slice(10, 20)
    write(
        tmp_path,
        ("car", block(small, small), False),
        ("road", block(large, large), False),
        ("sky", block(slice(50, 60), slice(0, 90)), True),
        ("car", block(slice(52, 54), slice(80, 96)), False),
        ("sky", block(slice(11, 12), slice(11, 12)), False),
        names=("a", "b"),
    )
    data = open_data(f"coco:{tmp_path}")
    assert data.class_names == (*CLASSES, "Void")
    assert data.kinds == KindList(CLASSES[1:], (1, 2, 3, 4))
    assert (len(data), data.has_things, data.names) == (2, True, ["a", "b"])
    sample = data[0]
    things = sample.things
    assert things is not None
    labels, ids = np.zeros((64, 96), int), np.zeros((64, 96), int)
    labels[:40, :40], ids[:40, :40] = 1, 2
    labels[10:20, 10:20], ids[10:20, 10:20] = 2, 1  # the smaller one is on top
    labels[50:60, :90] = 5  # a crowd is void,
    labels[52:54, 80:], ids[52:54, 80:] = 2, 4  # except where something is told apart
    labels[11, 11], ids[11, 11] = 3, 5
    np.testing.assert_array_equal(sample.labels, labels)
    assert things.ids is not None
    np.testing.assert_array_equal(things.ids, ids)
    assert things.ignored == ((0, 50, 90, 60),)
    assert [(t.id, t.label, t.rectangle, t.pixels) for t in things.things] == [
        (1, 1, (10, 10, 20, 20), 99),
        (2, 0, (0, 0, 40, 40), 1500),
        (4, 1, (80, 52, 96, 54), 32),
        (5, 2, (11, 11, 12, 12), 1),
    ]
    assert all(thing.box is None for thing in things.things)
    assert (things.kinds, things.camera) == (CLASSES[1:], None)
    empty = data[1]
    assert not empty.labels.any()
    assert empty.things is not None
    assert empty.things.things == empty.things.ignored == ()


def test_what_does_not_show_is_no_thing(tmp_path: Path) -> None:
    area = block(slice(0, 20), slice(0, 20))
    nothing = block(slice(0, 0), slice(0, 0))
    write(tmp_path, *[("car", mask, False) for mask in (area, area, nothing)])
    things = open_data(f"coco:{tmp_path}")[0].things
    assert things is not None
    (thing,) = things.things
    assert (thing.id, thing.pixels) == (2, 400)


def test_hundreds_of_things(tmp_path: Path) -> None:
    cells = [(row, column) for row in range(0, 64, 4) for column in range(0, 96, 4)]
    write(tmp_path, *[("car", block(slice(r, r + 3), slice(c, c + 3)), False) for r, c in cells])
    things = open_data(f"coco:{tmp_path}")[0].things
    assert things is not None
    assert len(things.things) == len(cells) == 384
    assert {thing.pixels for thing in things.things} == {9}


def test_splits_are_folders_or_every_tenth_picture(tmp_path: Path) -> None:
    car = ("car", [[0, 0, 9, 0, 9, 9]], False)
    names = tuple(f"{number:02d}" for number in range(12))
    write(tmp_path / "flat", car, names=names)
    flat = f"coco:{tmp_path / 'flat'}"
    assert open_data(flat, "val").names == ["09"]
    assert len(open_data(flat, "train")) == 11
    assert (choose_split(flat), name_data(flat)) == ("all", "flat")
    with pytest.raises(EmptySplitError, match=r"No pictures are left in .*flat for this split"):
        open_data(flat, "val", ["x"])
    with pytest.raises(DataError, match="no folder test/, so it has no test split"):
        open_data(flat, "test")
    for part in ("train", "val", "test"):
        write(tmp_path / "parted" / part, car, names=(part,))
    parted = f"coco:{tmp_path / 'parted'}"
    assert [open_data(parted, part).names for part in ("train", "val", "test", "all")] == [
        ["train"],
        ["val"],
        ["test"],
        ["train", "val"],
    ]
    assert choose_split(parted) == "val"
    content = write(tmp_path / "parted" / "val", car, names=("val",))
    content["categories"] = CATEGORIES[:1]
    write_json(tmp_path / "parted" / "val" / "instances.json", content)
    with pytest.raises(DataError, match=r"parted/train and .*parted/val have different categories"):
        open_data(parted)


def test_what_cannot_be_learnt_is_one_sentence(tmp_path: Path) -> None:
    content = write(tmp_path, ("car", [[0, 0, 9, 0, 9, 9]], False))
    spec, path = f"coco:{tmp_path}", tmp_path / "instances.json"
    assert open_data(spec, class_names=CLASSES).class_names[:-1] == CLASSES
    with pytest.raises(DataError, match=r"are background, road, car, sky, tree, as .*, not x"):
        open_data(spec, class_names=["x"])
    for categories, message in (
        ([*CATEGORIES, {"id": 8, "name": "background"}], "a category background, which is what"),
        ([*CATEGORIES, {"id": 8, "name": "tree"}], r"categories of .*instances\.json: Class names"),
        ([{"id": n, "name": str(n)} for n in range(254)], r"instances\.json: Class names are diff"),
        (
            [*CATEGORIES, {"name": "tree"}],
            r"not of COCO's layout: it says no id",
        ),
        ([*CATEGORIES, {"id": "8", "name": "oak"}], r"instances\.json is not of COCO's layout"),
        ([{"id": 3, "name": "road"}], "labels the category 7"),
    ):
        write_json(path, {**content, "categories": categories})
        with pytest.raises(DataError, match=message):
            open_data(spec)
    for counts in ([9], "abc", 5):
        content["annotations"][0]["segmentation"] = {"size": [64, 96], "counts": counts}
        write_json(path, content)
        with pytest.raises(DataError, match=r"A mask of .*a\.png in .*json cannot be read"):
            open_data(spec)[0]
    path.unlink()
    with pytest.raises(DataError, match=r"There is no .*instances\.json; the labels of segments"):
        open_data(spec)
