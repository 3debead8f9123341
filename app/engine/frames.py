"""One frame of a video through a loaded network, timed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from app.engine.camera import aim_task, choose_camera
from app.engine.records import FrameResult, Settings
from sparsevit.core.trace import capture
from sparsevit.measure.dense import as_dense
from sparsevit.measure.latency import describe_device, time_interleaved
from sparsevit.measure.load import LoadMeter
from sparsevit.networks import LoadedModel
from sparsevit.patch import set_sparsity


def time_frame(
    loaded: LoadedModel,
    pixels: np.ndarray,
    settings: Settings,
    images: Tensor,
    dense_form: str,
    order: Sequence[str],
    warmup: int,
    meter: LoadMeter,
) -> FrameResult:
    """Run one frame and time it.

    Args:
        loaded: the network, sparsified.
        pixels: (h, w, 3) uint8 RGB, the frame.
        settings: with a schedule that fits the network.
        images: (1, 3, img_h, img_w), the frame as the network takes it, on its device.
        dense_form: the fastest, from :func:`sparsevit.measure.latency.find_dense_form`.
        order: "sparse" and perhaps "dense", in the order they run.
        warmup: untimed runs of each before.
        meter: of this and the frames before it.
    """
    size = (images.shape[-2], images.shape[-1])
    frame_size = (pixels.shape[0], pixels.shape[1])
    camera = choose_camera(frame_size, settings)
    task = aim_task(loaded.task, camera, frame_size)
    outputs: dict[str, Any] = {}

    def run_dense() -> None:
        with as_dense(loaded.module, dense_form):
            outputs["dense"] = loaded.module(images)

    def run_sparse() -> None:
        set_sparsity(loaded.module, settings.schedule)
        with capture(loaded.module) as outputs["trace"]:
            outputs["sparse"] = loaded.module(images)

    runs = {"dense": run_dense, "sparse": run_sparse}
    with torch.inference_mode():
        with meter:
            stats = time_interleaved({name: runs[name] for name in order}, 1, loaded.device, warmup)
        predictions = {name: task.interpret(outputs[name], size) for name in order}
    dense_ms = agreement = None
    if "dense" in order:
        dense_ms = stats["dense"].median_ms
        compared = task.compare(predictions["dense"], predictions["sparse"])
        agreement = compared["agreement"]
    blocks = tuple(outputs["trace"].blocks)
    return FrameResult(
        pixels=pixels,
        settings=settings,
        size=size,
        blocks=blocks,
        windows=(sum(b.kept for b in blocks), sum(b.total for b in blocks)),
        prediction=predictions["sparse"],
        task=task,
        sparse_ms=stats["sparse"].median_ms,
        dense_ms=dense_ms,
        agreement=agreement,
        other_load=meter.other_load,
        least_ratio=loaded.find_least_ratio(size, settings.schedule),
        device=describe_device(loaded.device),
        dtype=str(loaded.dtype).removeprefix("torch."),
        camera=camera.words if task.name == "boxes3d" else None,
    )
