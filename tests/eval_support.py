"""Small folders with the truth of each task, for networks of the classes sky, road and car."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from sparsevit.data.segment_map import Segment, SegmentMap
from sparsevit.tasks.palette import choose_palette
from sparsevit.tasks.segments import SegmentsTask

NAMES = ("sky", "road", "car")
PANOPTIC = SegmentsTask(NAMES, choose_palette(NAMES), "panoptic", lambda output, size: output)
INSTANCE = SegmentsTask(NAMES, choose_palette(NAMES), "instance", lambda output, size: output)

#: COCO's ids of categories are any numbers; "tree" is there, but nothing is labelled as one.
CATEGORIES = [
    {"id": 7, "name": "car", "isthing": 1},
    {"id": 3, "name": "road", "isthing": 0},
    {"id": 90, "name": "tree", "isthing": 0},
    {"id": 12, "name": "sky", "isthing": 0},
]
CATEGORY_OF = {"car": 7, "road": 3, "tree": 90, "sky": 12}


def make_map(rows: Any, labels: dict[int, int], scores: dict[int, float] | None = None) -> Any:
    """Segments by their ids; each is of a class, and as sure as said, else 0.9."""
    scores = scores or {}
    segments = tuple(Segment(id_, label, scores.get(id_, 0.9)) for id_, label in labels.items())
    return SegmentMap(np.array(rows, np.int32), segments)


def make_photo(height: int = 64, width: int = 96, seed: int = 0) -> np.ndarray:
    small = np.random.default_rng(seed).integers(0, 255, (8, 12, 3), dtype=np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def write_photo(path: Path, photo: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), photo[..., ::-1])


def write_panoptic(root: Path, photos: dict[str, np.ndarray], truths: dict[str, SegmentMap]) -> Any:
    """COCO's panoptic layout; returns what panoptic.json holds. Ids are large, as COCO's are."""
    content: dict[str, Any] = {"images": [], "annotations": [], "categories": deepcopy(CATEGORIES)}
    for number, (name, photo) in enumerate(photos.items()):
        write_photo(root / "images" / f"{name}.png", photo)
        ids = truths[name].ids.astype(np.int64) * 70_001
        colours = np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=-1)
        write_photo(root / "panoptic" / f"{name}.png", colours.astype(np.uint8))
        content["images"].append({"id": 100 + number, "file_name": f"{name}.png"})
        infos = [
            {"id": s.id * 70_001, "category_id": CATEGORY_OF[NAMES[s.label]], "iscrowd": 0}
            for s in truths[name].segments
        ]
        content["annotations"].append(
            {"image_id": 100 + number, "file_name": f"{name}.png", "segments_info": infos}
        )
    write_json(root / "panoptic.json", content)
    return content


def write_instances(root: Path, photos: dict[str, np.ndarray], things: dict[str, list]) -> Any:
    """COCO's layout of instances; ``things`` are (class, segmentation, is it a crowd)."""
    content: dict[str, Any] = {"images": [], "annotations": [], "categories": deepcopy(CATEGORIES)}
    for number, (name, photo) in enumerate(photos.items()):
        write_photo(root / "images" / f"{name}.png", photo)
        size = {"height": photo.shape[0], "width": photo.shape[1]}
        content["images"].append({"id": number, "file_name": f"{name}.png", **size})
        for label, segmentation, is_crowd in things.get(name, []):
            annotation = {"image_id": number, "category_id": CATEGORY_OF[label]}
            annotation |= {"segmentation": segmentation, "iscrowd": int(is_crowd)}
            content["annotations"].append(annotation)
    write_json(root / "instances.json", content)
    return content


def write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


def count_runs(mask: np.ndarray) -> dict[str, Any]:
    """COCO's uncompressed run lengths, down the columns: of zeros, of ones, and so on."""
    counts, value = [0], False
    for pixel in mask.T.ravel().tolist():
        if bool(pixel) != value:
            counts.append(0)
            value = bool(pixel)
        counts[-1] += 1
    return {"size": list(mask.shape), "counts": counts}
