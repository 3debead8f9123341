"""The things of drawn street scenes, straight from the drawing or from the files of a scene."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from sparsevit.data import streets
from sparsevit.data.boxes import Box3D, Intrinsics
from sparsevit.data.kinds import STREET_KINDS
from sparsevit.data.pictures import DataError, check_sizes, read_numbers
from sparsevit.data.things import Thing, Things

_LABELS = {"car": 0, "van": 1, "bus": 2, "lorry": 2, "pedestrian": 3, "cyclist": 4}


def describe_things(scene: streets.Scene) -> Things:
    """What is told of a scene's things when it is drawn."""
    return make_things(streets.describe_scene(scene, 0), scene.instances)


def holds_things(root: Path) -> bool:
    """Whether a folder has the files of drawn scenes' things."""
    return (root / "scenes").is_dir() and (root / "instances").is_dir()


def read_things(image: Path, size: tuple[int, ...]) -> Things:
    """What the files of a scene tell of its things: instances/NAME.png and scenes/NAME.json.

    Args:
        image: images/NAME.png of the scene.
        size: (img_h, img_w) of it.

    Raises:
        DataError: one of them is missing, or not as docs/scenes.md says.
    """
    root, name = image.parent.parent, image.stem
    path, numbers = root / "scenes" / f"{name}.json", root / "instances" / f"{name}.png"
    for file in (path, numbers):
        if not file.is_file():
            raise DataError(f"There is no {file}, which tells the things of {image}.")
    ids = read_numbers(numbers)
    check_sizes(image, size, numbers, ids.shape)
    try:
        scene = json.loads(path.read_text(encoding="utf-8"))
        check_sizes(image, size, path, (scene["height"], scene["width"]))
        return make_things(scene, ids)
    except DataError:
        raise
    except (OSError, KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        reason = f"it says no {error}." if isinstance(error, KeyError) else str(error)
        raise DataError(f"{path} is not as docs/scenes.md describes it: {reason}") from error


def make_things(scene: dict[str, Any], ids: np.ndarray) -> Things:
    """The things of a scene.

    Args:
        scene: what its JSON holds.
        ids: (img_h, img_w) of any integer type.

    Raises:
        KeyError, TypeError, ValueError: it is not as docs/scenes.md says.
    """
    camera = Intrinsics(*(scene["camera"][name] for name in ("fx", "fy", "cx", "cy")))
    things = tuple(_make_thing(thing) for thing in scene["instances"])
    numbers = Counter(thing.id for thing in things)
    if numbers and (min(numbers) < 1 or max(numbers.values()) > 1):
        raise ValueError("the ids of its instances are whole numbers from 1 on that differ.")
    return Things(STREET_KINDS.names, things, ids.astype(np.int32), camera)


def _make_thing(thing: dict[str, Any]) -> Thing:
    kind, number = thing["kind"], int(thing["id"])
    try:
        if kind not in _LABELS:
            raise ValueError(f"Its kind is {', '.join(_LABELS)}, not {kind}.")
        x, y, z = map(float, thing["centre"])
        length, height, width = map(float, thing["size"])
        x0, y0, x1, y1 = map(float, thing["box"])
        box = Box3D(_LABELS[kind], 1.0, (x, y, z), (length, height, width), float(thing["yaw"]))
        if box.is_behind:
            raise ValueError("All of it lies behind the camera.")
        if not (x0 < x1 and y0 < y1 and all(map(math.isfinite, (x0, y0, x1, y1)))):
            raise ValueError("Its box of pixels is left, top, right, bottom, and not empty.")
        if thing["pixels"] < 0:
            raise ValueError(f"As many pixels of it show as {thing['pixels']}, which cannot be.")
        return Thing(_LABELS[kind], number, (x0, y0, x1, y1), int(thing["pixels"]), box)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"instance {number}: {error}") from error
