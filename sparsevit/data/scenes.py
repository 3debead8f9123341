"""The things of drawn street scenes, straight from the drawing or from the files of a scene."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from sparsevit.data import streets
from sparsevit.data.boxes import Box3D, Intrinsics
from sparsevit.data.pictures import DataError, check_sizes, read_numbers
from sparsevit.data.things import STREET_KINDS, Thing, Things

_LABELS = {"car": 0, "van": 1, "bus": 2, "lorry": 2, "pedestrian": 3, "cyclist": 4}


def describe_things(scene: streets.Scene) -> Things:
    """What is told of a scene's things when it is drawn."""
    return make_things(streets.describe_scene(scene, 0), scene.instances)


def read_things(image: Path) -> Things:
    """What the files of a scene tell of its things: instances/NAME.png and scenes/NAME.json.

    Args:
        image: images/NAME.png of the scene.

    Raises:
        DataError: one of them is missing, or not as docs/scenes.md says.
    """
    root, name = image.parent.parent, image.stem
    path = root / "scenes" / f"{name}.json"
    if not path.is_file():
        raise DataError(f"There is no {path}, which tells the things of {image} and their boxes.")
    try:
        scene = json.loads(path.read_text(encoding="utf-8"))
        ids = read_numbers(root / "instances" / f"{name}.png")
        check_sizes(image, (scene["height"], scene["width"]), path, ids.shape)
        return make_things(scene, ids)
    except DataError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} does not describe a scene as docs/scenes.md does.") from error


def make_things(scene: dict[str, Any], ids: np.ndarray) -> Things:
    """The things of a scene.

    Args:
        scene: what its JSON holds.
        ids: (img_h, img_w) of any integer type.

    Raises:
        KeyError, TypeError, ValueError: it is not as docs/scenes.md says.
    """
    camera = scene["camera"]
    things = []
    for thing in scene["instances"]:
        label = _LABELS[thing["kind"]]
        x, y, z = thing["centre"]
        length, height, width = thing["size"]
        box = Box3D(label, 1.0, (x, y, z), (length, height, width), thing["yaw"])
        x0, y0, x1, y1 = thing["box"]
        things.append(Thing(label, thing["id"], (x0, y0, x1, y1), thing["pixels"], box))
    return Things(
        STREET_KINDS.names,
        tuple(things),
        ids.astype(np.int32),
        Intrinsics(*(camera[name] for name in ("fx", "fy", "cx", "cy"))),
    )
