"""What the networks of Hugging Face's transformers output, as the tasks of ours want it."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from torch import Tensor

from sparsevit.data.segment_map import Segment, SegmentMap
from sparsevit.data.transforms import Size

_MIN_SCORE = 0.5  # of a query, the default of transformers

#: Panoptic classes that are no countable things, by the first class and the number of classes.
_STUFF = {("person", 133): range(80, 133), ("road", 19): range(11)}  # COCO, Cityscapes


def find_stuff(class_names: Sequence[str]) -> frozenset[int]:
    """The classes of which a picture has one segment at most; none where that is not known."""
    return frozenset(_STUFF.get((class_names[0], len(class_names)), ()))


def read_semantic(processor: Any, output: Any, size: Size) -> Tensor:
    """(img_h, img_w) uint8 class of every pixel of image 0, by the processor's own arithmetic."""
    masks = _take_first(output)
    (classes,) = processor.post_process_semantic_segmentation(masks, target_sizes=[size])
    found: Tensor = classes.byte()
    return found


def read_panoptic(processor: Any, stuff: frozenset[int], output: Any, size: Size) -> SegmentMap:
    """The segments of image 0 by the processor's own arithmetic; no two share a pixel."""
    (found,) = processor.post_process_panoptic_segmentation(
        _take_first(output), threshold=_MIN_SCORE, label_ids_to_fuse=stuff, target_sizes=[size]
    )
    ids = found["segmentation"].clamp(min=0).int().cpu().numpy()  # -1 where nothing was found
    best: dict[int, Segment] = {}  # of what was fused, the surest part speaks for all
    for info in found["segments_info"]:
        segment = Segment(info["id"], info["label_id"], info["score"])
        if segment.id not in best or segment.score > best[segment.id].score:
            best[segment.id] = segment
    return SegmentMap(ids, tuple(best.values()))


def read_instances(processor: Any, output: Any, size: Size) -> SegmentMap:
    """The segments of image 0 by the processor's own arithmetic; where they overlap, the surest."""
    masks = _take_first(output)
    # A query whose likeliest class is below the threshold cannot pass; its mask would be scaled
    # to the picture for nothing.
    chances = masks.class_queries_logits.softmax(-1)[..., :-1].amax(-1)[0]
    able = chances >= _MIN_SCORE
    if not able.any():
        return SegmentMap(np.zeros(size, np.int32), ())
    masks = SimpleNamespace(  # on the CPU, where the processor puts its map
        class_queries_logits=masks.class_queries_logits[:, able].cpu(),
        masks_queries_logits=masks.masks_queries_logits[:, able].cpu(),
    )
    (found,) = processor.post_process_instance_segmentation(
        masks, threshold=_MIN_SCORE, target_sizes=[size], return_binary_maps=True
    )
    infos = found["segments_info"]
    ids = np.zeros(size, np.int32)
    for number in sorted(range(len(infos)), key=lambda number: infos[number]["score"]):
        ids[found["segmentation"][number].numpy() > 0] = number + 1
    segments = (
        Segment(number, info["label_id"], info["score"]) for number, info in enumerate(infos, 1)
    )
    return SegmentMap(ids, tuple(segments))


def read_feature_maps(output: Any) -> Sequence[Tensor]:
    """(B, C, H, W) of each stage, from a backbone."""
    maps: Sequence[Tensor] = output.feature_maps
    return maps


def read_hidden_maps(output: Any) -> Sequence[Tensor]:
    """(B, C, H, W) of each stage, from a bare network; the embedding before them is left out."""
    maps: Sequence[Tensor] = output.reshaped_hidden_states[1:]
    return maps


def _take_first(output: Any) -> SimpleNamespace:
    """The classes and masks that the queries of image 0 give, in float32."""
    return SimpleNamespace(
        class_queries_logits=output.class_queries_logits[:1].float(),
        masks_queries_logits=output.masks_queries_logits[:1].float(),
    )
