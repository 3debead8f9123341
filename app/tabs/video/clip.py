"""Frames through a network, one after the other: what was kept, what came out, how fast it was."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from app.engine.newest import Superseded, always
from app.engine.protocol import Engine
from app.engine.records import FrameResult, Settings
from sparsevit.data.transforms import Size, resize_image
from sparsevit.data.video import MAX_FRAMES, describe_clip, read_frames
from sparsevit.measure.latency import LatencyStats, explain_doubt
from sparsevit.measure.load import LoadMeter
from sparsevit.networks import name_model

#: One of so many frames runs dense as well.
DENSE_EVERY = 4

#: Frames taken of each second of a user's clip.
CLIP_RATE = 10.0

_EXAMPLE_FRAMES, _EXAMPLE_RATE = 36, 12.0
_EXAMPLE_SIDE = 960  # pixels of the longer side
_EXAMPLE_VIEWS = (0.8, 0.55)  # share of the picture in sight, first and last frame
_NOTHING = np.empty((0, 0, 3), np.uint8)


@dataclass(frozen=True)
class Clip:
    """Frames to come.

    Attributes:
        frames: (h, w, 3) uint8 RGB each.
        rate: frames a second when played.
        count: number of frames; None when unknown.
        note: one sentence when the clip was cut, else empty.
    """

    frames: Iterator[np.ndarray]
    rate: float
    count: int | None
    note: str = ""


def open_clip(path: str | Path, max_frames: int = MAX_FRAMES, rate: float | None = None) -> Clip:
    """A video file as a clip; arguments and errors as of :func:`sparsevit.data.video.read_frames`.

    Raises:
        VideoError: the file cannot be used.
    """
    info = describe_clip(path, max_frames, rate=rate)
    return Clip(read_frames(path, max_frames, rate=rate), info.rate, info.count, info.note)


def make_example(picture: np.ndarray, count: int = _EXAMPLE_FRAMES) -> Clip:
    """A clip made in memory: a slow pan from left to right over a picture, closing in on it.

    Args:
        picture: (img_h, img_w, 3) uint8 RGB.
        count: number of frames.
    """
    return Clip(_pan(picture, count), _EXAMPLE_RATE, count)


def _pan(picture: np.ndarray, count: int) -> Iterator[np.ndarray]:
    height, width = picture.shape[:2]
    out = _EXAMPLE_SIDE / max(height, width)
    size = (round(height * out), round(width * out))
    # Scaled once without aliasing, so that each frame is nearly a copy of a part.
    scale = min(1.0, out / _EXAMPLE_VIEWS[1])
    source = resize_image(picture, (round(height * scale), round(width * scale)))
    for number in range(count):
        share = number / max(1, count - 1)
        share = share * share * (3 - 2 * share)  # starts and ends slowly
        view = _EXAMPLE_VIEWS[0] + share * (_EXAMPLE_VIEWS[1] - _EXAMPLE_VIEWS[0])
        step = view * source.shape[1] / size[1]  # source pixels a frame pixel
        left = share * (1 - view) * source.shape[1]
        top = 0.5 * (1 - view) * source.shape[0]
        matrix = np.array([[step, 0, left], [0, step, top]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        yield cv2.warpAffine(source, matrix, size[::-1], flags=flags, borderMode=cv2.BORDER_REFLECT)


class FrameRunner:
    """Runs frames sparse, and every fourth dense as well, in turn first and second.

    Args:
        engine: has the networks.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._frames = 0  # since the settings changed
        self._meter = LoadMeter(engine.config.device)
        self._latest: tuple[Settings, Size] | None = None

    def run(
        self, pixels: np.ndarray, settings: Settings, is_current: Callable[[], bool] = always
    ) -> FrameResult:
        """Run one frame; the first of a network at a size is warmed up before it is timed.

        Args:
            pixels: (h, w, 3) uint8 RGB.
            settings: network, schedule, resolution, task; may differ from frame to frame.
            is_current: asked once it is this frame's turn; False abandons it.

        Raises:
            Superseded: the frame is not wanted any more.
            ModelError: the network cannot be had.
            ScheduleError: linked, and a sparsity falls inside a stage.
        """
        size = self._engine.choose_size(settings.model, pixels, settings.short_side)
        if self._latest != (settings, size):
            self._frames = 0  # so that the first frame compares
            self._meter = LoadMeter(self._engine.config.device)
        known, known_size = self._latest or (None, None)
        is_cold = known is None or (settings.model, settings.task, size) != (
            *(known.model, known.task),
            known_size,
        )
        order: tuple[str, ...] = ("sparse",)
        if self._frames % DENSE_EVERY == 0:
            is_dense_first = self._frames // DENSE_EVERY % 2 == 0
            order = ("dense", "sparse") if is_dense_first else ("sparse", "dense")
        result = self._engine.run_frame(
            pixels, settings, order, int(is_cold), is_current, self._meter
        )
        self._latest = (settings, size)
        self._frames += 1
        return result


def run_clip(
    engine: Engine,
    path: str | Path,
    settings: Settings,
    max_frames: int = MAX_FRAMES,
    rate: float | None = None,
    is_current: Callable[[], bool] = always,
) -> Iterator[FrameResult]:
    """Run a video file through a network, frame by frame.

    Args:
        engine: has the networks; other runs may come between two frames.
        path: of the clip.
        settings: network, schedule, resolution, task.
        max_frames, rate: see :func:`sparsevit.data.video.read_frames`.
        is_current: asked before every frame; False ends the run.

    Raises:
        VideoError: the file cannot be used.
        ModelError: the network cannot be had.
        ScheduleError: linked, and a sparsity falls inside a stage.
    """
    runner = FrameRunner(engine)
    for pixels in read_frames(path, max_frames, rate=rate):
        try:
            yield runner.run(pixels, settings, is_current)
        except Superseded:
            return


class Tally:
    """The numbers of the latest 300 frames that ran under the same settings; no pictures."""

    def __init__(self) -> None:
        self._frames: deque[FrameResult] = deque(maxlen=MAX_FRAMES)

    def add(self, frame: FrameResult) -> None:
        """Count a frame; one with other settings than the last starts anew."""
        if self._frames:
            last = self._frames[-1]
            if (last.settings, last.size) != (frame.settings, frame.size):
                self._frames.clear()
        self._frames.append(replace(frame, pixels=_NOTHING, blocks=(), prediction=None))

    def summarize(self) -> dict[str, Any]:
        """The numbers as plain data.

        Latencies are medians over the frames on which dense and sparse both ran, in turn; frames
        a second are 1000 / median, of the network alone at batch 1.

        Returns:
            ``frames``, ``compared`` (frames that ran dense too), ``median_ms`` and ``fps`` (each
            with "dense" and "sparse"), ``speedup``, ``other_load`` and ``doubt`` (why these are not
            worth quoting; None if they are), ``windows`` ("kept" of the median frame,
            "total"), ``sparse_ms`` and ``agreement`` of every frame (None where dense did not run),
            ``mean_agreement``, ``model``, ``task``, ``schedule``, ``rescore`` (whether every block
            ranks anew), ``input_size``, ``device``, ``dtype``, ``camera`` (where that of 3D boxes
            is known from, else None); only ``frames`` when there is none.
        """
        if not self._frames:
            return {"frames": 0}
        last = self._frames[-1]
        pairs = [(f.dense_ms, f.sparse_ms) for f in self._frames if f.dense_ms is not None]
        dense, sparse = (LatencyStats(tuple(side)) for side in zip(*pairs, strict=True))
        agreement = [f.agreement for f in self._frames]
        return {
            "frames": len(self._frames),
            "compared": len(pairs),
            "median_ms": {"dense": dense.median_ms, "sparse": sparse.median_ms},
            "fps": {"dense": 1e3 / dense.median_ms, "sparse": 1e3 / sparse.median_ms},
            "speedup": dense.median_ms / sparse.median_ms,
            "other_load": last.other_load,
            "doubt": explain_doubt(dense, sparse, last.other_load, last.least_ratio),
            "windows": {
                "kept": int(np.median([f.windows[0] for f in self._frames])),
                "total": last.windows[1],
            },
            "sparse_ms": [f.sparse_ms for f in self._frames],
            "agreement": agreement,
            "mean_agreement": float(np.mean([a for a in agreement if a is not None])),
            "model": name_model(last.settings.model),
            "task": last.task.name,
            "schedule": last.settings.schedule.to_list(),
            "rescore": not last.settings.linked,
            "input_size": list(last.size),
            "device": last.device,
            "dtype": last.dtype,
            "camera": last.camera,
        }
