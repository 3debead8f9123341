"""Names, files and errors of the networks; nothing here reaches a network."""

import copy
import pickle
import shutil
from dataclasses import replace

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

import sparsevit
from sparsevit import networks
from sparsevit.inspect.photo import analyze, measure, prepare_image
from sparsevit.networks import ModelError, list_models, load_model, timm_list
from sparsevit.networks import loaded as loaded_module
from sparsevit.networks.segmenter import Segmenter, SegmenterConfig, save_segmenter
from sparsevit.patch import densify

TIMM = "swin_tiny_patch4_window7_224"


def list_pretrained():
    """Those of timm's networks that can be sparsified."""
    return timm.list_pretrained(["swin_*", "swinv2_*", "tiny_vit_*", "samvit_*", "maxvit_*"])


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    monkeypatch.setattr(networks, "CHECKPOINT_FOLDER", folder)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return folder


@pytest.fixture
def small(_own_folder):
    config = SegmenterConfig(
        class_names=("sky", "road", "car"),
        palette=((0, 0, 255), (90, 90, 90), (255, 0, 0)),
        embed_dim=12,
        depths=(2, 2, 2, 2),
        num_heads=(1, 2, 4, 8),
        head_dim=16,
    )
    torch.manual_seed(1)
    path = _own_folder / "small.safetensors"
    save_segmenter(Segmenter(config), path)
    return path


def test_own_checkpoints_come_first_and_work_offline(small):
    infos = list_models()
    assert (infos[0].name, infos[0].task, infos[0].source) == ("small", "semantic", "offline")
    assert infos[0].classes == 3
    names = {info.name for info in infos[1:] if info.name.startswith("timm/")}
    assert names == {f"timm/{name}" for name in list_pretrained()}
    tiny = next(info for info in infos if info.name == f"timm/{TIMM}.ms_in1k")
    assert tiny.params_m == pytest.approx(28.3, abs=0.1)  # timm's results table


# A MaxViT takes seconds to build, even without weights: two stand for all.
BUILT = [name for name in timm_list.NETWORKS if "maxvit" not in name]
BUILT += ["maxvit_rmlp_pico_rw_256", "maxvit_nano_rw_256"]


@pytest.mark.parametrize("architecture", BUILT)
def test_parameter_table_is_what_timm_builds(architecture):
    with torch.device("meta"):
        model = timm.create_model(architecture, num_classes=0)
    count = sum(parameter.numel() for parameter in model.parameters())
    assert timm_list.NETWORKS[architecture][:2] == (count, model.num_features)


def test_table_is_timm_s_own_list():
    infos = {info.name: info for info in timm_list.list_infos()}
    for name in list_pretrained():
        config = timm.models.get_pretrained_cfg(name)
        info = infos.pop(config.hf_hub_id)  # where the weights are looked for
        assert timm_list.is_known(name)
        assert (info.classes, info.licence) == (config.num_classes, config.license)
    assert not infos


def test_an_unreadable_checkpoint_is_left_out_of_the_list(small):
    small.with_name("broken.safetensors").write_bytes(b"rubbish")
    assert [info.name for info in list_models() if info.source == "offline"] == ["small"]


@pytest.mark.parametrize("by_path", [False, True])
def test_loads_by_name_and_by_path(small, by_path):
    loaded = load_model(str(small) if by_path else "small")
    assert sparsevit.is_sparse(loaded.module)
    assert loaded.depths == (2, 2, 2, 2)
    assert loaded.task.class_names == ("sky", "road", "car")
    assert not loaded.module.training


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet50", "no model named 'resnet50'"),
        ("nowhere.safetensors", "no checkpoint file at nowhere.safetensors"),
        ("weights.pth", "may hold code"),
        ("timm/swin_tiny_patch4_window7_224.no_such_tag", "no_such_tag"),
        (f"timm/{TIMM}.ms_in1k", r"needs 113 MB .* these work offline: small"),
    ],
)
def test_bad_names_get_one_sentence(small, name, message):
    with pytest.raises(ModelError, match=message) as caught:
        load_model(name)
    assert "\n" not in str(caught.value)


def test_unknown_device_is_named(small):
    with pytest.raises(ModelError, match="device warp"):
        load_model("small", device="warp")


@pytest.mark.parametrize(
    ("name", "options", "size"),
    [
        (TIMM, {"img_size": (224, 256)}, (224, 256)),
        ("swinv2_tiny_window8_256", {"img_size": (96, 128)}, (96, 128)),
        ("swinv2_cr_tiny_ns_224", {"img_size": (96, 128)}, (96, 128)),
        ("tiny_vit_5m_224", {}, (96, 128)),
        ("maxvit_rmlp_pico_rw_256", {}, (256, 256)),
    ],
)
def test_timm_with_a_checkpoint_gives_timms_own_output(tmp_path, name, options, size):
    torch.manual_seed(3)
    host = timm.create_model(name, **options).eval()
    path = tmp_path / "weights.safetensors"
    save_file(host.state_dict(), path)
    images = torch.randn(1, 3, *size)
    loaded = load_model(f"timm/{name}", checkpoint=path)
    with torch.no_grad():
        torch.testing.assert_close(loaded.module(images), host(images), rtol=1e-5, atol=1e-5)
    torch.save({"state_dict": host.state_dict()}, tmp_path / "weights.pth")
    again = load_model(f"timm/{name}", checkpoint=tmp_path / "weights.pth")
    for key, value in again.module.state_dict().items():
        assert torch.equal(value, host.state_dict()[key])


@pytest.mark.parametrize("with_head", [True, False], ids=["with a head", "without"])
def test_a_checkpoint_serves_for_features_with_or_without_a_head(tmp_path, with_head):
    """A converted detector's backbone has none."""
    options = {} if with_head else {"num_classes": 0}
    host = timm.create_model(TIMM, **options).eval()
    path = tmp_path / "weights.safetensors"
    save_file(host.state_dict(), path)
    images = torch.randn(1, 3, 224, 224)
    loaded = load_model(f"{TIMM}:features", checkpoint=path)
    with torch.no_grad():
        expected = host.forward_intermediates(images, intermediates_only=True)
        for ours, theirs in zip(loaded.module(images), expected, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_sam_gives_the_map_it_is_made_for():
    loaded = load_model("timm/samvit_base_patch16.sa1b", random_weights=True)
    host = densify(copy.deepcopy(loaded.module)).network
    images = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        (features,) = loaded.task.interpret(loaded.module(images), (64, 96)).maps
        expected = host.forward_features(images)
    assert loaded.task.name == "features"
    assert features.shape == (256, 4, 6)
    torch.testing.assert_close(torch.as_tensor(features), expected[0])


def test_maxvit_is_given_whole_windows():
    """Of the photo's shape as far as that goes: its windows are a 32nd of what it is made for."""
    loaded = load_model("timm/maxvit_rmlp_pico_rw_256.sw_in1k", random_weights=True)
    prepared = prepare_image(loaded, np.zeros((300, 500, 3), np.uint8))
    assert prepared.input_size == (256, 512)


class _Bomb:
    def __reduce__(self):
        return (open, ("bombed", "w"))


def test_bad_checkpoints_for_timm_run_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "code.pth").write_bytes(pickle.dumps(_Bomb()))
    (tmp_path / "cut.safetensors").write_bytes(b"\x40\x00\x00\x00\x00\x00\x00\x00{")
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    for name, message in [
        ("code.pth", "holds code"),
        ("cut.safetensors", "cut short"),
        ("none.pth", "no checkpoint file"),
        ("other.safetensors", "do not fit"),
    ]:
        with pytest.raises(ModelError, match=message) as caught:
            load_model(TIMM, checkpoint=tmp_path / name)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "bombed").exists()


def test_random_weights_depend_on_the_seed_alone():
    state = torch.get_rng_state()
    one = load_model(TIMM, random_weights=True, seed=5).module.state_dict()
    two = load_model(TIMM, random_weights=True, seed=5).module.state_dict()
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_a_photo_becomes_the_input_of_its_network(small):
    loaded = replace(load_model("small"), multiple=80, mean=(0.5, 0.25, 0), std=(0.5, 1, 2))
    photo = np.full((90, 120, 3), 51, np.uint8)  # a fifth of white
    assert loaded.choose_size(photo) == (80, 160)
    assert loaded.choose_size(photo, 40) == (80, 80)
    assert loaded.choose_size(photo, 6000)[0] < 3600 <= loaded.choose_size(photo, 3600, None)[0]
    images = loaded.prepare(photo)
    assert (images.shape, images.dtype) == ((1, 3, 80, 160), torch.float32)
    assert images[0].amin((1, 2)).tolist() == pytest.approx([-0.6, -0.05, 0.1])
    assert images[0].amax((1, 2)).tolist() == pytest.approx([-0.6, -0.05, 0.1])
    loaded.module.to(torch.bfloat16)
    assert loaded.prepare(photo).dtype == torch.bfloat16


def test_arithmetic_is_counted_once_for_the_latest_sizes(small, monkeypatch):
    counted = []
    monkeypatch.setattr(
        loaded_module, "count_fixed_macs", lambda _, size: counted.append(size) or 7
    )
    monkeypatch.setattr(loaded_module, "_MOST_SIZES", 2)
    loaded = load_model("small")
    sizes = [(64, 64), (64, 64), (64, 96), (64, 128), (64, 96), (64, 64)]
    assert [loaded.count_fixed_macs(size) for size in sizes] == [7] * 6
    assert counted == [(64, 64), (64, 96), (64, 128), (64, 64)]


def test_analysis_end_to_end(small):
    loaded = load_model("small")
    image = np.random.default_rng(0).integers(0, 255, (150, 260, 3), dtype=np.uint8)
    prepared = prepare_image(loaded, image, 128)
    assert prepared.input_size == (128, 224)
    dense = analyze(loaded, prepared, 0.0)
    assert dense.agreement["agreement"] == 1.0
    analysis = measure(loaded, analyze(loaded, prepared, 0.5), repeats=1)
    result = analysis.to_dict("a.png")
    assert result["input_size"] == [128, 224]
    assert result["schedule"] == [[0.5]] * 4
    first = result["blocks"][0]
    assert (first["grid"], first["total"], first["kept"]) == ([4, 7], 28, 14)
    assert len(result["blocks"]) == 8
    assert result["speedup"] == result["latency_ms"]["dense"] / result["latency_ms"]["sparse"]
    assert result["gmacs"]["sparse"] < result["gmacs"]["dense"]
    assert analysis.windows == (
        sum(b["kept"] for b in result["blocks"]),
        sum(b["total"] for b in result["blocks"]),
    )


def test_analysis_refuses_a_picture_of_another_network(small):
    shutil.copy(small, small.with_name("other.safetensors"))
    loaded, other = load_model("small"), load_model("other")
    prepared = prepare_image(loaded, np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(ValueError, match="prepared for small"):
        analyze(other, prepared, 0.5)
