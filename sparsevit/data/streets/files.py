"""Scenes as files: pictures, label maps, depth, and a JSON for each scene."""

import json
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from sparsevit.data.streets.classes import CLASS_NAMES, PALETTE, VOID
from sparsevit.data.streets.scene import Scene, draw_scene

_CLASSES = {"classes": list(CLASS_NAMES), "palette": PALETTE.tolist(), "void": VOID}
_MAX_CM = 65535
_FAST = [cv2.IMWRITE_PNG_COMPRESSION, 1]
_RUNS = [*_FAST, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]  # flat areas


def write_scenes(
    folder: str | Path,
    seed: int,
    count: int,
    height: int = 1024,
    width: int = 2048,
    *,
    jobs: int = 1,
    on_scene: Callable[[str], None] | None = None,
) -> None:
    """Draw scenes of consecutive seeds into a folder; those it holds already are left alone.

    docs/scenes.md describes the layout. A scene's JSON is written last, so a scene that has one is
    complete.

    Args:
        folder: made if it does not exist.
        seed: of the first scene, 0 or more.
        count: number of scenes, 1 or more.
        height: of each picture in pixels.
        width: of each picture in pixels.
        jobs: processes that draw at once.
        on_scene: called with each scene's name once it is complete.

    Raises:
        ValueError: seed, count or jobs out of range; a size that `draw_scene` refuses; or the
            folder holds scenes of another size or labels of other classes.
        OSError: the folder cannot be written to, or the disk is full.
    """
    if seed < 0 or count < 1 or jobs < 1:
        raise ValueError(
            f"Scenes need a seed >= 0, a count >= 1 and jobs >= 1, not {seed}, {count} and {jobs}."
        )
    folder = Path(folder)
    try:
        _prepare(folder)
        seeds = range(seed, seed + count)
        draw = partial(_write_missing, folder, height, width)
        if jobs == 1:
            names = map(draw, seeds)
            _report(names, on_scene)
            return
        with ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_start_worker) as pool:
            try:
                _report(pool.map(draw, seeds), on_scene)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(
            f"Could not write {error.filename or folder}: {reason}. The scenes whose JSON is in "
            f"{folder / 'scenes'} are complete; the same command goes on from there."
        ) from error


def _report(names: Any, on_scene: Callable[[str], None] | None) -> None:
    for name in names:
        if on_scene is not None:
            on_scene(name)


def _prepare(folder: Path) -> None:
    for part in ("images", "labels", "instances", "depth", "scenes"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    path = folder / "classes.json"
    if not path.exists():
        path.write_text(json.dumps(_CLASSES) + "\n")
    elif _read_json(path) != _CLASSES:
        raise ValueError(f"{path} names other classes than those of street scenes.")


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path} is not JSON; delete it to have it written anew.") from error


def _start_worker() -> None:
    """One process draws with one thread, and ends when the process that began it says so."""
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _write_missing(folder: Path, height: int, width: int, seed: int) -> str:
    """Write one scene unless it is complete; returns its name."""
    name = f"{seed:05d}"
    path = folder / "scenes" / f"{name}.json"
    if path.exists():
        found = _read_json(path)
        if (found["height"], found["width"]) != (height, width):
            raise ValueError(
                f"{path} is a scene of {found['height']} x {found['width']} (height x width), not "
                f"{height} x {width}; choose another folder."
            )
        return name
    scene = draw_scene(seed, height, width)
    depth_cm = np.where(scene.depth * 100 <= _MAX_CM, np.rint(scene.depth * 100), 0)
    for part, pixels, settings in (
        ("images", cv2.cvtColor(scene.image, cv2.COLOR_RGB2BGR), _FAST),
        ("labels", scene.labels, _RUNS),
        ("instances", scene.instances, _RUNS),
        ("depth", depth_cm.astype(np.uint16), _RUNS),
    ):
        done, data = cv2.imencode(".png", pixels, settings)
        if not done:
            raise OSError(f"PNG encoding failed for {part}/{name}")
        (folder / part / f"{name}.png").write_bytes(data.tobytes())
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps(describe_scene(scene, seed)) + "\n")
    unfinished.replace(path)
    return name


def describe_scene(scene: Scene, seed: int) -> dict[str, Any]:
    """What a scene's JSON holds; lengths in metres, angles in radians, camera coordinates."""
    camera, weather = scene.camera, scene.weather
    height, width = scene.labels.shape
    sun_x, sun_up, sun_z = weather.to_sun
    return {
        "seed": seed,
        "height": height,
        "width": width,
        "weather": {
            "name": weather.name,
            "to_sun": _round((sun_x, -sun_up, sun_z)),
            "haze_m": round(weather.haze_m, 1),
            "wet": round(weather.wet, 3),
        },
        "camera": {
            "fx": camera.fx,
            "fy": camera.fy,
            "cx": camera.cx,
            "cy": camera.cy,
            "height_m": camera.height_m,
            "pitch": 0.0,
        },
        "instances": [
            {
                "id": thing.id,
                "class": thing.name,
                "kind": thing.kind,
                "centre": _round(thing.centre),
                "size": _round(thing.size),
                "yaw": round(thing.yaw, 5),
                "pixels": thing.pixels,
                "box": list(thing.box),
            }
            for thing in scene.objects
        ],
    }


def _round(values: tuple[float, ...]) -> list[float]:
    return [round(value, 4) for value in values]
