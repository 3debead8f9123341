"""The folder of a run: the state to resume from, the checkpoint and the log."""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from sparsevit.networks.checkpoint import save_checkpoint
from sparsevit.networks.own import OwnNetwork
from sparsevit.training.config import LOSSES, TrainingError

STATE_FILE = "state.pt"
MODEL_FILE = "model.safetensors"
DENSE_FILE = "dense.safetensors"
LOG_FILE = "log.csv"

_COLUMNS = (
    *("step", "fraction", "elapsed_s", "loss", *LOSSES, "distillation"),
    *("images_per_s", "schedule"),
)


class RunFolder:
    """Reads and writes the files of one run; each is replaced as a whole or not at all."""

    def __init__(self, path: Path, run: str, metric: str = "miou") -> None:
        """Nothing is read or written yet.

        Args:
            path: the folder.
            run: the run's settings as JSON, of :meth:`TrainConfig.describe_run`.
            metric: the last column of the log.
        """
        self.path = path
        self.model_path = path / MODEL_FILE
        self.dense_path = path / DENSE_FILE
        self._state_path = path / STATE_FILE
        self._log_path = path / LOG_FILE
        self._run = run
        self.columns = (*_COLUMNS, metric)

    def create(self) -> None:
        """Make the folder, and find out now whether it can be written to.

        Raises:
            TrainingError: it cannot.
        """
        with self._explain_failure():
            self.path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.path):
                pass

    def clear(self) -> None:
        """Remove what a run that was here before left beside its state: it is not of this run.

        Raises:
            TrainingError: it cannot be removed.
        """
        with self._explain_failure():
            for path in (self._log_path, self.dense_path):
                path.unlink(missing_ok=True)

    def read_state(self) -> dict[str, Any] | None:
        """The state of the last save, on the CPU; None if there is none.

        Raises:
            TrainingError: it cannot be read, or belongs to a run with other settings.
        """
        path = self._state_path
        if not path.exists():
            return None
        try:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            before = json.loads(state["run"])
        except Exception as error:  # torch.load raises many kinds
            raise TrainingError(f"Cannot read {path}; delete it to start again.") from error
        changes = _list_changes(before, json.loads(self._run))
        if changes:
            raise TrainingError(
                f"{path} belongs to a run with other settings ({changes}); give those, use another "
                f"folder, or delete it to start again."
            )
        return state

    def save(self, state: dict[str, Any], averaged: OwnNetwork, info: dict[str, str]) -> None:
        """Write the state and the checkpoint.

        Args:
            state: tensors and plain values.
            averaged: the network to ship.
            info: notes for the checkpoint.

        Raises:
            TrainingError: the disk is full or the folder cannot be written; what was there stays.
        """
        partial = self._state_path.with_suffix(".partial")
        with self._explain_failure():
            try:
                with partial.open("wb") as file:
                    torch.save({**state, "run": self._run}, file)
                    file.flush()
                    os.fsync(file.fileno())
                partial.replace(self._state_path)
                save_checkpoint(averaged, averaged.config, self.model_path, info)
            finally:
                partial.unlink(missing_ok=True)
                self.model_path.with_name(f"{MODEL_FILE}.partial").unlink(missing_ok=True)

    def save_dense(self, averaged: OwnNetwork, info: dict[str, str]) -> None:
        """Write the network as the dense part leaves it.

        Raises:
            TrainingError: as :meth:`save`.
        """
        with self._explain_failure():
            save_checkpoint(averaged, averaged.config, self.dense_path, info)

    def cut_log(self, step: int) -> None:
        """Forget what was logged after ``step``: those steps will be trained again."""
        if self._log_path.exists():
            with self._explain_failure():
                with self._log_path.open(newline="", encoding="utf-8") as file:
                    rows = [row for row in csv.DictReader(file) if int(row["step"]) <= step]
                self._write_log("w", rows, with_header=True)

    def log(self, row: dict[str, Any]) -> None:
        """Append a line to the log.

        Args:
            row: a value for each of ``columns``.

        Raises:
            TrainingError: it cannot be written.
        """
        is_new = not self._log_path.exists()
        with self._explain_failure():
            self._write_log("a", [row], with_header=is_new)

    def _write_log(self, mode: str, rows: list[dict[str, Any]], with_header: bool) -> None:
        with self._log_path.open(mode, newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.columns, extrasaction="ignore")
            if with_header:
                writer.writeheader()
            writer.writerows(rows)

    @contextmanager
    def _explain_failure(self) -> Iterator[None]:
        try:
            yield
        except (OSError, RuntimeError, SafetensorError) as error:  # torch wraps some of them
            kept = ""
            if self._state_path.exists():
                kept = " The last save is intact, and the same command goes on from it."
            raise TrainingError(
                f"Cannot write to {self.path}: {_find_reason(error)}.{kept}"
            ) from error


def _find_reason(error: BaseException) -> str:
    """What the operating system said, where torch wrapped it in an error of its own."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__context__
    return str(error).splitlines()[0]


def _list_changes(before: dict[str, Any], now: dict[str, Any]) -> str:
    """The settings that differ, with their values where these are short."""
    changes = []
    for name in sorted(before.keys() | now.keys()):
        old, new = (json.dumps(run.get(name)) for run in (before, now))
        if old != new:
            is_short = len(old) + len(new) <= 60
            changes.append(f"{name} was {old}, is {new}" if is_short else name)
    return "; ".join(changes)
