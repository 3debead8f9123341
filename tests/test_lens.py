"""The lens through a network, against loops, drawings by hand, and what hosts must give."""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from oracle import SCHEDULE, list_windows, make_dense, make_swin, record_blocks
from test_hf_families import FAMILIES
from timm_hosts_support import CASES, scramble

import sparsevit
from sparsevit.core.steering import Choice, Situation, steer
from sparsevit.inspect.lens import look_through
from sparsevit.inspect.photo import PreparedImage
from sparsevit.inspect.probe import read_off
from sparsevit.inspect.regions import describe_regions, find_drift, find_low, label_regions
from sparsevit.networks import LoadedModel
from sparsevit.patch import get_sparsity
from sparsevit.tasks.features import FeaturesTask
from sparsevit.tasks.semantic import SemanticTask

SIZE = (188, 252)  # its grids are padded

MAKERS: dict[str, Any] = {
    "Swin": (lambda: make_dense(img_size=256), SIZE),
    "Swin V2": (lambda: make_swin("swinv2_tiny_window8_256", depths=(2, 4)), (64, 92)),
    "Hugging Face Swin V2": (FAMILIES["swinv2"].make_model, (60, 92)),
    "Hugging Face MaskFormer's Swin": (FAMILIES["maskformer"].make_model, (60, 92)),
    **{
        name: (lambda case=CASES[name]: scramble(case.make()), CASES[name].sizes[1])
        for name in ("Swin V2-CR", "TinyViT", "SAM", "MaxViT")
    },
}


def load(name: str) -> tuple[LoadedModel, PreparedImage]:
    """A small network without a head, and a picture of noise for it."""
    make, size = MAKERS[name]
    module = sparsevit.sparsify(make())
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(1, 3, *size, generator=generator)
    task = FeaturesTask(lambda output: output)
    loaded = LoadedModel(name, module, task, (0.5,) * 3, (0.5,) * 3)
    return loaded, PreparedImage(np.zeros((*size, 3), np.uint8), images, None, 0, name, task.name)


def map_regions(lens: Any) -> list[float]:
    """Areas of the regions as the map of regions has them."""
    return [float((lens.region_map == region.number).mean()) for region in lens.regions]


@pytest.mark.parametrize("name", MAKERS)
def test_every_host_is_looked_through(name: str) -> None:
    """Before the first skipped window nothing differs, there only what was skipped does."""
    loaded, prepared = load(name)
    same = look_through(loaded, prepared, 0.0)
    assert [len([b for b in same.blocks if b.trace.stage == s]) for s in range(len(loaded.depths))]
    assert len(same.blocks) == sum(loaded.depths)
    for block in same.blocks:
        assert block.cosine.shape == block.trace.grid.grid
        assert block.cosine.min() >= 1 - 1e-5
    assert not same.prunes
    assert same.regions == ()
    assert not same.region_map.any()

    sparsevit.sparsify(loaded.module, 0.0, rescore=True)  # unlinked: sparsities may fall
    pruned = min(1, len(loaded.depths) - 1)
    stages = range(len(loaded.depths))
    lens = look_through(loaded, prepared, [[0.6 * (stage == pruned)] for stage in stages])
    assert lens.prunes
    first = sum(loaded.depths[:pruned])
    assert all(block.cosine.min() >= 1 - 1e-5 for block in lens.blocks[:first])
    skipped = ~lens.blocks[first].trace.token_mask().numpy()
    if name != "TinyViT":  # a convolution there mixes windows
        assert ((lens.blocks[first].cosine < 1 - 1e-5) == skipped).all()
    assert lens.blocks[-1].mean_cosine < 0.999
    assert lens.region_map.shape == prepared.input_size
    assert map_regions(lens) == pytest.approx([region.area for region in lens.regions])
    assert lens.regions
    assert not any(get_sparsity(loaded.module).to_list()[0])  # as it was


def test_cosines_are_those_of_the_blocks_outputs() -> None:
    loaded, prepared = load("Swin")
    seen = []
    for schedule in (0.0, SCHEDULE):
        sparsevit.sparsify(loaded.module, schedule)
        with torch.no_grad(), record_blocks(loaded.module) as recorded:
            loaded.module(prepared.images)
        seen.append({key: out.clone() for key, (_, out) in recorded.items()})
    lens = look_through(loaded, prepared, SCHEDULE)
    for block in lens.blocks:
        key = block.trace.stage, block.trace.block
        expected = F.cosine_similarity(seen[0][key][0], seen[1][key][0], dim=-1)
        assert np.abs(block.cosine - expected.numpy()).max() < 1e-5
        assert block.mean_cosine == pytest.approx(float(expected.mean()), abs=1e-5)


class SkipOne:
    """Steering: where the schedule prunes, one block skips one window and nothing else is."""

    def __init__(self, key: tuple[int, int], window: int) -> None:
        self.key, self.window = key, window

    def choose(self, situation: Situation) -> Choice:
        if situation.keep_idx is None or (situation.stage, situation.block) != self.key:
            return Choice(None)
        every = torch.arange(situation.grid.num_windows)
        return Choice(every[every != self.window].unsqueeze(0))


def test_one_window_skipped_by_one_block_is_where_the_features_drift_from() -> None:
    loaded, prepared = load("Swin")
    with steer(loaded.module, SkipOne((2, 1), 1)):
        lens = look_through(loaded, prepared, 0.5)
    number = 5  # behind two stages of two blocks
    assert [block.trace.kept < block.trace.total for block in lens.blocks] == [
        index == number for index in range(len(lens.blocks))
    ]
    block = lens.blocks[number]
    height, width = block.trace.grid.grid
    inside = np.zeros((height, width), bool)
    for token in list_windows((height, width), (7, 7), (3, 3))[1]:
        if token is not None:
            inside[token] = True
    assert all(known.cosine.min() >= 1 - 1e-5 for known in lens.blocks[:number])
    assert ((block.cosine < 1 - 1e-5) == inside).all()

    pixels = inside.repeat(16, axis=0).repeat(16, axis=1)
    skipped = [~known.trace.token_mask().numpy() for known in lens.blocks]
    (region,) = describe_regions(
        pixels.astype(np.uint8), skipped, [known.cosine for known in lens.blocks]
    )
    assert region.skipped == pytest.approx([float(i == number) for i in range(len(lens.blocks))])
    assert region.drifts_from == region.falls_at == number
    assert region.cosine[number] == pytest.approx(float(block.cosine[inside].mean()), abs=1e-5)


def test_regions_of_two_maps_drawn_by_hand() -> None:
    dense = np.zeros((8, 16), np.uint8)
    dense[:, 8:] = 1
    sparse = dense.copy()
    sparse[2:4, 2:6] = 2  # 8 pixels of class 0
    sparse[4, 6] = 1  # one more, touching by its corner
    sparse[6:8, 14:16] = 0  # 4 pixels of class 1
    truth = np.full((8, 16), 9, np.uint8)  # unknown but for
    truth[2, :6] = 2
    truth[3, :6] = 0
    truth[4, 6] = 2
    numbers = label_regions(dense != sparse)
    assert (numbers == 1).sum() == 9
    assert (numbers == 2).sum() == 4

    halves = np.zeros((4, 8), bool)
    halves[:, :2] = True  # the left four pixels
    cosine = np.ones((2, 4), np.float32)
    cosine[0, 0] = 0.2  # the upper left corner of 4 x 4 pixels
    first, second = describe_regions(
        numbers, [halves], [cosine], (dense, sparse), truth, 3, [(dense, sparse)]
    )
    assert first.area == pytest.approx(9 / 128)
    assert first.box == (2, 2, 7, 5)
    assert numbers[first.place[::-1]] == 1
    assert (first.classes, first.share) == ((0, 2), pytest.approx(8 / 9))
    assert first.truth is not None
    assert first.truth.label == 2
    assert first.truth.dense == pytest.approx(4 / 9)
    assert first.truth.sparse == pytest.approx(4 / 9)
    assert first.skipped == pytest.approx((4 / 9,))
    assert first.cosine == pytest.approx(((4 * 0.2 + 5) / 9,))
    assert first.readings == ((0, 2),)
    assert (second.box, second.classes, second.truth) == ((14, 6, 16, 8), (1, 0), None)
    assert second.cosine == pytest.approx((1,))
    assert second.drifts_from is None
    assert second.falls_at is None


def test_only_the_largest_regions_count() -> None:
    differs = np.zeros((40, 40), bool)
    differs[::2, ::2] = True  # 400 single pixels, alike
    differs[10:13, 10:13] = True
    numbers = label_regions(differs)
    assert numbers.max() == 12
    assert (numbers == 1).sum() >= 9


def test_a_region_is_numbered_in_its_middle() -> None:
    numbers = np.zeros((9, 12), np.uint8)
    numbers[2:7, 3:8] = 1
    (region,) = describe_regions(numbers, [], [np.ones((3, 4), np.float32)])
    assert region.place == (5, 4)
    assert (region.classes, region.share, region.readings) == (None, 1.0, ())


def test_drift_starts_at_a_tenth_of_the_greatest_fall() -> None:
    assert find_drift([1.0, 0.99, 0.94, 0.5, 0.9]) == 2  # the greatest fall is 0.5
    assert find_drift([0.9, 0.2]) == 0
    assert find_drift([1.0, 1.0 - 1e-6]) is None
    assert find_low(np.array([[1.0, 0.9, 0.75, 0.4]])).tolist() == [[False, False, False, True]]
    assert not find_low(np.ones((2, 2))).any()


def test_a_probe_reads_what_a_line_can_tell_and_no_more() -> None:
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 4, (12, 16)).astype(np.uint8) + 3
    directions = 5 + torch.randn(8, 40)  # far from 0
    features = directions[torch.from_numpy(classes).long()] + 0.1 * torch.randn(12, 16, 40)
    moved = features.clone()
    moved[:4] = features[0, 0]  # all like one token
    dense, sparse = read_off(features, moved, classes)
    assert (dense == classes).all()
    assert (sparse[4:] == classes[4:]).all()
    assert (sparse[:4] == classes[0, 0]).all()
    # Noise of more channels than tokens can be fitted, but tells nothing of other tokens.
    noise = torch.randn(12, 16, 400)
    assert (read_off(noise, noise, classes)[0] == classes).mean() < 0.5


def test_a_probe_of_one_token_says_its_class() -> None:
    tokens = torch.randn(1, 1, 6)
    assert read_off(tokens, tokens, np.array([[7]], np.uint8))[1].tolist() == [[7]]


def test_classes_are_read_after_every_stage() -> None:
    """Of a task whose final classes are two halves, but for a corner where the output differs."""
    loaded, prepared = load("Swin")
    names = ("left", "right")
    with torch.no_grad():
        reference = loaded.module(prepared.images)

    def read(output: Any, size: tuple[int, int]) -> torch.Tensor:
        classes = torch.zeros(size, dtype=torch.uint8)
        classes[:, size[1] // 2 :] = 1
        if not torch.allclose(output, reference, atol=1e-4):
            classes[:40, :30] = 1
        return classes

    task = SemanticTask(names, np.zeros((2, 3), np.uint8), read=read)
    loaded = LoadedModel("Swin", loaded.module, task, loaded.mean, loaded.std)
    dense = read(reference, SIZE).numpy()
    prepared = PreparedImage(prepared.image, prepared.images, dense, 0, "Swin", "semantic")
    truth = np.zeros((47, 63), np.uint8)
    lens = look_through(loaded, prepared, 0.4, truth)
    (region,) = lens.regions
    assert region.box == (0, 0, 30, 40)
    assert (region.classes, region.share) == ((0, 1), 1.0)
    for skipped, block in zip(region.skipped[:2], lens.blocks, strict=False):
        mask = ~block.trace.token_mask().numpy()  # a token of the first stage has 4 x 4 pixels
        assert skipped == pytest.approx(mask.repeat(4, 0).repeat(4, 1)[:40, :30].mean())
    assert region.truth is not None
    assert (region.truth.label, region.truth.dense, region.truth.sparse) == (0, 1.0, 0.0)
    assert [reading.dense.shape for reading in lens.readings] == [
        (47, 63), (24, 32), (12, 16), (6, 8)
    ]  # fmt: skip
    for reading in lens.readings:
        assert reading.agreement["dense"] == (reading.dense == reading.target).mean()
    told = lens.to_dict(names)
    assert told["regions"][0]["truth"] == {"class": "left", "dense": 1.0, "sparse": 0.0}
    assert told["blocks"][2] == {
        "stage": 2,
        "block": 1,
        "skipped": lens.blocks[2].skipped,
        "mean_cosine": lens.blocks[2].mean_cosine,
    }
    same = look_through(loaded, prepared, 0.0, truth)
    for reading in same.readings:
        assert (reading.dense == reading.sparse).all()


def test_tokens_of_a_large_grid_are_taken_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, prepared = load("Swin")
    whole = look_through(loaded, prepared, SCHEDULE)
    monkeypatch.setattr("sparsevit.inspect.lens._MOST_TOKENS", 800)
    part = look_through(loaded, prepared, SCHEDULE)
    assert [block.cosine.shape for block in part.blocks[1:3]] == [(23, 31), (24, 32)]
    assert np.array_equal(part.blocks[0].cosine, whole.blocks[0].cosine[1::2, 1::2])


def test_what_is_not_finite_leaves_numbers_that_are() -> None:
    loaded, prepared = load("Swin")
    prepared.images[..., :40, :40] = torch.nan
    lens = look_through(loaded, prepared, SCHEDULE)
    assert all(np.isfinite(block.cosine).all() for block in lens.blocks)


def test_a_photo_of_another_network_is_refused() -> None:
    loaded, prepared = load("Swin")
    other = LoadedModel("other", loaded.module, loaded.task, loaded.mean, loaded.std)
    with pytest.raises(ValueError, match="prepared for Swin and features, not other"):
        look_through(other, prepared, 0.5)
