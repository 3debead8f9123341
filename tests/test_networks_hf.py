"""Hugging Face's networks: from the hub's cache, a folder or a hub, pruned, compared and drawn."""

import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hf_support import (
    KINDS,
    MEAN,
    REVISION,
    STD,
    make_backbone,
    make_classifier,
    make_mask2former,
    make_published,
    make_upernet,
    write_cache,
    write_folder,
)
from hub_support import serve_hub
from huggingface_hub import constants
from transformers import Mask2FormerImageProcessor
from typer.testing import CliRunner

from sparsevit import networks
from sparsevit.cli import cli
from sparsevit.data.segment_map import SegmentMap
from sparsevit.inspect.end_to_end import time_photo
from sparsevit.inspect.photo import analyze, prepare_image
from sparsevit.inspect.sizes import compare_sizes
from sparsevit.measure.cost import count_flops, count_macs
from sparsevit.networks import (
    ModelError,
    download_model,
    hf_list,
    hf_networks,
    list_models,
    load_model,
    needs_download,
)
from sparsevit.patch import host_form
from sparsevit.schedule import SparsitySchedule

LISTED = "hf/facebook/mask2former-swin-tiny-coco-instance"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: Any) -> Any:
    """The hub's cache with one network of each kind; the hub itself is out of reach."""
    folder = tmp_path_factory.mktemp("hub")
    for name, make, _ in KINDS:
        write_cache(folder, name, make())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "HF_HUB_CACHE", str(folder))
        patch.setattr(constants, "HF_HUB_OFFLINE", True)
        patch.setattr(networks, "CHECKPOINT_FOLDER", folder)
        yield folder


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    small = np.random.default_rng(0).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    return cv2.resize(small, (300, 230), interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize(("name", "make", "task"), KINDS, ids=[name for name, _, _ in KINDS])
def test_every_kind_loads_from_the_cache_and_is_compared(
    cache: Path, photo: np.ndarray, name: str, make: Any, task: str
) -> None:
    loaded = load_model(f"hf/{name}")
    assert (loaded.task.name, loaded.revision, loaded.depths) == (task, REVISION, (2, 2, 2, 2))
    assert (loaded.mean, loaded.std) == (MEAN, STD)
    expected = make()
    found = loaded.module.state_dict()
    assert all(torch.equal(found[key], value) for key, value in expected.state_dict().items())
    prepared = prepare_image(loaded, photo, 224)
    assert prepared.input_size == (224, 288)
    with torch.no_grad():
        host = loaded.task.interpret(
            expected(prepared.images, output_hidden_states=True), (224, 288)
        )
    assert loaded.task.compare(host, prepared.dense)["agreement"] > 0.999
    analysis = analyze(loaded, prepared, 0.5)
    agreement = analysis.agreement
    assert next(iter(agreement)) == "agreement"
    assert 0.0 <= agreement["agreement"] < 1.0
    assert analysis.to_dict("a.png")["revision"] == REVISION
    json.dumps(analysis.to_dict("a.png"), allow_nan=False)
    if isinstance(prepared.dense, SegmentMap):
        assert prepared.dense.segments
    again = loaded.task.resize(loaded.task.resize(prepared.dense, (448, 576)), (224, 288))
    assert loaded.task.compare(prepared.dense, again)["agreement"] > 0.9
    for picture in loaded.task.draw_pair(prepared.image, prepared.dense, analysis.sparse):
        assert picture.dtype == np.uint8
        assert not np.array_equal(picture, prepared.image)


def test_semantic_masks_are_the_processor_s_own(cache: Path, photo: np.ndarray) -> None:
    loaded = load_model("hf/some/mask2former-semantic")
    prepared = prepare_image(loaded, photo, 128)
    with torch.no_grad():
        output = make_mask2former()(prepared.images)
    (expected,) = Mask2FormerImageProcessor().post_process_semantic_segmentation(
        output, target_sizes=[prepared.input_size]
    )
    assert (prepared.dense == expected.numpy()).mean() > 0.999


def test_instances_are_the_processor_s_own_and_the_surest_lies_on_top(cache: Path) -> None:
    """Without overlaps the processor's map says the same; with them it depends on the order."""
    read = load_model("hf/some/mask2former-instance").task.read
    output = make_output(classes=[0, 1, 1, 2], columns=[(0, 10), (10, 20), (20, 30), (5, 15)])
    for chance in output.class_queries_logits[0]:
        chance[chance.argmax()] = 6.0
    output.class_queries_logits[0, 3] = torch.tensor([0.0, 0.0, 2.0, 0.0])  # less sure, on top of 2
    output.class_queries_logits[0, 2, 1] = 0.0  # as likely as anything: not sure enough
    found = read(output, (32, 40)).drop_hidden()
    labels = {s.id: s.label for s in found.segments}
    row = [labels.get(int(number)) for number in found.ids[16]]
    assert row == [0] * 10 + [1] * 10 + [None] * 20  # the fourth is hidden by both
    assert read(make_output([3], [(0, 40)]), (32, 40)).segments == ()


def make_output(classes: list[int], columns: list[tuple[int, int]]) -> Any:
    """What Mask2Former outputs for queries that each want some columns of 40; class 3 is none."""
    masks = torch.full((1, len(classes), 32, 40), -20.0)
    logits = torch.zeros(1, len(classes), 4)
    for number, (label, (left, right)) in enumerate(zip(classes, columns, strict=True)):
        masks[0, number, :, left:right] = 20.0
        logits[0, number, label] = 6.0
    return type("Output", (), {"class_queries_logits": logits, "masks_queries_logits": masks})


def test_panoptic_stuff_is_one_segment(cache: Path) -> None:
    task = load_model("hf/some/mask2former-coco").task
    output = make_output([0, 0, 1], [(0, 10), (10, 20), (20, 40)])
    assert [s.label for s in task.interpret(output, (32, 40)).segments] == [0, 0, 1]
    assert hf_networks.find_stuff(("road", *"abcdefghijklmnopqr")) == frozenset(range(11))
    assert not hf_networks.find_stuff(task.class_names)
    fused = task.read.func(task.read.args[0], frozenset({0}), output, (32, 40))
    assert [s.label for s in fused.segments] == [0, 1]
    assert (fused.ids[:, :20] == 1).all()


@pytest.mark.parametrize("repository", list(hf_list.LISTED))
def test_the_table_says_what_the_published_configs_build(repository: str) -> None:
    info = next(i for i in hf_list.list_infos() if i.name == f"hf/{repository}")
    model = make_published(repository)
    assert sum(p.numel() for p in model.parameters()) == hf_list.LISTED[repository].params
    assert model.config.num_labels == info.classes
    assert info.task in ("semantic", "instance", "panoptic")
    assert info.size_mb == pytest.approx(4 * info.params_m, abs=0.3)


def test_the_list_tells_what_is_here(cache: Path) -> None:
    assert needs_download(LISTED)
    assert {i.source for i in list_models() if i.name == LISTED} == {"download"}
    write_cache(cache, LISTED.removeprefix("hf/"), make_mask2former())
    assert not needs_download(LISTED)
    assert list_models()[0].name == LISTED  # what works without a network comes first
    assert load_model(LISTED).task.name == "instance"
    result = CliRunner().invoke(cli, ["models"])
    line = next(line for line in result.stdout.splitlines() if line.startswith(LISTED))
    assert "instance" in line
    assert "cached" in line
    assert "other: see the model page" in line


def test_a_folder_of_save_pretrained_is_a_network(cache: Path, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "mine", make_backbone())
    assert not needs_download(str(folder))
    loaded = load_model(str(folder))
    assert (loaded.task.name, loaded.revision) == ("features", None)
    (folder / "preprocessor_config.json").unlink()
    assert load_model(str(folder)).mean == pytest.approx((0.485, 0.456, 0.406))
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="no other weights are loaded"):
        load_model(str(folder))
    one, two = (load_model(str(folder), random_weights=True, seed=3).module for _ in range(2))
    for key, value in one.state_dict().items():
        assert torch.equal(value, two.state_dict()[key])


def test_timm_gives_features_too() -> None:
    name = "timm/swin_tiny_patch4_window7_224.ms_in1k"
    loaded = load_model(f"{name}:features", random_weights=True)
    assert (loaded.task.name, loaded.depths) == ("features", (2, 2, 6, 2))
    with torch.no_grad():
        features = loaded.task.interpret(loaded.module(torch.randn(1, 3, 64, 96)), (64, 96))
    shapes = [values.shape for values in features.maps]
    assert shapes == [(96, 16, 24), (192, 8, 12), (384, 4, 6), (768, 2, 3)]


def test_a_classifier_forgets_the_sizes_it_saw(cache: Path) -> None:
    """The host's own layers keep a shrunken window and a dropped shift."""
    loaded = load_model("hf/some/classifier")
    images = torch.randn(1, 3, 288, 256)
    with torch.no_grad():
        expected = make_classifier()(images).logits
        loaded.module(torch.randn(1, 3, 224, 224))
        torch.testing.assert_close(loaded.module(images).logits, expected, rtol=1e-4, atol=1e-5)
        with pytest.raises(ValueError, match="224 pixels a side or more, not 128x256"):
            loaded.module(images[:, :, :128])
        torch.testing.assert_close(loaded.module(images).logits, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("make", [make_mask2former, make_upernet])
def test_macs_are_those_counted_while_the_host_computes(tmp_path: Path, make: Any) -> None:
    loaded = load_model(str(write_folder(tmp_path / "mine", make())))
    size = (64, 96)
    dense = SparsitySchedule.parse(0.0, loaded.depths)
    report = count_macs(loaded.module, size, dense, loaded.count_fixed_macs(size))
    with torch.no_grad(), host_form(loaded.module), count_flops() as counter:
        loaded.module(torch.randn(1, 3, *size))
    assert report.dense_gmacs == pytest.approx(counter.get_total_flops() / 2e9, rel=1e-6)


def test_other_uses_of_a_network_take_them(cache: Path, photo: np.ndarray, tmp_path: Path) -> None:
    loaded = load_model("hf/some/mask2former-instance")
    prepared = prepare_image(loaded, photo, 128)
    analysis = analyze(loaded, prepared, 0.5)
    steps = compare_sizes(loaded, photo, analysis, "sparsevit", rounds=1, shares=(1.0, 0.5))
    last = list(steps)[-1]
    assert last.dense[0].agreement == 1.0
    assert last.sparse.agreement == analysis.agreement["agreement"]
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), photo)
    bench = time_photo(loaded, path, analysis.schedule, 64, repeats=1)
    assert bench.input_size == (64, 96)


def test_run_writes_a_result_and_overlays(cache: Path, photo: np.ndarray, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "photo.png"), photo)
    arguments = ["run", str(tmp_path / "photo.png"), "--model", "hf/some/mask2former-coco"]
    arguments += ["--size", "128", "--repeats", "0", "--out", str(tmp_path / "out"), "--json"]
    result = CliRunner().invoke(cli, [*arguments, "--device", "cpu"])
    assert result.exit_code == 0, result.output
    data = json.loads((tmp_path / "out" / "result.json").read_text())
    assert data == json.loads(result.stdout)
    assert data["revision"] == REVISION
    assert set(data["agreement"]) >= {"agreement", "matched"}
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names >= {"dense.png", "sparse.png", "stage1_block1_windows.png"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "hf/facebook/mask2former-swin-tiny-ade-semantic",
            "needs 190 MB from the Hugging Face hub, which cannot be reached; "
            "these work offline: none",
        ),
        ("hf/some/other", "needs weights from the Hugging Face hub, which cannot be reached"),
        ("hf/some/upernet@v2", "some/upernet@v2 needs weights from the Hugging Face hub"),
        ("hf/nameless", "hf/nameless is no hf/ORG/NAME"),
    ],
)
def test_without_a_network_it_is_one_sentence(cache: Path, name: str, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        load_model(name)
    assert "\n" not in str(caught.value)


def test_bad_folders_get_one_sentence(cache: Path, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "mine", make_backbone())
    path = folder / "config.json"
    config = json.loads(path.read_text())
    weights = (folder / "model.safetensors").read_bytes()
    for content, message in (
        (config | {"architectures": ["BertModel"]}, "is of BertModel; of transformers work"),
        (config | {"architectures": None}, "unknown class"),
        (config | {"depths": [2, 2, 4, 2]}, "blocks.2.* is missing"),
        (config | {"embed_dim": 24}, "Cannot load"),
        (config | {"backbone_config": {"model_type": "resnet"}}, "of the kind resnet"),
        ([], "holds no JSON object"),
    ):
        path.write_text(json.dumps(content))
        with pytest.raises(ModelError, match=message) as caught:
            load_model(str(folder))
        assert "\n" not in str(caught.value)
    path.write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(ModelError, match="Cannot load"):
        load_model(str(folder))
    (folder / "model.safetensors").write_bytes(weights)
    (folder / "preprocessor_config.json").write_text('{"image_mean": [1], "image_std": [1]}')
    with pytest.raises(ModelError, match="no mean and std for three colours"):
        load_model(str(folder))
    with pytest.raises(ModelError, match="is a checkpoint itself"):
        load_model(str(folder), checkpoint="weights.safetensors")


def test_without_transformers_it_says_what_to_install(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert LISTED in {info.name for info in list_models()}
    with pytest.raises(ModelError, match=r'needs transformers: pip install "sparsevit\[hf\]"'):
        load_model("hf/some/upernet")


def test_a_download_that_broke_off_goes_on(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "files", make_classifier())
    (folder / "pytorch_model.bin").write_bytes(b"nobody wants this")
    cache = tmp_path / "hub"
    name = "hf/some/network"
    with serve_hub(folder, "some/network", REVISION, cache) as hub:
        hub.mood = 503
        with pytest.raises(ModelError, match="which cannot be reached; these work offline"):
            load_model(name)
        hub.mood = "ends early"
        size = len(hub.files["model.safetensors"]) / 1e6
        with pytest.raises(ModelError) as caught:
            download_model(name)
        assert f"{name} needs {size:.0f} MB from the Hugging Face hub, but the download" in str(
            caught.value
        )
        assert "broke off (try again)" in str(caught.value)
        assert needs_download(name)
        hub.mood = "stumbles"
        hub.asked.clear()
        loaded = load_model(name)
        assert loaded.revision == REVISION
        wanted = [(path, part) for method, path, part in hub.asked if method == "GET"]
        parts = [part for path, part in wanted if path.endswith("/model.safetensors")]
        assert len(parts) == 2
        assert parts[1].startswith("bytes=")  # goes on where it had broken off
        assert not any(path.endswith(".bin") for path, _ in wanted)
        hub.mood = 503  # kept on the disk from now on
        assert not needs_download(name)
        images = torch.randn(1, 3, 224, 224)
        with torch.no_grad():
            got, expected = load_model(name).module(images), make_classifier()(images)
        torch.testing.assert_close(got.logits, expected.logits, rtol=1e-4, atol=1e-5)


def test_a_download_of_several_files_tells_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networks.hub, "_TOLD_EVERY_S", 0.0)
    folder = tmp_path / "files"
    make_classifier().save_pretrained(folder, max_shard_size="100KB")
    sizes = [path.stat().st_size for path in folder.glob("model-*.safetensors")]
    assert len(sizes) > 2
    told: list[tuple[int, int]] = []
    with serve_hub(folder, "some/network", REVISION, tmp_path / "hub"):
        download_model("hf/some/network", lambda *now: told.append(now))
    assert sum(sizes) <= told[-1][0] == told[-1][1]
    assert told[-1][1] <= sum(path.stat().st_size for path in folder.iterdir())
    done = [num_bytes for num_bytes, _ in told]
    assert done == sorted(done)


def test_what_the_hub_has_not_is_named(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "files", make_backbone())
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with serve_hub(folder, "some/network", REVISION, tmp_path / "hub"):
        for name, message in (
            ("hf/some/nothing", "hub has no hf/some/nothing, or it is private"),
            ("hf/some/network@v7", "has no revision v7"),
            ("hf/some/network", "no weights as .safetensors, .*hf/some/network@refs/pr/N"),
        ):
            with pytest.raises(ModelError, match=message) as caught:
                load_model(name)
            assert "\n" not in str(caught.value)


def test_what_cannot_be_pruned_is_refused_before_its_weights_are_fetched(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "files", make_backbone())
    (folder / "config.json").write_text('{"architectures": ["BertModel"]}')
    with serve_hub(folder, "some/network", REVISION, tmp_path / "hub") as hub:
        with pytest.raises(ModelError, match="is of BertModel"):
            download_model("hf/some/network")
        assert not any(path.endswith(".safetensors") for _, path, _ in hub.asked)
