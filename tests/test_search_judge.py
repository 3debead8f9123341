"""How schedules are judged: accuracy on fixed pictures, and stages that need not run again."""

from __future__ import annotations

import random
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from search_support import (
    DEPTHS,
    make_loaded,
)
from test_evaluation import VOID, Pictures, make_labels
from three_tasks_support import TASKS, FoundPictures, load_three_tasks
from training_support import MODEL
from transformers import SwinBackbone, SwinConfig

from sparsevit import SparsitySchedule, sparsify
from sparsevit.data.labelled import DataError
from sparsevit.data.photos import PhotoFolder
from sparsevit.data.reader import ImageError
from sparsevit.evaluation import evaluate, evaluate_sizes
from sparsevit.networks.segmenter import Segmenter
from sparsevit.package.units import HEADLINES
from sparsevit.patch import get_sparsity, set_sparsity
from sparsevit.schedule import ScheduleError
from sparsevit.search import (
    AgreementJudge,
    LabelledJudge,
)
from sparsevit.search.fingerprint import digest_values
from sparsevit.search.prefix import PrefixCache, reuse_stages


def parse(value: object) -> SparsitySchedule:
    return SparsitySchedule.parse(value, DEPTHS)


@pytest.mark.parametrize(
    ("size", "score"),
    [((64, 96), "rms"), ((72, 104), "rms"), ((36, 52), "gradient"), ((36, 52), "random")],
)
def test_reused_stages_change_not_a_bit(size, score):
    model = sparsify(deepcopy(make_loaded().module), score=score)
    rng = random.Random(0)
    # Each schedule begins as the one before, up to another stage.
    schedules = [SparsitySchedule.random(DEPTHS, rng) for _ in range(3)]
    for schedule in tuple(schedules):
        for stage in range(1, len(DEPTHS)):
            tail = SparsitySchedule.random(DEPTHS, rng).stages[stage:]
            schedules.append(SparsitySchedule(schedule.stages[:stage] + tail))
    pictures = torch.randn(2, 1, 3, *size)
    caches = [PrefixCache(), PrefixCache(limit_bytes=80_000)]
    with torch.inference_mode():
        for schedule in schedules:
            set_sparsity(model, schedule)
            for number, images in enumerate(pictures):
                expected = model(images)
                for cache in caches:
                    with reuse_stages(model, cache, number):
                        assert torch.equal(model(images), expected)
    # Beginnings in common: one stage nine times, two six times, three three times, of 2 pictures.
    embeddings = 0 if score == "gradient" else 2 * (len(schedules) - 1)
    assert caches[0].hits >= embeddings + 2 * (9 + 6 + 3)
    assert 0 < caches[1].hits <= caches[0].hits


def test_stages_of_hugging_face_are_reused_too():
    config = SwinConfig(
        image_size=64,
        embed_dim=24,
        depths=[2, 2, 2, 2],
        num_heads=[1, 2, 4, 8],
        out_features=["stage1", "stage4"],
    )
    model = sparsify(SwinBackbone(config).eval())
    images, cache = torch.randn(1, 3, 64, 92), PrefixCache()
    for sparsity in ((0.5, 0.2, 0.0, 0.0), (0.5, 0.2, 0.7, 0.0), (0.1, 0.2, 0.7, 0.0)):
        set_sparsity(model, sparsity)
        with torch.inference_mode():
            expected = model(images).feature_maps
            with reuse_stages(model, cache, 0):
                found = model(images).feature_maps
        for ours, again in zip(found, expected, strict=True):
            assert torch.equal(ours, again)
    assert cache.hits == 2  # stages 1 and 2 of the second schedule


def test_reuse_ends_and_stays_away_from_training():
    model = make_loaded().module
    cache = PrefixCache()
    images = torch.randn(1, 3, 64, 64)
    with reuse_stages(model, cache, 0):
        model(images)  # gradients are on
    assert cache.hits == cache.misses == 0
    assert not [m for m in model.modules() if "forward" in vars(m)]
    with pytest.raises(RuntimeError), reuse_stages(model, cache, 0), torch.no_grad():
        model(images[:, :2])
    assert not [m for m in model.modules() if "forward" in vars(m)]


class Streets(Pictures):
    class_names = (*MODEL.class_names, "Void")


@pytest.mark.parametrize("size", [None, 64])
def test_the_judge_scores_as_evaluation_does(size):
    loaded = make_loaded()
    segmenter = loaded.module
    assert isinstance(segmenter, Segmenter)
    rng = np.random.default_rng(0)
    data = Streets(*(rng.integers(0, 4, (70, 100 + 8 * n), dtype=np.uint8) for n in range(3)))
    set_sparsity(segmenter, 0.2)
    judge = LabelledJudge(loaded, data, size, 5, data_name="toy")
    schedules = [parse(0.0), parse([[0.7], [0.3], [0.1, 0.8], [0.5]])]
    expected = [r["miou"] for r in evaluate(segmenter, data, schedules, size)["results"]]
    found = [judge.score(schedule) for schedule in schedules]
    assert found == pytest.approx(expected, abs=1e-6)
    assert judge.dense_accuracy == found[0]
    assert found[0] != found[1]
    assert get_sparsity(segmenter) == parse(0.2)
    assert (judge.metric, judge.data, judge.pictures) == ("mIoU", "toy", 3)
    assert judge.enlarge(4) is judge


@pytest.mark.parametrize(("task", "metric"), zip(TASKS, ("mIoU", "mask AP", "3D AP"), strict=True))
def test_every_task_is_judged_as_evaluation_does(task, metric):
    loaded, data = load_three_tasks().for_task(task), FoundPictures(task)
    judge = LabelledJudge(loaded, data, None, 9)
    schedules = [parse(0.0), parse(0.3), parse([[0.7], [0.3], [0.1, 0.8], [0.5]])]
    results = evaluate_sizes(loaded, data, schedules, (None,))[0]["results"]
    found = [judge.score(schedule) for schedule in schedules]
    assert found == [result[HEADLINES[task]] for result in results]
    assert max(found) == found[1] > found[0] != found[2]  # the truth was found at 0.3
    assert (judge.metric, judge.pictures) == (metric, 4)


def test_the_same_pictures_with_another_truth_have_another_key():
    loaded, data = load_three_tasks().for_task("boxes3d"), FoundPictures("boxes3d")
    key = LabelledJudge(loaded, data).key
    assert key == LabelledJudge(loaded, FoundPictures("boxes3d")).key
    sample = data[1]
    assert sample.things is not None
    *others, last = sample.things.things
    assert last.box is not None
    moved = replace(last, box=replace(last.box, yaw=last.box.yaw + 0.01))
    data.samples[1] = replace(sample, things=replace(sample.things, things=(*others, moved)))
    assert LabelledJudge(loaded, data).key != key


def test_digests_tell_values_shapes_and_order_apart():
    array = np.arange(6, dtype=np.uint8)
    values = [
        array, array[::-1], array.reshape(2, 3), array.astype(np.int8), [array], (array, array),
        [[1, 2], 3], [1, [2, 3]], [3, [1, 2]], 1, "1", None, [], [None],
    ]  # fmt: skip
    assert len(set(map(digest_values, values))) == len(values)
    assert digest_values(array.copy()) == digest_values(array)
    assert digest_values(array[::-1].copy()) == digest_values(array[::-1])


@pytest.mark.parametrize("task", TASKS)
def test_agreement_is_that_of_the_task(task):
    loaded = load_three_tasks().for_task(task)
    photos = [sample.image for sample in FoundPictures(task, 2).samples]
    expected = []
    for photo in photos:
        predictions = []
        for sparsity in (0.0, 0.2):
            set_sparsity(loaded.module, sparsity)
            with torch.inference_mode():
                output = loaded.module(loaded.prepare(photo))
            predictions.append(loaded.task.interpret(output, photo.shape[:2]))
        expected.append(loaded.task.compare(*predictions)["agreement"])
    set_sparsity(loaded.module, 0.0)
    judge = AgreementJudge(loaded, photos)
    assert judge.score(parse(0.2)) == np.mean(expected)
    assert judge.score(parse(0.0)) == 1 > np.mean(expected) > 0


def test_more_pictures_hold_the_fewer_ones():
    data = Streets(*(make_labels(64, 64) for _ in range(8)))
    small = LabelledJudge(make_loaded(), data, None, 2, seed=3)
    few = set(data.read)
    data.read.clear()
    large = small.enlarge(3)
    assert large.pictures == 6
    assert len(few) == 2
    assert few < set(data.read)
    assert large.key != small.key == LabelledJudge(make_loaded(), data, None, 2, seed=3).key
    assert small.key != LabelledJudge(make_loaded(), data, None, 2, seed=4).key
    assert small.images.shape == (1, 3, 64, 64)


def test_a_judge_needs_something_to_judge_by(tmp_path):
    with pytest.raises(DataError, match="void"):
        LabelledJudge(make_loaded(), Streets(np.full((64, 64), VOID, np.uint8)))
    with pytest.raises(DataError, match="classes"):
        LabelledJudge(make_loaded(), Pictures(make_labels()))
    with pytest.raises(ValueError, match="At least 1"):
        LabelledJudge(make_loaded(), Streets(make_labels()), pictures=0)
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="without truth, so it tells no mIoU"):
        LabelledJudge(make_loaded(), PhotoFolder(tmp_path))
    nothing = FoundPictures("boxes3d", 1)
    sample = nothing[0]
    assert sample.things is not None
    nothing.samples[0] = replace(sample, things=replace(sample.things, things=()))
    with pytest.raises(DataError, match="nothing that is to be found, so there is no 3D AP"):
        LabelledJudge(load_three_tasks().for_task("boxes3d"), nothing).score(parse(0.5))
    with pytest.raises(ImageError, match="no photos"):
        AgreementJudge(make_loaded(), [])


def test_agreement_is_the_mean_over_photos():
    loaded = make_loaded()
    rng = np.random.default_rng(0)
    photos = [rng.integers(0, 255, (64, 96 + 32 * n, 3), dtype=np.uint8) for n in range(2)]
    judge = AgreementJudge(loaded, photos)
    schedule = parse(0.7)
    singles = [AgreementJudge(loaded, [photo]).score(schedule) for photo in photos]
    assert judge.score(schedule) == pytest.approx(np.mean(singles))
    assert 0 < judge.score(schedule) < 1
    assert judge.score(parse(0.0)) == judge.dense_accuracy == 1
    assert judge.enlarge(4) is judge
    few = AgreementJudge(loaded, photos, 64, pictures=1)
    assert few.enlarge(4).pictures == 2
    assert (few.metric, few.data) == ("agreement", "2 photos")
    with pytest.raises(ScheduleError):
        judge.score(SparsitySchedule.parse(0.5, (2, 2)))
    assert replace(loaded, name="x").depths == DEPTHS  # the network itself is as it was
