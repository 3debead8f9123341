"""What a network can be measured on: pictures with the truth of its task, or without any."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from sparsevit.data.coco import INSTANCES_FILE, PANOPTIC_FILE, InstanceFolder, PanopticFolder
from sparsevit.data.labelled import LabelledData, open_data
from sparsevit.data.photos import ClassFolder, PhotoFolder, holds_folders
from sparsevit.data.pictures import DataError, EmptySplitError, list_pictures
from sparsevit.data.scenes import holds_things
from sparsevit.package.choices import Split
from sparsevit.tasks import Task

#: Pictures with classes of pixels or things told one by one, a class for each picture, segments,
#: things of COCO's layout, or no truth.
Pictures: TypeAlias = LabelledData | ClassFolder | PanopticFolder | InstanceFolder | PhotoFolder

_SCENES = "streets:SEED:COUNT, a folder of images/, labels/, instances/ and scenes/"
_LAYOUTS = {
    "semantic": "streets:SEED:COUNT, camvid:DIR or a folder of images/ and labels/",
    "classification": "a folder of one subfolder of pictures for each class",
    "panoptic": f"a folder of images/, panoptic/ and {PANOPTIC_FILE}",
    "instance": f"{_SCENES}, or one of images/ and {INSTANCES_FILE}",
    "boxes3d": f"{_SCENES}, or kitti:DIR",
    "restoration": "a folder of photos, each of which is the truth itself",
    "enhancement": "a folder of pictures, as nobody knows what they should be",
    "features": "a folder of pictures, as there is no truth for features",
}
#: What a folder of pictures may lack.
_THINGS = {"instance": "things one by one", "boxes3d": "boxes"}
#: What the data of each kind of spec has, and the tasks that it is the truth of.
_KINDS = {
    "streets:": (
        "a class for every pixel and boxes of things",
        ("semantic", "instance", "boxes3d"),
    ),
    "camvid:": ("a class for every pixel", ("semantic",)),
    "kitti:": ("boxes of things", ("boxes3d",)),
    "coco:": ("masks of things", ("semantic", "instance")),
}


def open_pictures(spec: str, split: Split = "all", *, task: Task) -> Pictures:
    """Open what ``--data`` names, as the network's task needs it.

    Args:
        spec: for semantic segmentation what :func:`sparsevit.data.labelled.open_data` takes; for
            classification a folder with a subfolder for each class; for panoptic segmentation one
            with images/, panoptic/ and panoptic.json; for instances drawn scenes or a folder with
            images/ and instances.json, with or without ``coco:`` before it; for 3D boxes drawn
            scenes or ``kitti:DIR``; for every task a folder that holds nothing but pictures.
        split: which part. For what ``open_data`` reads see there; else "all" is the folder itself,
            and any other the folder of that name in it; of photos to restore also a tenth of them,
            or the rest: see :class:`sparsevit.data.photos.PhotoFolder`.
        task: what the network outputs.

    Raises:
        DataError: there is no such folder, or what it holds is not as the task needs it.
    """
    root = Path(spec.removeprefix("coco:")).expanduser()
    wanted = f"a network for {task.name} is measured on {_LAYOUTS[task.name]}"
    kind = next((kind for kind in _KINDS if spec.startswith(kind)), None)
    if kind is not None and task.name not in _KINDS[kind][1]:
        raise DataError(f"{spec} has {_KINDS[kind][0]}; {wanted}.")
    if task.name == "semantic" and not (root / "images").is_dir() and list_pictures(root):
        return PhotoFolder(root)
    is_read_here = kind in (None, "coco:") and not _has_scenes(root, task)
    if task.name == "semantic" or not is_read_here:
        class_names = None if task.name == "boxes3d" else task.class_names
        return open_data(spec, split, None, class_names, task.name != "semantic")
    is_for_photos = task.name in ("restoration", "enhancement")
    if split != "all" and not is_for_photos:
        root /= split
    if not root.is_dir():
        raise DataError(f"There is no folder {root}; {wanted}.")
    if task.name == "classification" and holds_folders(root):
        return ClassFolder(root, task.class_names)
    if task.name == "panoptic" and _is_labelled(root, PANOPTIC_FILE):
        return PanopticFolder(root, task.class_names)
    if task.name == "instance" and (root / INSTANCES_FILE).is_file():
        return InstanceFolder(root, task.class_names)
    if task.name in _THINGS and (root / "images").is_dir():
        raise DataError(f"{root} tells no {_THINGS[task.name]}; {wanted}.")
    try:
        return PhotoFolder(root, split if is_for_photos else "all")
    except EmptySplitError:
        raise
    except DataError as error:
        raise DataError(f"{str(error).removesuffix('.')}; {wanted}.") from error


def open_for_tasks(
    spec: str, split: Split, tasks: Sequence[Task]
) -> list[tuple[Pictures, list[str]]]:
    """Open what ``--data`` names for several tasks, as few times as their truths allow.

    Args:
        spec, split: as of :func:`open_pictures`.
        tasks: of one network.

    Returns:
        Pictures, and the names of the tasks that they are the truth of.

    Raises:
        DataError: as of :func:`open_pictures`.
    """
    opened: list[tuple[Pictures, list[str]]] = []
    for task in sorted(tasks, key=lambda task: task.name == "semantic"):  # things bring labels
        names = next((names for pictures, names in opened if _tells(pictures, task)), None)
        if names is None:
            opened.append((open_pictures(spec, split, task=task), [task.name]))
        else:
            names.append(task.name)
    return opened


def _tells(pictures: Pictures, task: Task) -> bool:
    """Whether pictures that were opened for another task are what this one is measured on."""
    if isinstance(pictures, PhotoFolder):
        return True
    if isinstance(pictures, (ClassFolder, PanopticFolder, InstanceFolder)):
        return False
    return pictures.has_things and (pictures.classes is not None or task.name == "boxes3d")


def _has_scenes(root: Path, task: Task) -> bool:
    """Whether a folder, or a part of it, holds drawn scenes that the task is measured on."""
    parts = [root / part for part in ("", "train", "val", "test")]
    return task.name in ("instance", "boxes3d") and any(map(holds_things, parts))


def _is_labelled(root: Path, file: str) -> bool:
    """Whether a folder is laid out for labels, though the file of labels may be missing."""
    return (root / file).is_file() or (root / "images").is_dir()
