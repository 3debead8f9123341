"""What a step may learn beside classes: things, the dense output."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from training_support import MODEL, Recorder, make_config, read_log

from sparsevit.core.stage import runs_as_host
from sparsevit.data.batches import Phase
from sparsevit.data.classes import STREET_CLASSES
from sparsevit.data.kinds import STREET_KINDS
from sparsevit.data.streets import write_scenes
from sparsevit.training import TrainConfig, Trainer, train


@pytest.fixture
def config(tmp_path: Path) -> TrainConfig:
    return make_config(tmp_path)


def test_things_are_learned_beside_classes(config: TrainConfig, tmp_path: Path) -> None:
    """Two scenes, again and again: every loss falls, and so it does where no box is known."""
    write_scenes(tmp_path / "scenes", 7, 2, 128, 256)
    classes, kinds = STREET_CLASSES, STREET_KINDS
    model = replace(
        MODEL,
        class_names=classes.names,
        palette=classes.palette,
        kinds=kinds.names,
        kind_classes=kinds.classes,
        kind_sizes=kinds.sizes,
        drop_path_rate=0.0,
    )
    report = Recorder()
    train(
        replace(
            config,
            data=((str(tmp_path / "scenes"), 1.0),),
            holdout=(),
            model=model,
            phases=(Phase(1.0, 2, (128, 256), (1.0, 1.0)),),
            steps=24,
            adaptation=0.0,
            loss_weights=(("boxes", 0.5),),
        ),
        report,
        show_bar=False,
    )
    first, last = report.seen[:4], report.seen[-4:]
    for name in ("classes", "centres", "offsets", "boxes"):
        before, after = (sum(progress.losses[name] for progress in part) for part in (first, last))
        assert after < 0.95 * before, name
    assert last[0].loss == pytest.approx(sum(last[0].losses.values()))
    assert float(read_log(config)[-1]["boxes"]) > 0


def test_a_share_of_the_sparse_steps_learns_from_dense_too(config: TrainConfig) -> None:
    report = Recorder()
    train(replace(config, steps=20, adaptation=0.5, distillation=0.5), report, show_bar=False)
    distilled = ["distillation" in progress.losses for progress in report.seen]
    assert not any(distilled[:10])
    assert 2 <= sum(distilled[10:]) <= 8
    with_dense = replace(config, steps=20, adaptation=0.5, distillation=1.0)
    trainer = Trainer(replace(with_dense, output=config.output / "x"))
    calls: list[bool] = []
    trainer.model.register_forward_pre_hook(lambda *_: calls.append(runs_as_host()))
    trainer.run_step(0.9)
    trainer.close()
    assert calls == [True, False]
