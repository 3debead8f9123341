"""What a segmenter's output means for each of its tasks: classes, instances, 3D boxes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sparsevit.data.boxes import Box3D, Boxes3D, Intrinsics, wrap_angle
from sparsevit.data.segment_map import Segment, SegmentMap
from sparsevit.data.targets import DEPTH_SCALE, OFFSET_PIXELS, STRIDE
from sparsevit.data.transforms import Size
from sparsevit.networks.segmenter_config import SegmenterConfig
from sparsevit.tasks import Task
from sparsevit.tasks.boxes3d import Boxes3DTask
from sparsevit.tasks.palette import choose_palette
from sparsevit.tasks.segments import SegmentsTask
from sparsevit.tasks.semantic import SemanticTask

_MOST_CENTRES = 200  # of a picture
_LEAST_INSTANCE = 0.1  # of a centre, as in Panoptic-DeepLab
_LEAST_BOX = 0.02


def make_task(config: SegmenterConfig, name: str) -> Task:
    """What a segmenter's output means.

    Args:
        config: of the network.
        name: one of ``config.tasks``.
    """
    palette = np.array(config.palette, dtype=np.uint8)
    if name == "semantic":
        return SemanticTask(config.class_names, palette)
    if name == "instance":
        read = partial(read_instances, config.kind_classes)
        return SegmentsTask(config.class_names, palette, name, read)
    return Boxes3DTask(
        config.kinds, choose_palette(config.kinds), partial(read_boxes, config.kind_sizes)
    )


def read_instances(
    kind_classes: Sequence[int], output: dict[str, Tensor], size: Size
) -> SegmentMap:
    """Group the pixels of things around the centres found, as in Panoptic-DeepLab.

    A pixel belongs to the nearest centre, of its class, to where its offset points. A score is that
    of the centre times the mean probability of the class over the thing's pixels.

    Args:
        kind_classes: class of pixels of each kind.
        output: "logits" and "centres" of :meth:`Segmenter.forward`; image 0 is read.
        size: (img_h, img_w) pixels of the picture.

    Returns:
        The things at ``size``; no two share a pixel, and those without one are among them.
    """
    logits, found = output["logits"][:1].float(), output["centres"][0].float()
    heat, offsets = found[:-2].sigmoid(), found[-2:] * (OFFSET_PIXELS / STRIDE)
    classes = F.interpolate(logits, size, mode="bilinear").argmax(1)[0]  # (img_h, img_w)
    chances = logits.softmax(1)[0]  # (classes, h, w)
    scores, kinds, rows, columns = _find_peaks(heat.amax(0)[None], heat.argmax(0), _LEAST_INSTANCE)
    ids = torch.zeros(size, dtype=torch.int32, device=logits.device)
    segments: list[Segment] = []
    aims = offsets + _make_cells(heat.shape[1], heat.shape[2], heat.device)  # (2, h, w) as (x, y)
    label_of = torch.tensor(list(kind_classes), device=heat.device)
    for label in sorted(set(kind_classes)):
        (own,) = torch.nonzero(label_of[kinds] == label, as_tuple=True)
        if not len(own):
            continue
        places = torch.stack([columns[own], rows[own]], 1) + 0.5  # (n, 2)
        nearest = torch.cdist(aims.flatten(1).T, places).argmin(1).view(heat.shape[1:])  # (h, w)
        large = F.interpolate(nearest[None, None].float(), size, mode="nearest-exact")[0, 0]
        is_own = classes == label
        ids[is_own] = large[is_own].int() + len(segments) + 1
        # Of every thing's cells: how many, and their mean chance of being of the class.
        is_cell = logits[0].argmax(0) == label
        count = torch.zeros(len(own), device=heat.device)
        total = count.clone()
        count.index_add_(0, nearest[is_cell], torch.ones_like(nearest[is_cell], dtype=count.dtype))
        total.index_add_(0, nearest[is_cell], chances[label][is_cell])
        sure = scores[own] * total / count.clamp(min=1)
        segments += [
            Segment(len(segments) + number, label, score)
            for number, score in enumerate(sure.tolist(), start=1)
        ]
    return SegmentMap(ids.cpu().numpy(), tuple(segments))


def read_boxes(
    kind_sizes: Sequence[tuple[float, float, float]], output: dict[str, Tensor], size: Size
) -> Boxes3D:
    """The box at every centre found, as a camera with the usual field of view sees it.

    Args:
        kind_sizes: mean (length, height, width) of each kind, metres.
        output: "centres" and "boxes" of :meth:`Segmenter.forward`; image 0 is read.
        size: (img_h, img_w) pixels of the picture.

    Returns:
        The boxes; :meth:`Boxes3D.see_with` gives them for the camera that really took the picture.
    """
    heat, found = output["centres"][0, :-2].float().sigmoid(), output["boxes"][0].float()
    camera = Intrinsics.from_field_of_view(size)
    scale_y, scale_x = (size[axis] / (STRIDE * heat.shape[1 + axis]) for axis in range(2))
    focal = camera.focal / math.sqrt(scale_x * scale_y)  # of the network's input
    kinds_of = torch.arange(len(heat), device=heat.device)[:, None, None].expand_as(heat)
    scores, kinds, rows, columns = _find_peaks(heat, kinds_of, _LEAST_BOX)
    values = found[:, rows, columns].T.double().cpu().numpy()  # (n, 8)
    depths = np.exp(values[:, 0].clip(-3, 8)) * focal / DEPTH_SCALE
    sizes = np.exp(values[:, 1:4].clip(-2, 2)) * np.array(kind_sizes)[kinds.cpu().numpy()]
    u = ((columns.cpu().numpy() + 0.5) * STRIDE + values[:, 6] * OFFSET_PIXELS) * scale_x
    v = ((rows.cpu().numpy() + 0.5) * STRIDE + values[:, 7] * OFFSET_PIXELS) * scale_y
    boxes = []
    for number, (label, score) in enumerate(zip(kinds.tolist(), scores.tolist(), strict=True)):
        centre = camera.find_point(float(u[number]), float(v[number]), float(depths[number]))
        alpha = math.atan2(values[number, 4], values[number, 5])
        yaw = wrap_angle(alpha + math.atan2(centre[0], centre[2]))
        length, height, width = sizes[number].tolist()
        boxes.append(Box3D(label, score, centre, (length, height, width), yaw))
    return Boxes3D(tuple(boxes), camera, size)


def _find_peaks(heat: Tensor, kinds: Tensor, least: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Where a heat map is higher than all around it, the highest first.

    Args:
        heat: (maps, h, w) in [0, 1].
        kinds: int64 kind of every place, (h, w) or (maps, h, w).
        least: lower peaks are left out.

    Returns:
        scores, kinds, rows and columns, each (n,).
    """
    is_peak = (heat == F.max_pool2d(heat, 3, stride=1, padding=1)) & (heat >= least)
    scores, places = (heat * is_peak).flatten().topk(min(_MOST_CENTRES, heat.numel()))
    places = places[scores > 0]
    rows, columns = places // heat.shape[2] % heat.shape[1], places % heat.shape[2]
    return scores[scores > 0], kinds.expand_as(heat).flatten()[places], rows, columns


def _make_cells(height: int, width: int, device: torch.device) -> Tensor:
    """(2, height, width): x and y of the middle of every cell."""
    y, x = torch.meshgrid(
        torch.arange(height, device=device), torch.arange(width, device=device), indexing="ij"
    )
    return torch.stack([x, y]) + 0.5
