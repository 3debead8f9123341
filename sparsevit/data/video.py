"""Frames of a video clip, decoded one at a time with OpenCV. Nothing is written anywhere."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from sparsevit.data.reader import MAX_ASPECT, MIN_SIDE_PIXELS, ImageError
from sparsevit.data.transforms import Size, resize_image

MAX_CLIP_BYTES = 200_000_000
MAX_CLIP_SECONDS = 120
MAX_STORED_PIXELS = 4096 * 2304  # of one frame, before it is scaled down
MAX_FRAMES = 300
MAX_FRAME_SIDE = 1920

_MAX_DECODED = 20_000  # frames, used or not: a broken file may give them all the same time
_HEADER_BYTES = 12
# Nothing but these is given to FFmpeg: it would also follow the links of a playlist.
_MP4_ATOMS = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
_MATROSKA, _OGG = b"\x1aE\xdf\xa3", b"OggS"
_FORMATS = "MP4, MOV, WebM, MKV, AVI or OGV"


class VideoError(ImageError):
    """A clip nobody can use; the message is one sentence that names it and says what is allowed."""


@dataclass(frozen=True)
class ClipInfo:
    """What :func:`read_frames` will give for a clip.

    Attributes:
        size: (h, w) pixels of the frames, the right way up and scaled down.
        rate: frames for each second of the clip; on average, where the clip's own rate varies.
        count: number of frames, as the file says; None when it does not say.
        note: one sentence when only the beginning is used, else empty.
    """

    size: Size
    rate: float
    count: int | None
    note: str


def describe_clip(
    path: str | Path,
    max_frames: int = MAX_FRAMES,
    max_side: int = MAX_FRAME_SIDE,
    rate: float | None = None,
) -> ClipInfo:
    """Look at a clip without decoding it; arguments and errors as of :func:`read_frames`."""
    capture, _ = _open(Path(path))
    try:
        own_rate = _read_rate(capture)
        stored = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        size = _fit(_read_size(capture), max_side)
    finally:
        capture.release()
    rate = own_rate if rate is None else min(rate, own_rate)
    if stored <= 0:
        note = f"The file does not say how long it is; at most {max_frames} frames are used."
        return ClipInfo(size, rate, None, note)
    seconds = stored / own_rate
    wanted = math.ceil(seconds * rate - 1e-6)
    count = min(wanted, max_frames, math.ceil(MAX_CLIP_SECONDS * rate))
    note = ""
    if count < wanted:
        note = f"The clip is {seconds:.0f} s long; its first {count / rate:.0f} s are used."
    return ClipInfo(size, rate, count, note)


def read_frames(
    path: str | Path,
    max_frames: int = MAX_FRAMES,
    max_side: int = MAX_FRAME_SIDE,
    rate: float | None = None,
) -> Iterator[np.ndarray]:
    """The frames of a clip in order, the right way up, decoded when they are asked for.

    A clip that is longer than ``max_frames`` or 120 s is cut there.

    Args:
        path: an MP4, MOV, WebM, MKV, AVI or OGV file.
        max_frames: most frames given.
        max_side: longer frames are scaled down to it, pixels of the longer side.
        rate: frames for each second of the clip, evenly spread over its time; None for every frame.

    Returns:
        An iterator over (h, w, 3) uint8 RGB.

    Raises:
        VideoError: missing, no video, over 200 MB, frames over 4096 x 2304 pixels, below 32 pixels
            or longer than 8:1; or, when the first frame is asked for, none can be decoded.
    """
    capture, name = _open(Path(path))
    return _decode(capture, name, max_frames, max_side, rate)


def _open(path: Path) -> tuple[cv2.VideoCapture, str]:
    """(opened clip, its name for messages)."""
    name = f'"{path.name}"'
    if not path.is_file():
        raise VideoError(f"{name} does not exist; choose a video file.")
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES)
    if not _is_video(header):
        raise VideoError(f"{name} is not a video that can be read; use {_FORMATS}.")
    if path.stat().st_size > MAX_CLIP_BYTES:
        limit = MAX_CLIP_BYTES // 10**6
        raise VideoError(f"{name} is too big; at most {limit} MB are allowed.")
    # One thread, so that nothing is decoded while a network is timed between two frames.
    capture = cv2.VideoCapture(str(path.resolve()), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    try:
        if not capture.isOpened():
            raise VideoError(f"{name} is damaged or of an unknown kind; use {_FORMATS}.")
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
        _check_size(_read_size(capture), name)
    except VideoError:
        capture.release()
        raise
    return capture, name


def _is_video(header: bytes) -> bool:
    is_avi = header[:4] == b"RIFF" and header[8:12] == b"AVI "
    return is_avi or header[4:8] in _MP4_ATOMS or header[:4] in (_MATROSKA, _OGG)


def _read_size(capture: cv2.VideoCapture) -> Size:
    """(h, w) pixels of a frame, the right way up."""
    height, width = cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FRAME_WIDTH
    return int(capture.get(height)), int(capture.get(width))


def _read_rate(capture: cv2.VideoCapture) -> float:
    """Frames a second; 25 where the file says nothing sensible."""
    rate = capture.get(cv2.CAP_PROP_FPS)
    return rate if math.isfinite(rate) and rate > 0 else 25.0


def _check_size(size: Size, name: str) -> None:
    height, width = size
    if min(size) < MIN_SIDE_PIXELS or max(size) > MAX_ASPECT * min(size):
        raise VideoError(
            f"{name} has frames of {width} x {height} pixels; each side must have at least "
            f"{MIN_SIDE_PIXELS}, and the longer be at most {MAX_ASPECT} times the shorter."
        )
    if height * width > MAX_STORED_PIXELS:
        raise VideoError(
            f"{name} has frames of {width} x {height} pixels, which is too large; "
            f"at most 4096 x 2304 are allowed."
        )


def _fit(size: Size, max_side: int) -> Size:
    """(h, w) scaled down, if need be, so that the longer side has at most ``max_side`` pixels."""
    scale = min(1.0, max_side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _decode(
    capture: cv2.VideoCapture, name: str, max_frames: int, max_side: int, rate: float | None
) -> Iterator[np.ndarray]:
    given, slot, start = 0, -1, None
    own_rate = _read_rate(capture)
    try:
        for index in range(_MAX_DECODED):
            if given == max_frames or not capture.grab():
                break
            seconds = capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3 or index / own_rate
            start = seconds if start is None else start
            if seconds - start >= MAX_CLIP_SECONDS:
                break
            if rate is not None:  # the first frame in each slot of 1 / rate seconds
                now = math.floor((seconds - start) * rate + 1e-3)
                if now <= slot:
                    continue
                slot = now
            is_whole, frame = capture.retrieve()
            if not is_whole:
                break
            given += 1
            yield resize_image(
                cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), _fit(frame.shape[:2], max_side)
            )
    finally:
        capture.release()
    if not given:
        raise VideoError(f"{name} has no frames that can be decoded; export it again as MP4.")
