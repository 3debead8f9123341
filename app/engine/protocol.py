"""What the page asks of an engine, whatever runs the networks behind it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from app.config import Config
from app.engine.newest import always
from app.engine.records import FrameResult, Opening, Photo, Result, Settings
from sparsevit.data.transforms import Size
from sparsevit.inspect.block import BlockSteps
from sparsevit.inspect.lens import Lens
from sparsevit.inspect.sizes import SizeComparison
from sparsevit.inspect.worth import LeftOut, WindowWorth
from sparsevit.measure.load import LoadMeter
from sparsevit.networks import ModelInfo, Tell
from sparsevit.search import SearchProgress, SearchSettings


class Engine(Protocol):
    """Runs networks for the page, one at a time; many threads may ask at once.

    :class:`app.engine.local.LocalEngine` runs them in this process, docs/deploy/zero_gpu.py on a
    GPU that is lent for one call, and the tests have one that answers at once.

    Attributes:
        config: limits and defaults.
        examples: name -> the example pictures, never empty.
    """

    config: Config
    examples: dict[str, Photo]

    @property
    def device(self) -> str:
        """The device in words."""

    @property
    def opening(self) -> Opening:
        """What is known of the first result without running the network, which is loaded.

        Raises:
            ModelError: the network cannot be had.
        """

    @property
    def has_first(self) -> bool:
        """Whether the result the page opens with is there."""

    @property
    def first(self) -> Result:
        """The result the page opens with; waits for :meth:`analyze_first` in another thread.

        Raises:
            Exception: that which :meth:`analyze_first` raised.
        """

    def analyze_first(self) -> None:
        """Compute the result the page opens with, all but its latency; whoever waits gets it.

        Raises:
            ModelError: the first network cannot be had.
            ImageError: memory runs out even at a small size.
        """

    def time_first(self) -> None:
        """Time the result the page opens with."""

    def follow_downloads(self, follow: Callable[[str], Tell | None]) -> None:
        """Say how far downloads are.

        Args:
            follow: gives for a network's name what is told how far its download is; called in the
                thread of whoever asked for the network.
        """

    def list_models(self) -> list[ModelInfo]:
        """Every network that has a name, those that work offline first."""

    def get_depths(self, name: str) -> tuple[int, ...]:
        """Blocks per stage of a network.

        Raises:
            ModelError: the network cannot be had.
        """

    def get_tasks(self, name: str) -> tuple[str, ...]:
        """Names of the tasks that a network can do, the one that it does unasked first.

        Raises:
            ModelError: the network cannot be had.
        """

    def choose_size(self, name: str, pixels: np.ndarray, short_side: int | None) -> Size:
        """The size (img_h, img_w) that a network is fed a picture at.

        Args:
            name: of the network.
            pixels: (h, w, 3) uint8 RGB.
            short_side: wanted length of the shorter side, pixels; None keeps the picture's own.

        Raises:
            ModelError: the network cannot be had.
        """

    def read_photo(self, path: str | Path) -> Photo:
        """Read a picture; an example is known by its pixels, wherever the file lies.

        Raises:
            ImageError: it cannot be used.
        """

    def analyze(
        self, photo: Photo, settings: Settings, is_current: Callable[[], bool] = always
    ) -> Result:
        """Run a network on a photo; its dense result is computed once and kept.

        When memory runs out, smaller sizes are tried and the result says so in its note.

        Args:
            photo: the picture.
            settings: network, schedule, resolution, task. Where the network cannot do the task, it
                does its first, and the result says so in its note.
            is_current: asked once it is this request's turn; False abandons it.

        Raises:
            Superseded: the request is not current any more.
            ModelError: the network cannot be had.
            ScheduleError: linked, and a sparsity falls inside a stage.
            ImageError: memory runs out even at a small size.
            CameraError: an impossible focal length.
        """

    def measure(
        self, result: Result, runs: int, is_current: Callable[[], bool] = always, warmup: int = 0
    ) -> Iterator[Result]:
        """Time dense against sparse, round after round; others may run between two rounds.

        Args:
            result: what to time.
            runs: timed runs of dense and sparse each.
            is_current: asked before every round; False ends the measuring.
            warmup: untimed rounds before the first; the network has just run on this photo.
        """

    def is_quiet(self) -> bool:
        """Whether other programs leave the machine alone at this moment, so that timing pays."""

    def measure_memory(self, result: Result) -> Result:
        """The result with the memory a dense and a sparse forward need at their worst moment."""

    def compare_sizes(
        self, result: Result, rounds: int, is_current: Callable[[], bool] = always
    ) -> Iterator[SizeComparison]:
        """Hold the result against the dense network at lower resolutions of the same photo.

        Args:
            result: at the full size.
            rounds: timed runs of each size.
            is_current: asked before every step; False ends the comparing.
        """

    def run_frame(
        self,
        pixels: np.ndarray,
        settings: Settings,
        order: Sequence[str],
        warmup: int = 0,
        is_current: Callable[[], bool] = always,
        meter: LoadMeter | None = None,
    ) -> FrameResult:
        """Run one frame of a video and time it; nothing of it is kept.

        Args:
            pixels: (h, w, 3) uint8 RGB.
            settings: network, schedule, resolution, task.
            order: "sparse" and perhaps "dense", in the order they run.
            warmup: untimed runs of each before.
            is_current: asked once it is this frame's turn; False abandons it.
            meter: of the frames before, to go on with.

        Raises:
            Superseded: the frame is not wanted any more.
            ModelError: the network cannot be had, or cannot do the task.
            ScheduleError: linked, and a sparsity falls inside a stage.
            CameraError: an impossible focal length.
        """

    def search(
        self,
        photo: Photo,
        settings: Settings,
        search: SearchSettings,
        storage: Any,
        folder: Path,
        is_current: Callable[[], bool] = always,
    ) -> Iterator[SearchProgress]:
        """Search for sparsities on a photo, step after step; others may run between two steps.

        Args:
            photo: the picture.
            settings: network, task and resolution.
            search: what to search.
            storage: optuna's; what it knows of an earlier search is used.
            folder: where the latency predictor is kept.
            is_current: asked after every step; False ends the search.

        Raises:
            ModelError: the network cannot be had.
            SearchError: a budget that cannot be met.
        """

    def measure_worth(self, result: Result) -> list[WindowWorth]:
        """What every window of the dense network is worth to its output on a result's photo.

        Raises:
            ValueError: an output that no objective is known for.
            ImageError: memory is too small for it at this size.
        """

    def leave_out(
        self, result: Result, stage: int, blocks: Collection[int], window: tuple[int, int]
    ) -> LeftOut:
        """What the dense network loses with one window.

        Args:
            result: whose photo.
            stage, blocks, window: see :func:`sparsevit.inspect.worth.leave_one_out`.
        """

    def trace_block(self, result: Result, index: int) -> BlockSteps:
        """The real tensors of block ``index`` of a result, for the tab that explains."""

    def measure_sureness(self, result: Result) -> float:
        """How sure the network of a result is of the classes of the photo's pixels, in (0, 1]."""

    def look_through(self, result: Result) -> Lens:
        """Where the sparse network of a result goes wrong, for the tab of that name."""
