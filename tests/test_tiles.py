"""Large pictures in tiles: what the whole picture gives, without seams."""

import numpy as np
import pytest
import torch
from PIL import Image
from restorer_support import CONFIG, make_restorer
from typer.testing import CliRunner

import sparsevit
from sparsevit.cli import cli
from sparsevit.inspect.tiles import enhance, find_reach
from sparsevit.networks import load_model
from sparsevit.networks.checkpoint import save_checkpoint
from sparsevit.networks.loaded import LoadedModel


@pytest.fixture
def loaded():
    return LoadedModel.wrap(sparsevit.sparsify(make_restorer()), "tiny")


def draw(height, width):
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", [(300, 340), (131, 517)])
def test_tiles_give_what_the_whole_picture_gives(loaded, size):
    image = draw(*size)
    whole = enhance(loaded, image)
    seen = []
    tiled = enhance(loaded, image, max_pixels=200 * 200, report=lambda *told: seen.append(told))
    assert seen[-1][0] == seen[-1][1] > 3
    assert whole.shape == tiled.shape == (2 * size[0], 2 * size[1], 3)
    difference = np.abs(whole.astype(int) - tiled)
    # Sums of floats in another order may round the other way.
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-3


def test_a_pixel_depends_on_no_more_than_the_reach(loaded):
    reach = find_reach(loaded.module)
    image = draw(320, 320)
    other = image.copy()
    other[160, 160] = 255 - other[160, 160]
    changed = (enhance(loaded, image) != enhance(loaded, other)).any(axis=-1)
    rows, columns = np.nonzero(changed)
    assert rows.min() < 2 * 155
    for places in (rows, columns):
        assert 2 * (160 - reach) <= places.min() <= places.max() < 2 * (161 + reach)


@pytest.mark.parametrize("size", [(1, 1), (7, 90), (64, 65)])
def test_small_and_odd_pictures_are_restored(loaded, size):
    assert enhance(loaded, draw(*size)).shape == (2 * size[0], 2 * size[1], 3)


def test_tiles_that_cannot_be_are_refused(loaded):
    with pytest.raises(ValueError, match="max_pixels must be at least"):
        enhance(loaded, draw(200, 200), max_pixels=100)


def test_pruned_tiles_keep_their_share(loaded):
    loaded.module.sparsity = 0.5
    with sparsevit.capture(loaded.module) as trace:
        enhance(loaded, draw(128, 128))
    assert {block.kept for block in trace.blocks} == {32}


def test_the_command_writes_pngs_and_goes_on_after_a_bad_file(tmp_path):
    save_checkpoint(make_restorer(), CONFIG, tmp_path / "tiny.safetensors")
    Image.fromarray(draw(33, 47)).convert("LA").save(tmp_path / "grey.png")
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    files = [str(tmp_path / name) for name in ("bad.jpg", "grey.png")]
    options = ["--model", str(tmp_path / "tiny.safetensors"), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(cli, ["enhance", *files, *options, "--device", "cpu", "-s", "0.3"])
    assert result.exit_code == 1
    assert "bad.jpg" in result.stderr
    assert Image.open(tmp_path / "out" / "grey.png").size == (94, 66)


def test_the_command_refuses_a_network_that_restores_nothing(tmp_path):
    result = CliRunner().invoke(cli, ["enhance", "x.png", "--model", "streets", "--device", "cpu"])
    assert result.exit_code == 2
    assert "streets does semantic, instance, boxes3d, not 'enhancement'" in result.stderr


def test_the_whole_picture_is_what_the_network_gives(loaded):
    image = draw(66, 78)
    images = torch.from_numpy(image.transpose(2, 0, 1).copy())[None].float() / 255
    with torch.inference_mode():
        expected = loaded.module.for_tasks("enhancement")(images)
    levels = (expected[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    assert np.abs(levels.astype(int) - enhance(loaded, image)).max() <= 1


def test_a_loaded_file_is_enhanced(tmp_path):
    path = tmp_path / "tiny.safetensors"
    save_checkpoint(make_restorer(), CONFIG, path)
    assert enhance(load_model(str(path)), draw(80, 70)).shape == (160, 140, 3)
