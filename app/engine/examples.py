"""Pictures as files: a user's photo, and the examples with their labels."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

import numpy as np
from PIL import Image

from app.engine.records import Photo, Truth
from sparsevit.data.focal import PhotoCamera, find_camera
from sparsevit.data.pictures import read_numbers
from sparsevit.data.reader import load_image
from sparsevit.data.scenes import describe_things, make_things
from sparsevit.data.streets import CLASS_NAMES, draw_scene
from sparsevit.data.things import Things

_DRAWN_SEED, _DRAWN_SIZE = 7, (512, 1024)
_LABELS_SUFFIX = "_labels.png"
_INSTANCES_SUFFIX = "_instances.png"
_SCENE_SUFFIX = "_scene.json"


def read_photo(path: Path) -> Photo:
    """Read a picture.

    Raises:
        ImageError: it cannot be used.
    """
    pixels = load_image(path)
    digest = blake2b(pixels.tobytes(), digest_size=16)
    digest.update(str(pixels.shape).encode())
    camera = find_camera(path, (pixels.shape[0], pixels.shape[1]))
    return Photo(pixels, digest.hexdigest(), path, camera=camera)


def read_examples(folder: Path) -> dict[str, Photo]:
    """The pictures of a folder by name, with their labels; without any, one drawn on the spot."""
    examples = {}
    for path in sorted(folder.glob("*.jpg")):
        labels = path.with_name(path.stem + _LABELS_SUFFIX)
        truth = None
        if labels.exists():
            truth = Truth(np.asarray(Image.open(labels)), CLASS_NAMES[:-1], _read_things(path))
        name = path.stem.replace("_", " ")
        examples[name] = _make_example(path, name, truth)
    if examples:
        return examples
    scene = draw_scene(_DRAWN_SEED, *_DRAWN_SIZE)
    path = Path(tempfile.mkdtemp(prefix="sparsevit-")) / "street.png"
    Image.fromarray(scene.image).save(path)
    truth = Truth(scene.labels, CLASS_NAMES[:-1], describe_things(scene))
    return {"street": _make_example(path, "street", truth)}


def _make_example(path: Path, name: str, truth: Truth | None) -> Photo:
    photo = replace(read_photo(path), example=name, truth=truth)
    if truth is None or truth.things is None or truth.things.camera is None:
        return photo
    return replace(photo, camera=PhotoCamera(truth.things.camera, "of the drawn scene"))


def _read_things(picture: Path) -> Things | None:
    """What is told of the things of an example beside it, if anything is."""
    scene, ids = (picture.with_name(picture.stem + s) for s in (_SCENE_SUFFIX, _INSTANCES_SUFFIX))
    if not scene.exists():
        return None
    return make_things(json.loads(scene.read_text(encoding="utf-8")), read_numbers(ids))
