"""What a network can be measured on: pictures with the truth of its task, or without any."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from sparsevit.data.coco import INSTANCES_FILE, PANOPTIC_FILE, InstanceFolder, PanopticFolder
from sparsevit.data.labelled import LabelledData, open_data
from sparsevit.data.photos import ClassFolder, PhotoFolder, holds_folders
from sparsevit.data.pictures import DataError, list_pictures
from sparsevit.package.choices import Split
from sparsevit.tasks import Task

#: Pictures with a class for each pixel, a class for each picture, segments, things, or no truth.
Pictures: TypeAlias = LabelledData | ClassFolder | PanopticFolder | InstanceFolder | PhotoFolder

_LAYOUTS = {
    "classification": "one subfolder of pictures for each class",
    "panoptic": f"images/, panoptic/ and {PANOPTIC_FILE}",
    "instance": f"images/ and {INSTANCES_FILE}",
    "features": "pictures, as there is no truth for features",
}


def open_pictures(spec: str, split: Split = "all", *, task: Task) -> Pictures:
    """Open what ``--data`` names, as the network's task needs it.

    Args:
        spec: for semantic segmentation what :func:`sparsevit.data.labelled.open_data` takes; for
            classification a folder with a subfolder for each class; for panoptic segmentation one
            with images/, panoptic/ and panoptic.json; for instances one with images/ and
            instances.json; for every task a folder that holds nothing but pictures.
        split: which part. For semantic segmentation see ``open_data``; else "all" is the folder
            itself, and any other the folder of that name in it.
        task: what the network outputs.

    Raises:
        DataError: there is no such folder, or what it holds is not as the task needs it.
    """
    root = Path(spec).expanduser()
    if task.name == "semantic":
        is_plain = not (root / "images").is_dir() and bool(list_pictures(root))
        return PhotoFolder(root) if is_plain else open_data(spec, split, None, task.class_names)
    wanted = f"a network for {task.name} is measured on a folder of {_LAYOUTS[task.name]}"
    if spec.startswith(("streets:", "camvid:")):
        raise DataError(f"{spec} has a class for every pixel; {wanted}.")
    if split != "all":
        root /= split
    if not root.is_dir():
        raise DataError(f"There is no folder {root}; {wanted}.")
    if task.name == "classification" and holds_folders(root):
        return ClassFolder(root, task.class_names)
    if task.name == "panoptic" and _is_labelled(root, PANOPTIC_FILE):
        return PanopticFolder(root, task.class_names)
    if task.name == "instance" and _is_labelled(root, INSTANCES_FILE):
        return InstanceFolder(root, task.class_names)
    return PhotoFolder(root)


def _is_labelled(root: Path, file: str) -> bool:
    """Whether a folder is laid out for labels, though the file of labels may be missing."""
    return (root / file).is_file() or (root / "images").is_dir()
