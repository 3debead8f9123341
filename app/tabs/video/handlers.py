"""What the tab Video calls: a clip or the webcam, frame by frame through the network.

The page asks for one frame after the other and shows each before it asks for the next. So frames
of a webcam that come too fast are never sent, a run stops with the frame under way, and several
users take turns frame by frame.
"""

from __future__ import annotations

import base64
import threading
from dataclasses import dataclass, field, replace
from typing import Any

import gradio as gr
import numpy as np
from gradio.utils import get_upload_folder, is_in_or_equal

from app.api import Api
from app.api.base import check_side
from app.engine.errors import explain
from app.engine.newest import Superseded
from app.engine.protocol import Engine
from app.page.session import Session
from app.tabs.video.clip import (
    CLIP_RATE,
    Clip,
    FrameRunner,
    Tally,
    make_example,
    open_clip,
    run_clip,
)
from app.tabs.video.view import make_begun, make_done, make_frame, make_problem
from sparsevit.data.reader import ImageError, load_image
from sparsevit.data.video import MAX_FRAMES, VideoError, read_frames

#: Short sides that can be chosen, pixels; the first is the default.
SIDES = (256, 384, 512)

_MOST_LETTERS = 8_000_000  # of a webcam frame as a data URI


@dataclass
class Run:
    """One clip or webcam on its way through the network.

    Attributes:
        number: given by the page, higher for every new run.
        clip: where frames come from; None for the webcam, whose frames the page sends.
        runner: runs them.
        tally: their numbers.
        frames: how many have run.
        turn: held while one of them runs.
    """

    number: int
    clip: Clip | None
    runner: FrameRunner
    tally: Tally = field(default_factory=Tally)
    frames: int = 0
    turn: threading.Lock = field(default_factory=threading.Lock)


@dataclass
class VideoSession:
    """One user's tab.

    Attributes:
        run: the newest, while it goes on.
    """

    run: Run | None = None


class VideoHandlers:
    """Runs clips and webcams. Answers are the JSON of :mod:`app.tabs.video.view`.

    Args:
        engine: runs the networks.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def begin(self, page: Session, video: VideoSession, event: gr.EventData) -> str:
        """Open what the user chose; it takes the place of what ran before.

        Args:
            page: whose upload it is.
            video: the tab; updated.
            event: with run (number), source ("example", "clip" or "webcam") and path (of a clip).
        """
        number = int(event.run)
        try:
            clip = self._open(page, str(event.source), event.path)
        except Exception as error:
            video.run = None
            return make_problem(number, explain(error, self._engine.device))
        video.run = Run(number, clip, FrameRunner(self._engine))
        return make_begun(number, clip or Clip(iter(()), CLIP_RATE, None))

    def run_frame(self, page: Session, video: VideoSession, event: gr.EventData) -> Any:
        """Run the next frame with the network, task and sparsities the page shows now.

        Args:
            page: has the current settings.
            video: the tab; updated.
            event: with run (number), side (short side in pixels) and pixels (data URI of a webcam's
                frame, else None).
        """
        run = video.run
        if run is None or run.number != event.run or not run.turn.acquire(blocking=False):
            return gr.skip()
        try:
            pixels = _read_pixels(event.pixels) if run.clip is None else next(run.clip.frames, None)
            if pixels is None:
                video.run = None
                return make_done(run.number, run.tally)
            side = event.side if event.side in SIDES else SIDES[0]
            settings = replace((page.result or self._engine.first).settings, short_side=side)
            frame = run.runner.run(pixels, settings, lambda: video.run is run)
            run.tally.add(frame)
            run.frames += 1
            return make_frame(run.number, run.frames, frame, run.tally, run.clip is not None)
        except Superseded:
            return gr.skip()
        except Exception as error:
            video.run = None
            return make_problem(run.number, explain(error, self._engine.device))
        finally:
            run.turn.release()

    def finish(self, video: VideoSession, event: gr.EventData) -> Any:
        """Stop a run; a frame under way is dropped.

        Args:
            video: the tab; updated.
            event: with run (number).
        """
        run = video.run
        if run is None or run.number != event.run:
            return gr.skip()
        video.run = None
        return make_done(run.number, run.tally)

    def run_clip(
        self,
        clip: str,
        model: str,
        short_side: int,
        sparsity: str,
        frame_rate: float,
        max_frames: int,
        task: str = "",
        focal_mm: float = 0,
    ) -> dict[str, Any]:
        """Run a video clip through a network frame by frame, pruned and, in turn, dense.

        Args:
            clip: an uploaded MP4, MOV, WebM, MKV, AVI or OGV file.
            model: a name that the endpoint models lists.
            short_side: pixels of the shorter side fed to the network; 0 for the clip's own.
            sparsity: share pruned: below 1, JSON per stage or pair, or a preset as paper-35ms.
            frame_rate: frames used of each second of the clip; 0 for all.
            max_frames: most frames used, 1 to 300.
            task: one of the network's tasks, which the endpoint models lists; empty for its first.
            focal_mm: of the lens, in terms of 35 mm film, for 3D boxes; 0 for a view of 60 degrees.

        Returns:
            Number of frames, median milliseconds and frames a second of the network alone dense and
            sparse, speed-up, windows kept, and for every frame its sparse milliseconds and, where
            dense ran too, its agreement with dense.
        """
        try:
            if not 1 <= max_frames <= MAX_FRAMES or not 0 <= frame_rate <= 1000:
                raise VideoError(
                    f"max_frames must be 1 to {MAX_FRAMES} and frame_rate 0 to 1000, "
                    f"got {max_frames} and {frame_rate}."
                )
            settings = Api(self._engine).read_settings(model, short_side, sparsity, task, focal_mm)
            path, tally = _check_upload(clip), Tally()
            for first in read_frames(path, max_frames=1):
                check_side((first.shape[0], first.shape[1]), settings.short_side)
            for frame in run_clip(self._engine, path, settings, max_frames, frame_rate or None):
                tally.add(frame)
        except Exception as error:
            message = explain(error, self._engine.device)
            raise gr.Error(message, print_exception=False) from None
        return tally.summarize()

    def _open(self, page: Session, source: str, path: Any) -> Clip | None:
        if source == "webcam":
            return None
        if source == "example":
            return make_example(next(iter(self._engine.examples.values())).pixels)
        page.uploads.add(_check_upload(path))
        return open_clip(path, rate=CLIP_RATE)


def _check_upload(path: Any) -> str:
    """The path of a file, if it is one that was uploaded: others must not be opened."""
    if not isinstance(path, str) or not path:
        raise VideoError("Choose a video file first.")
    if not is_in_or_equal(path, get_upload_folder()):
        raise VideoError("The clip must be uploaded first.")
    return path


def _read_pixels(uri: Any) -> np.ndarray:
    """(h, w, 3) uint8 RGB of a data URI; nothing touches the disk."""
    try:
        if not isinstance(uri, str) or len(uri) > _MOST_LETTERS:
            raise ValueError("no picture")
        data = base64.b64decode(uri.partition(",")[2], validate=True)
    except ValueError as error:
        raise ImageError("The webcam sent something that is no picture; start it again.") from error
    return load_image(data)
