"""The networks a run can train, and the checkpoints it can start from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from training_support import CLASSES, MODEL, PALETTE, make_config

from sparsevit.data.classes import STREET_CLASSES, ClassList
from sparsevit.networks.segmenter import (
    CheckpointError,
    Segmenter,
    load_segmenter,
    save_segmenter,
)
from sparsevit.training import (
    TrainConfig,
    Trainer,
    choose_network,
    nano_config,
)
from sparsevit.training.networks import load_start


@pytest.fixture
def config(tmp_path: Path) -> TrainConfig:
    return make_config(tmp_path)


def test_networks_have_their_sizes_and_the_classes_asked_for() -> None:
    classes = ClassList(CLASSES, PALETTE)
    nano, start = choose_network("nano", classes)
    assert start is None
    assert (nano.class_names, nano.palette) == (CLASSES, PALETTE)
    assert nano_config() == choose_network("nano", STREET_CLASSES)[0]
    tiny, _ = choose_network("tiny", classes)
    for config, millions in ((nano, 7), (tiny, 28)):
        with torch.device("meta"):
            count = sum(parameter.numel() for parameter in Segmenter(config).parameters())
        assert count / 1e6 == pytest.approx(millions, abs=0.5)


def test_a_run_starts_from_a_checkpoint_s_weights(config: TrainConfig, tmp_path: Path) -> None:
    path = tmp_path / "start.safetensors"
    save_segmenter(Segmenter(MODEL), path)
    weights = load_segmenter(path).state_dict()
    network, start = choose_network(str(path), ClassList(CLASSES, PALETTE))
    assert (network, start) == (MODEL, path)
    said: list[str] = []
    trainer = Trainer(replace(config, model=network, start=start), say=said.append)
    trainer.close()
    assert all(torch.equal(v, weights[n]) for n, v in trainer.model.state_dict().items())
    assert all(torch.equal(v, weights[n]) for n, v in trainer.average.weights.items())
    assert not any("classifier" in line for line in said)


def test_other_classes_take_all_but_the_classifier(config: TrainConfig, tmp_path: Path) -> None:
    path = tmp_path / "start.safetensors"
    other = replace(MODEL, class_names=("x", "y"), palette=MODEL.palette[:2])
    save_segmenter(Segmenter(other), path)
    weights = load_segmenter(path).state_dict()
    network, start = choose_network(str(path), ClassList(CLASSES, PALETTE))
    said: list[str] = []
    trainer = Trainer(replace(config, model=network, start=start), say=said.append)
    trainer.close()
    new = [n for n, v in trainer.model.state_dict().items() if not torch.equal(v, weights[n])]
    assert new == ["classifier.weight", "classifier.bias"]
    assert any("classifier starts anew" in line for line in said)


def test_checkpoints_that_no_run_can_start_from(tmp_path: Path) -> None:
    classes = ClassList(CLASSES, PALETTE)
    with pytest.raises(CheckpointError, match="no network 'swin_huge' to train; there are nano"):
        choose_network("swin_huge", classes)
    with pytest.raises(CheckpointError, match="no checkpoint file"):
        choose_network(str(tmp_path / "none.safetensors"), classes)
    path = tmp_path / "broken.safetensors"
    path.write_bytes(b"rubbish")
    with pytest.raises(CheckpointError, match="not a safetensors file"):
        choose_network(str(path), classes)
    save_segmenter(Segmenter(MODEL), path)
    with pytest.raises(CheckpointError, match="another architecture: its window_size is 4, and"):
        load_start(Segmenter(replace(MODEL, window_size=8)), path)
