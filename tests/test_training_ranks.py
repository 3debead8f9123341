"""Training by two processes on the CPU, started by ``accelerate launch``."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from training_support import KINDS, KINDS_MODEL, make_batch, make_config

from sparsevit.data.targets import make_targets
from sparsevit.networks.segmenter import load_segmenter
from sparsevit.training import Trainer

TESTS = Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the two processes left."""
    folder = tmp_path_factory.mktemp("ranks")
    make_config(folder)
    torch.manual_seed(0)
    labels = torch.randint(0, 4, (8, 32, 64), dtype=torch.uint8)  # 3 is void
    labels[:2] = 3  # so that the processes do not weigh the same
    pixels = torch.randint(0, 256, (8, 3, 32, 64), dtype=torch.uint8)
    targets: dict[str, torch.Tensor] = {}
    for name, target in make_targets(None, KINDS, (32, 64)).items():
        targets[name] = torch.rand(8, *target.shape)
    targets["heat"][targets["heat"] > 0.95] = 1  # centres, not as many in each half
    torch.save({"pixels": pixels, "labels": labels, **targets}, folder / "given.pt")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launch = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    worker = ["--main_process_port", str(port), str(TESTS / "training_worker.py"), str(folder)]
    paths = os.pathsep.join([str(TESTS.parent), str(TESTS)])
    result = subprocess.run(
        [sys.executable, *launch, *worker],
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return folder


@pytest.fixture(scope="module")
def ranks(folder: Path) -> list[dict[str, Any]]:
    return [torch.load(folder / f"rank{rank}.pt", weights_only=True) for rank in range(2)]


def test_two_processes_found_each_other(ranks: list[dict[str, Any]]) -> None:
    assert [rank["count"] for rank in ranks] == [2, 2]
    assert not torch.equal(ranks[0]["batch"], ranks[1]["batch"])


def test_two_half_batches_have_the_gradient_of_one(
    folder: Path, ranks: list[dict[str, Any]], tmp_path: Path
) -> None:
    given = torch.load(folder / "given.pt", weights_only=True)
    trainer = Trainer(make_config(folder, model=KINDS_MODEL, output=tmp_path / "alone"))
    trainer.close()
    trainer.model.eval()
    loss = sum(trainer.compute_gradients(make_batch(given)).values())
    parameters = list(trainer.model.parameters())
    for rank in ranks:
        assert rank["loss"] == pytest.approx(loss, rel=1e-5)
        for parameter, gradient in zip(parameters, rank["gradients"], strict=True):
            assert parameter.grad is not None
            scale = parameter.grad.abs().max().clamp(min=1e-4).item()
            torch.testing.assert_close(gradient, parameter.grad, rtol=0, atol=1e-4 * scale)


def test_they_stop_together_and_end_with_equal_weights(
    folder: Path, ranks: list[dict[str, Any]]
) -> None:
    assert [rank["stopped"] for rank in ranks] == [(4, 15), (4, 15)]
    assert [rank["reported"] for rank in ranks] == [[5, 6, 7, 8], []]  # only the first one talks
    assert any(ranks[0]["measured"])  # the mIoU, by the first one while the other waits
    for one, other in zip(*(rank["weights"] for rank in ranks), strict=True):
        assert torch.equal(one, other)
    assert load_segmenter(folder / "run" / "model.safetensors")


def test_a_loss_that_is_no_number_stops_all(ranks: list[dict[str, Any]]) -> None:
    assert all("not a number at step 0" in rank["error"] for rank in ranks)
