"""One photo and one network: the expensive dense step once, the sparse step many times."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sparsevit.core.ranking import Place
from sparsevit.core.trace import BlockTrace, capture
from sparsevit.data.boxes import Boxes3D
from sparsevit.data.focal import PhotoCamera, assume_camera
from sparsevit.inspect.painted import Painted, keep_painted, make_maps
from sparsevit.inspect.restored import gather_restored
from sparsevit.measure.cost import CostReport, count_macs
from sparsevit.measure.latency import (
    LatencyReport,
    describe_device,
    measure_latency,
    time_interleaved,
)
from sparsevit.networks import LoadedModel
from sparsevit.package.units import DECIBEL
from sparsevit.patch import get_rescore, get_sparsity, set_sparsity
from sparsevit.schedule import SparsitySchedule
from sparsevit.tasks import Task
from sparsevit.tasks.boxes3d import Boxes3DTask
from sparsevit.tasks.restoration import RestorationTask


@dataclass(frozen=True, eq=False)
class PreparedImage:
    """A photo as one network sees it, with what the dense network makes of it.

    Attributes:
        image: (img_h, img_w, 3) uint8 RGB at the network's input size.
        images: (1, 3, img_h, img_w) normalised, on the model's device.
        dense: the task's prediction without pruning, at the input size.
        fixed_macs: multiply-accumulates outside the blocks.
        model, task: names of the network and of the task it was prepared for.
        camera: that took the photo, at the photo's own size; it matters to 3D boxes alone.
    """

    image: np.ndarray
    images: Tensor
    dense: Any
    fixed_macs: int
    model: str
    task: str = "semantic"
    camera: PhotoCamera | None = None

    @property
    def input_size(self) -> tuple[int, int]:
        """(img_h, img_w) pixels fed to the network."""
        return self.image.shape[0], self.image.shape[1]


@dataclass(frozen=True)
class Analysis:
    """What a schedule did to one photo.

    Attributes:
        model: name of the network.
        task: what its output means.
        prepared: the photo and the dense prediction.
        schedule: layerwise sparsities.
        blocks: what every block kept.
        sparse: the task's prediction with pruning.
        agreement: sparse against dense; "agreement", in the unit of ``find_agreement_unit``, is
            the headline.
        cost: multiply-accumulates.
        device, dtype: what it ran on.
        forward_ms: the one sparse forward, its masks recorded meanwhile; a first idea of its
            latency.
        latency: measured afterwards, if at all.
        revision: commit of the hub that the weights are of; None where there is none.
        painted: windows that were kept and skipped whatever the schedule says.
        checkpoint, random_seed: whose weights they are, where ``model`` does not say it; see
            :class:`sparsevit.networks.loaded.LoadedModel`.
        rescore: whether every block scored its windows anew; see :func:`sparsevit.sparsify`.
    """

    model: str
    task: Task
    prepared: PreparedImage
    schedule: SparsitySchedule
    blocks: tuple[BlockTrace, ...]
    sparse: Any
    agreement: dict[str, float]
    cost: CostReport
    device: str
    dtype: str
    forward_ms: float
    latency: LatencyReport | None = None
    revision: str | None = None
    painted: tuple[Painted, ...] = ()
    checkpoint: str | None = None
    random_seed: int | None = None
    rescore: bool = False

    @property
    def windows(self) -> tuple[int, int]:
        """(kept, total) windows over all blocks."""
        return sum(b.kept for b in self.blocks), sum(b.total for b in self.blocks)

    def to_dict(self, photo: str, note: str = "") -> dict[str, Any]:
        """What ``result.json`` holds, whoever writes it: plain data.

        Args:
            photo: the photo's name.
            note: what was done otherwise than asked, in one sentence; empty if nothing was.
        """
        latency = self.latency
        return {
            "photo": photo,
            "model": self.model,
            "revision": self.revision,
            "checkpoint": self.checkpoint,
            "random_seed": self.random_seed,
            "task": self.task.name,
            "input_size": list(self.prepared.input_size),
            "note": note or None,
            "schedule": self.schedule.to_list(),
            "rescore": self.rescore,
            "painted": [entry.to_dict() for entry in self.painted],
            "blocks": [
                {
                    "stage": block.stage + 1,
                    "block": block.block + 1,
                    "shifted": block.shifted,
                    "grid": [block.grid.rows, block.grid.cols],
                    "kept": block.kept,
                    "total": block.total,
                }
                for block in self.blocks
            ],
            "agreement": {
                name: None if math.isnan(value) else value for name, value in self.agreement.items()
            },
            "gmacs": {"dense": self.cost.dense_gmacs, "sparse": self.cost.sparse_gmacs},
            "latency_ms": latency
            and {"dense": latency.dense.median_ms, "sparse": latency.sparse.median_ms},
            "speedup": latency and latency.speedup,
            "dense_form": latency and latency.dense_form,
            "other_load": latency and latency.other_load,
            "doubt": latency and latency.explain_doubt(self.cost.least_ratio),
            "device": self.device,
            "dtype": self.dtype,
            **self._describe_boxes(),
            **self._describe_restored(),
        }

    def _describe_restored(self) -> dict[str, Any]:
        """What a result holds of a restored photo alone: units, and accuracy where truth is known.

        PSNR and SSIM are of "base", which is had without a network, of "dense" and "sparse".
        """
        if not isinstance(self.task, RestorationTask):
            return {}
        restored = gather_restored(self)
        if restored is None or restored.truth is None:
            return {"units": {"agreement": DECIBEL.name}}
        return {
            "accuracy": {"psnr": restored.psnr, "ssim": restored.ssim},
            "units": {"agreement": DECIBEL.name, "psnr": DECIBEL.name},
        }

    def _describe_boxes(self) -> dict[str, Any]:
        """What a result holds for 3D boxes alone: the camera at the input size, and the boxes."""
        task, camera = self.task, self.prepared.camera
        if not isinstance(task, Boxes3DTask) or camera is None:
            return {}
        seen, sides = (
            self.prepared.dense.camera,
            {"dense": self.prepared.dense, "sparse": self.sparse},
        )
        return {
            "camera": {**asdict(seen), "known_from": camera.words},
            "min_score": task.min_score,
            "boxes": {side: task.list_boxes(boxes) for side, boxes in sides.items()},
        }


def prepare_image(
    loaded: LoadedModel,
    image: np.ndarray,
    short_side: int | None = None,
    camera: PhotoCamera | None = None,
) -> PreparedImage:
    """Resize and normalise a photo for a network, and run the network dense on it once.

    Args:
        loaded: the network; its schedule is left as it was.
        image: (img_h, img_w, 3) uint8 RGB.
        short_side: pixels of the shorter side fed to the network; the photo's own if None.
        camera: that took the photo, which 3D boxes need for their metres: see
            :func:`sparsevit.data.focal.find_camera`. By default it sees 60 degrees.
    """
    photo_size = (image.shape[0], image.shape[1])
    camera = camera or assume_camera(photo_size)
    size = loaded.choose_size(image, short_side)
    image = loaded.resize(image, size)
    images = loaded.to_tensor(image)
    model = loaded.module
    before = get_sparsity(model)
    try:
        set_sparsity(model, 0.0)
        with torch.inference_mode():
            dense = loaded.task.interpret(model(images), size)
    finally:
        set_sparsity(model, before)
    if isinstance(dense, Boxes3D):
        dense = dense.see_with(camera.intrinsics.resize(photo_size, size))
    fixed_macs = loaded.count_fixed_macs(size)
    return PreparedImage(
        *(image, images, dense, fixed_macs, loaded.name, loaded.task.name), camera=camera
    )


def check_prepared(loaded: LoadedModel, prepared: PreparedImage) -> None:
    """Refuse a photo that was prepared for another network or task.

    Raises:
        ValueError: it was.
    """
    ours, theirs = (loaded.name, loaded.task.name), (prepared.model, prepared.task)
    if ours != theirs:
        raise ValueError(
            f"The picture was prepared for {' and '.join(theirs)}, not {' and '.join(ours)}."
        )


def analyze(
    loaded: LoadedModel,
    prepared: PreparedImage,
    schedule: Any,
    painted: Sequence[Painted] = (),
) -> Analysis:
    """Run a network at a schedule on a prepared photo and compare with dense.

    Args:
        loaded: the network the photo was prepared for; its schedule is left as it was.
        prepared: from :func:`prepare_image`.
        schedule: any form ``model.sparsity`` accepts.
        painted: windows to keep and to skip all the same.

    Raises:
        ScheduleError: an impossible schedule.
        ValueError: the photo was prepared for another network or task, or the network has no such
            windows as were painted.
    """
    check_prepared(loaded, prepared)
    model = loaded.module
    schedule = SparsitySchedule.parse(schedule, loaded.depths)
    outputs = []

    def run() -> None:
        with keep_painted(model, prepared.input_size, painted):
            outputs.append(model(prepared.images))

    before = get_sparsity(model)
    try:
        set_sparsity(model, schedule)
        with torch.inference_mode(), capture(model) as trace:
            timed = time_interleaved({"sparse": run}, repeats=1, device=loaded.device, warmup=0)
    finally:
        set_sparsity(model, before)
    sparse = loaded.task.interpret(outputs[0], prepared.input_size)
    if isinstance(sparse, Boxes3D):
        sparse = sparse.see_with(prepared.dense.camera)
    blocks = tuple(trace.blocks)
    kept = {(block.stage, block.block): block.kept for block in blocks} if painted else None
    return Analysis(
        model=loaded.name,
        task=loaded.task,
        prepared=prepared,
        schedule=schedule,
        blocks=blocks,
        sparse=sparse,
        agreement=loaded.task.compare(prepared.dense, sparse),
        cost=count_macs(model, prepared.input_size, schedule, prepared.fixed_macs, kept),
        device=describe_device(loaded.device),
        dtype=str(loaded.dtype).removeprefix("torch."),
        forward_ms=timed["sparse"].median_ms,
        revision=loaded.revision,
        painted=tuple(painted),
        checkpoint=loaded.checkpoint,
        random_seed=loaded.random_seed,
        rescore=get_rescore(model),
    )


def measure(
    loaded: LoadedModel, analysis: Analysis, repeats: int = 5, dense_form: str | None = None
) -> Analysis:
    """The same analysis with its latency, measured now.

    Args:
        loaded: the network; its schedule is left as it was.
        analysis: what to time.
        repeats: timed runs of dense and sparse each.
        dense_form: see :func:`sparsevit.measure.latency.measure_latency`.
    """
    latency = measure_latency(
        loaded.module,
        analysis.prepared.images,
        analysis.schedule,
        repeats,
        dense_form,
        list_maps(loaded, analysis),
    )
    return replace(analysis, latency=latency)


def list_maps(loaded: LoadedModel, analysis: Analysis) -> dict[Place, Tensor]:
    """What was painted, as maps for :func:`sparsevit.rank_by`."""
    return make_maps(loaded.module, analysis.prepared.input_size, analysis.painted)
