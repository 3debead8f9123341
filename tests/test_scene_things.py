"""The things of drawn scenes, drawn or read from a folder; what is refused in one sentence."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from sparsevit.data import streets
from sparsevit.data.kinds import STREET_KINDS
from sparsevit.data.labelled import DataError, open_data
from sparsevit.data.things import Things

NAME = "00000"


@pytest.fixture(scope="module")
def scene() -> tuple[dict[str, Any], Things]:
    """What a scene's JSON holds, and its things as they are drawn."""
    things = open_data("streets:0:1:128x256", has_things=True)[0].things
    assert things is not None
    return streets.describe_scene(streets.draw_scene(0, 128, 256), 0), things


@pytest.fixture
def folder(tmp_path: Path, scene: tuple[dict[str, Any], Things]) -> Path:
    """One scene as `sparsevit scenes` writes it, but for its picture, labels and depth."""
    for part in ("images", "labels", "instances", "scenes"):
        (tmp_path / part).mkdir()
    content, things = scene
    assert things.ids is not None
    cv2.imwrite(str(tmp_path / "images" / f"{NAME}.png"), np.zeros((128, 256, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "labels" / f"{NAME}.png"), np.zeros((128, 256), np.uint8))
    write_ids(tmp_path, things.ids)
    write_scene(tmp_path, content)
    classes = {"classes": list(streets.CLASS_NAMES), "void": streets.VOID}
    (tmp_path / "classes.json").write_text(json.dumps(classes))
    return tmp_path


def write_ids(folder: Path, ids: np.ndarray) -> None:
    cv2.imwrite(str(folder / "instances" / f"{NAME}.png"), ids.astype(np.uint16))


def write_scene(folder: Path, content: Any) -> None:
    (folder / "scenes" / f"{NAME}.json").write_text(json.dumps(content))


def read(folder: Path) -> Things:
    things = open_data(str(folder), has_things=True)[0].things
    assert things is not None
    return things


def test_files_tell_what_the_drawing_tells(
    folder: Path, scene: tuple[dict[str, Any], Things]
) -> None:
    content, drawn = scene
    found = read(folder)
    assert found.things == drawn.things
    assert (found.kinds, found.camera) == (STREET_KINDS.names, drawn.camera)
    assert found.ids is not None
    assert drawn.ids is not None
    np.testing.assert_array_equal(found.ids, drawn.ids)
    assert len(found.things) == len(content["instances"]) > 3
    for thing in found.things:  # what the numbers of pixels say, counted anew
        rows, columns = np.nonzero(found.ids == thing.id)
        assert thing.pixels == len(rows)
        x0, y0 = columns.min(), rows.min()
        assert thing.rectangle == (x0, y0, columns.max() + 1, rows.max() + 1)
        assert thing.box is not None
        assert found.kinds[thing.label].split()[0] in ("Car", "Van", "Bus", "Pedestrian", "Cyclist")


def test_a_folder_says_whether_it_can_tell_things(folder: Path) -> None:
    data = open_data(str(folder))
    assert (data.kinds, data.has_things, data[0].things) == (STREET_KINDS, False, None)
    (folder / "classes.json").write_text(json.dumps({"classes": ["road", "car"]}))
    assert open_data(str(folder)).kinds is None
    with pytest.raises(DataError, match="tells no things one by one: that takes the classes of"):
        open_data(str(folder), has_things=True)


@pytest.mark.parametrize("part", ["instances", "scenes"])
def test_folders_without_things_are_refused(folder: Path, part: str) -> None:
    (file,) = (folder / part).iterdir()
    file.unlink()
    with pytest.raises(DataError, match=rf"There is no .*{part}/{NAME}\..*, which tells"):
        read(folder)
    (folder / part).rmdir()
    assert open_data(str(folder)).kinds is None
    with pytest.raises(DataError, match=r"tells no things .* instances/ and scenes/ beside"):
        open_data(str(folder), has_things=True)


def test_none_at_all_and_hundreds_are_right(
    folder: Path, scene: tuple[dict[str, Any], Things]
) -> None:
    content, _ = scene
    write_scene(folder, {**content, "instances": []})
    write_ids(folder, np.zeros((128, 256)))
    assert read(folder).things == ()
    one = content["instances"][0]
    write_scene(folder, {**content, "instances": [{**one, "id": n} for n in range(1, 701)]})
    assert len(read(folder).things) == 700


def test_a_box_may_reach_behind_the_camera(
    folder: Path, scene: tuple[dict[str, Any], Things]
) -> None:
    one = {**scene[0]["instances"][0], "centre": [2.0, 1.0, -0.5], "size": [4, 1.5, 2], "yaw": 1.6}
    write_scene(folder, {**scene[0], "instances": [one]})
    (thing,) = read(folder).things
    assert thing.box is not None
    assert thing.box.centre[2] == -0.5
    assert thing.box.corners[:, 2].max() == pytest.approx(1.5, abs=0.05)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"yaw": math.nan}, "instance 7: The centre, size, yaw and score of a box are finite"),
        ({"centre": [0, 0, math.inf]}, "instance 7: The centre, size, yaw and score"),
        ({"centre": [0, 0]}, "instance 7: "),
        ({"centre": [0, 1, -9], "size": [4, 2, 2]}, "instance 7: All of it lies behind the camera"),
        ({"size": [4, 0, 2]}, "instance 7: Length, height and width of a box are above 0 m, not 4"),
        ({"size": [-4, 1, 2]}, "instance 7: Length, height and width of a box are above 0 m"),
        ({"size": ["long", 1, 2]}, "instance 7: could not convert"),
        ({"kind": "horse"}, "instance 7: Its kind is car, van, bus, lorry, .*, not horse"),
        ({"box": [4, 4, 4, 9]}, "instance 7: Its box of pixels is left, top, right, bottom"),
        ({"box": [math.nan, 4, 8, 9]}, "instance 7: Its box of pixels"),
        ({"box": [4, 4, math.inf, 9]}, "instance 7: Its box of pixels"),
        ({"pixels": None}, "instance 7: "),
        ({"pixels": -1}, "instance 7: As many pixels of it show as -1"),
        ({"pixels": math.inf}, "instance 7: "),
        ({"id": math.inf}, "infinity"),
        ({"centre": [0, 0, 10**400]}, "instance 7: "),
        ({"id": 0}, "ids of its instances are whole numbers from 1 on that differ"),
        ({"id": 1}, "ids of its instances are whole numbers from 1 on that differ"),
    ],
)
def test_a_wrong_instance_is_named(
    folder: Path, scene: tuple[dict[str, Any], Things], change: dict[str, Any], reason: str
) -> None:
    one = scene[0]["instances"][0]
    wrong = {**one, "id": 7, **change}
    write_scene(folder, {**scene[0], "instances": [{**one, "id": 1}, wrong]})
    with pytest.raises(DataError, match=rf"{NAME}\.json is not as docs/scenes.md .*: .*{reason}"):
        read(folder)


def forget(*names: str) -> Callable[[Any], None]:
    def change(content: Any) -> None:
        for name in names[:-1]:
            content = content[name] if name != "instances" else content[name][0]
        del content[names[-1]]

    return change


@pytest.mark.parametrize(
    "names", [("camera",), ("camera", "fx"), ("instances",), ("height",), ("instances", "yaw")]
)
def test_what_a_scene_does_not_say_is_named(
    folder: Path, scene: tuple[dict[str, Any], Things], names: tuple[str, ...]
) -> None:
    content = json.loads(json.dumps(scene[0]))
    forget(*names)(content)
    write_scene(folder, content)
    with pytest.raises(DataError, match=rf"{NAME}\.json is not as .*: it says no '{names[-1]}'\."):
        read(folder)


def test_scenes_that_cannot_be_read(folder: Path, scene: tuple[dict[str, Any], Things]) -> None:
    content = scene[0]
    path = folder / "scenes" / f"{NAME}.json"
    for text in ("{", "[]", "[" * 99_999, '"text"', json.dumps({**content, "instances": 3})):
        path.write_text(text)
        with pytest.raises(DataError, match=rf"{NAME}\.json is not as docs/scenes\.md describes"):
            read(folder)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match=rf"{NAME}\.json is not as docs/scenes\.md describes"):
        read(folder)
    for focal in (0, math.nan):
        write_scene(folder, {**content, "camera": {**content["camera"], "fx": focal}})
        with pytest.raises(DataError, match=r"json is not as .* A camera has a focal length above"):
            read(folder)
    write_scene(folder, {**content, "height": 64})
    with pytest.raises(DataError, match=r"is 256x128 but its labels in .*json are 256x64\.$"):
        read(folder)
    write_scene(folder, content)
    write_ids(folder, np.zeros((64, 256)))
    with pytest.raises(DataError, match=rf"is 256x128 but its .*instances/{NAME}\.png are 256x64"):
        read(folder)
    (folder / "instances" / f"{NAME}.png").write_bytes(b"rubbish")
    with pytest.raises(DataError, match=rf"instances/{NAME}\.png cannot be decoded as a PNG"):
        read(folder)
