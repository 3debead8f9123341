"""Scenes written as files: the layout that docs/scenes.md promises, resuming, and bad folders."""

import errno
import json
import pickle
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from sparsevit.data.labelled import open_data
from sparsevit.data.streets import CLASS_NAMES, PALETTE, VOID, draw_scene, files, write_scenes

DOCS = Path(__file__).resolve().parent.parent / "docs" / "scenes.md"
SEED, SIZE = 6, (64, 128)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes") / "new"
    write_scenes(folder, SEED, 2, *SIZE)
    return folder


def read(folder: Path, part: str, name: str = "00006") -> np.ndarray:
    pixels = cv2.imread(str(folder / part / f"{name}.png"), cv2.IMREAD_UNCHANGED)
    assert pixels is not None
    return pixels


def test_files_hold_the_scene(folder: Path) -> None:
    scene = draw_scene(SEED, *SIZE)
    np.testing.assert_array_equal(read(folder, "images")[..., ::-1], scene.image)
    np.testing.assert_array_equal(read(folder, "labels"), scene.labels)
    np.testing.assert_array_equal(read(folder, "instances"), scene.instances)
    depth = read(folder, "depth")
    assert depth.dtype == np.uint16
    far = ~(scene.depth * 100 < 65535.5)
    assert not depth[far].any()
    np.testing.assert_allclose(depth[~far] / 100, scene.depth[~far], atol=0.0051)


def test_json_describes_the_scene(folder: Path) -> None:
    scene = draw_scene(SEED, *SIZE)
    found = json.loads((folder / "scenes" / "00006.json").read_text())
    assert (found["seed"], found["height"], found["width"]) == (SEED, *SIZE)
    assert found["weather"]["name"] == scene.weather.name
    assert found["camera"]["fx"] == scene.camera.fx
    assert len(found["instances"]) == len(scene.objects) > 0
    for row, thing in zip(found["instances"], scene.objects, strict=True):
        assert (row["id"], row["class"], row["kind"]) == (thing.id, thing.name, thing.kind)
        assert row["centre"] == pytest.approx(thing.centre, abs=1e-4)
        assert row["size"] == pytest.approx(thing.size, abs=1e-4)
        assert row["yaw"] == pytest.approx(thing.yaw, abs=1e-4)
        assert (row["pixels"], row["box"]) == (thing.pixels, list(thing.box))


def test_classes_file(folder: Path) -> None:
    found = json.loads((folder / "classes.json").read_text())
    assert found == {"classes": list(CLASS_NAMES), "palette": PALETTE.tolist(), "void": VOID}


def test_a_folder_of_scenes_is_a_data_folder(folder: Path) -> None:
    data = open_data(str(folder))
    assert len(data) == 2
    scene = draw_scene(SEED, *SIZE)
    np.testing.assert_array_equal(data[0].image, scene.image)
    np.testing.assert_array_equal(data[0].labels, scene.labels)


def test_the_documented_example_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    example = example.replace('Path("DIR"), "00000"', f'Path({str(folder)!r}), "00006"')
    exec(compile(example, str(DOCS), "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == len(draw_scene(SEED, *SIZE).objects)
    assert "seen at" in printed[0]


def test_complete_scenes_are_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []

    def draw_and_note(seed: int, *size: int) -> files.Scene:
        drawn.append(seed)
        return draw_scene(seed, *size)

    monkeypatch.setattr(files, "draw_scene", draw_and_note)
    (folder / "scenes" / "00007.json").unlink()  # as if interrupted before the end
    done: list[str] = []
    write_scenes(folder, SEED, 2, *SIZE, on_scene=done.append)
    assert drawn == [7]
    assert done == ["00006", "00007"]


class PoolHere:
    """Stands in for a pool of processes: what it runs has been through pickle, as theirs has."""

    def __init__(self, jobs: int, *_: object, **__: object) -> None:
        assert jobs == 2

    def __enter__(self) -> "PoolHere":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def map(self, draw: Callable[[int], str], seeds: Iterable[int]) -> Iterator[str]:
        return map(pickle.loads(pickle.dumps(draw)), seeds)


def test_several_processes_write_the_same(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "ProcessPoolExecutor", PoolHere)
    write_scenes(tmp_path, SEED, 2, *SIZE, jobs=2)
    written = sorted(path.relative_to(folder) for path in folder.rglob("*.*"))
    assert len(written) == 11
    for path in written:
        assert (tmp_path / path).read_bytes() == (folder / path).read_bytes()


def test_another_size_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"64 x 128 .*choose another folder"):
        write_scenes(folder, SEED, 1, 64, 130)


def test_other_classes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "classes.json").write_text('{"classes": ["cat"]}')
    with pytest.raises(ValueError, match="other classes"):
        write_scenes(tmp_path, 0, 1, *SIZE)


@pytest.mark.parametrize(("seed", "count", "jobs"), [(-1, 1, 1), (0, 0, 1), (0, 1, 0)])
def test_numbers_out_of_range_are_refused(seed: int, count: int, jobs: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="seed >= 0"):
        write_scenes(tmp_path, seed, count, *SIZE, jobs=jobs)


def test_writing_where_a_file_lies_says_so(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(OSError, match=r"Could not write .*taken"):
        write_scenes(tmp_path / "taken", 0, 1, *SIZE)


def test_a_full_disk_keeps_what_is_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_up(path: Path, data: bytes) -> int:
        if path.name == "00007.png" and path.parent.name == "depth":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return len(data)

    monkeypatch.setattr(Path, "write_bytes", fill_up)
    with pytest.raises(OSError, match=r"No space left on device.*goes on from there"):
        write_scenes(tmp_path, SEED, 2, *SIZE)
    assert [path.name for path in (tmp_path / "scenes").iterdir()] == ["00006.json"]
