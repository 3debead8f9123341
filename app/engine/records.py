"""What the page talks about: a photo, the settings, the result. Plain data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from sparsevit.core.trace import BlockTrace
from sparsevit.data.focal import PhotoCamera
from sparsevit.data.things import Things
from sparsevit.data.transforms import Size
from sparsevit.inspect.painted import Painted
from sparsevit.inspect.photo import Analysis
from sparsevit.inspect.restored import Restored, gather_restored
from sparsevit.package.units import find_agreement_unit
from sparsevit.schedule import SparsitySchedule, num_pairs
from sparsevit.tasks import Task


@dataclass(frozen=True)
class Truth:
    """What a picture really shows.

    Attributes:
        labels: (img_h, img_w) uint8 class of every pixel; a number without a class where nothing
            is known.
        class_names: what the numbers mean.
        things: its vehicles and people one by one, with their boxes; None where not told.
    """

    labels: np.ndarray
    class_names: tuple[str, ...]
    things: Things | None = None


@dataclass(frozen=True)
class Photo:
    """A picture as it was handed over.

    Attributes:
        pixels: (img_h, img_w, 3) uint8 RGB.
        key: stands for the content.
        path: the file it came from.
        example: name of the example it is, if it is one.
        truth: its labels, of examples that have some.
        camera: that took it, of ``pixels``; None where nobody looked for it.
    """

    pixels: np.ndarray
    key: str
    path: Path
    example: str | None = None
    truth: Truth | None = None
    camera: PhotoCamera | None = None

    @property
    def size(self) -> Size:
        """(img_h, img_w) of the pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]


@dataclass(frozen=True)
class Settings:
    """What a user chose.

    Attributes:
        model: name of the network.
        schedule: layerwise sparsities; stretched where the network has other depths.
        linked: sparsities never fall inside a stage and share its scores (the paper's way).
            Otherwise every block is scored anew.
        short_side: pixels of the shorter side fed to the network; None is the photo's own.
        task: name of what the network is run for; None is the first that it can do.
        focal_mm: focal length of the lens that took the photo, mm in terms of 35 mm film; None is
            what the photo tells. It matters to 3D boxes alone.
        painted: windows to keep and to skip whatever the schedule says.
    """

    model: str
    schedule: SparsitySchedule
    linked: bool = True
    short_side: int | None = 512
    task: str | None = None
    focal_mm: float | None = None
    painted: tuple[Painted, ...] = ()


@dataclass(frozen=True)
class Opening:
    """What is known of the first result before it is there.

    Attributes:
        photo: the picture.
        settings: with the schedule that will run.
        size: (img_h, img_w) pixels fed to the network.
        task: what the network's output means.
        depths: blocks per stage.
        device, dtype: what it runs on.
        tasks: names of all that the network can do.
    """

    photo: Photo
    settings: Settings
    size: Size
    task: Task
    depths: tuple[int, ...]
    device: str
    dtype: str
    tasks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """What came out of a photo and settings.

    Attributes:
        photo: the picture.
        settings: with the schedule, the short side and the task that really ran.
        analysis: the outcome, for others to read: a network that is a file or folder is named there
            without the folders above it. Its latency is None until measured.
        depths: blocks per stage.
        tasks: names of all that the network can do.
        note: what was done otherwise than asked, in one sentence; empty if nothing was.
        peak_mb: memory of the tensors of one forward at its worst moment, dense and sparse, in
            units of 1e6 bytes; None until measured.
        guess_ms: (dense, sparse) latency known before anything is measured: dense of an earlier
            measurement at this size, sparse of the one forward just made; None at a new size, and
            where it is not worth quoting.
    """

    photo: Photo
    settings: Settings
    analysis: Analysis
    depths: tuple[int, ...]
    tasks: tuple[str, ...] = ()
    note: str = ""
    peak_mb: tuple[float, float] | None = None
    guess_ms: tuple[float, float] | None = None

    @property
    def task(self) -> Task:
        """What the network's output means."""
        return self.analysis.task

    @property
    def doubt(self) -> str | None:
        """Why the measured speed-up is not worth quoting; None if it is, or nothing is measured."""
        latency = self.analysis.latency
        return None if latency is None else latency.explain_doubt(self.analysis.cost.least_ratio)

    @cached_property
    def restored(self) -> Restored | None:
        """The pictures that a restorer made, with the original where it is known; else None."""
        return gather_restored(self.analysis)

    @property
    def score(self) -> tuple[float, float]:
        """Of (dense, sparse), what the trade-off is about: see :attr:`Try.score`."""
        psnr = self.restored and self.restored.psnr
        if psnr:
            return psnr["dense"], psnr["sparse"]
        perfect = find_agreement_unit(self.task.name).perfect
        return perfect, self.analysis.agreement["agreement"]

    def is_of(self, photo: Photo, settings: Settings, size: Size) -> bool:
        """Whether photo, camera, network, task and size (img_h, img_w) are its own."""
        mine = self.settings
        return (photo.key, settings.focal_mm) == (self.photo.key, mine.focal_mm) and (
            (settings.model, settings.task, size)
            == (mine.model, mine.task, self.analysis.prepared.input_size)
        )

    def to_dict(self) -> dict[str, Any]:
        """What ``result.json`` holds."""
        return self.analysis.to_dict(self.photo.path.name, self.note)


@dataclass(frozen=True)
class FrameResult:
    """One frame and what a network made of it.

    Attributes:
        pixels: (h, w, 3) uint8 RGB.
        settings: with the schedule that really ran.
        size: (img_h, img_w) pixels fed to the network.
        blocks: what every block kept.
        windows: (kept, total) over all blocks.
        prediction: of the sparse network, at ``size``.
        task: what the prediction means.
        sparse_ms: latency of the sparse forward alone. Its masks are recorded meanwhile, so sparse
            is never flattered.
        dense_ms: latency of the dense forward on the same frame; None where it did not run.
        agreement: of sparse with dense; None where dense did not run.
        other_load: share of the CPUs that other programs used, this and the frames before it; see
            :class:`sparsevit.measure.load.LoadMeter`.
        least_ratio: of the multiply-accumulates, see :class:`sparsevit.measure.cost.CostReport`.
        device, dtype: what it ran on.
        camera: where the camera of 3D boxes is known from; None where nothing asks for one.
    """

    pixels: np.ndarray
    settings: Settings
    size: Size
    blocks: tuple[BlockTrace, ...]
    windows: tuple[int, int]
    prediction: Any
    task: Task
    sparse_ms: float
    dense_ms: float | None
    agreement: float | None
    other_load: float | None
    least_ratio: float
    device: str
    dtype: str
    camera: str | None = None


def fit_schedule(schedule: SparsitySchedule, depths: tuple[int, ...]) -> SparsitySchedule:
    """The schedule for a network with other depths: pairs stretched, missing stages as the last."""
    stages = []
    for index, depth in enumerate(depths):
        source = schedule.stages[min(index, len(schedule.stages) - 1)]
        pairs = num_pairs(depth)
        stages.append(tuple(source[pair * len(source) // pairs] for pair in range(pairs)))
    return SparsitySchedule(tuple(stages))


@dataclass(frozen=True)
class Try:
    """One measured setting of a user's history: what it takes to come back to it, and its numbers.

    Attributes:
        photo: the picture.
        settings: as they ran.
        size: (img_h, img_w) pixels fed to the network.
        task: name of what the network ran for.
        agreement: with dense.
        score: what the trade-off is about: PSNR against the original where that is known of every
            photo, else agreement; in the task's unit.
        dense_score: the same of dense.
        dense_ms, sparse_ms: medians.
        device: what it ran on.
        doubt: why these latencies are not worth quoting; None if they are.
    """

    photo: Photo
    settings: Settings
    size: tuple[int, int]
    task: str
    agreement: float
    score: float
    dense_score: float
    dense_ms: float
    sparse_ms: float
    device: str
    doubt: str | None = None

    def is_like(self, result: Result) -> bool:
        """True for the same photo, network, task and size, so that both belong on one plot."""
        return result.is_of(self.photo, self.settings, self.size)


def make_try(result: Result) -> Try:
    """The entry of a measured result.

    Raises:
        ValueError: it is not measured.
    """
    latency = result.analysis.latency
    if latency is None:
        raise ValueError("Only a measured result can be noted.")
    dense_score, score = result.score
    return Try(
        photo=result.photo,
        settings=result.settings,
        size=result.analysis.prepared.input_size,
        task=result.task.name,
        agreement=result.analysis.agreement["agreement"],
        score=score,
        dense_score=dense_score,
        dense_ms=latency.dense.median_ms,
        sparse_ms=latency.sparse.median_ms,
        device=latency.device,
        doubt=result.doubt,
    )
