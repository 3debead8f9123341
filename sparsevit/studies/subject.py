"""What a study looks at: a network, pictures with truth, and the ways to run the network."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from sparsevit.data.transforms import Size
from sparsevit.evaluation.headline import name_metric, refuse_photos
from sparsevit.evaluation.scorers import choose_scorer
from sparsevit.evaluation.sources import Pictures
from sparsevit.measure.dense import DENSE_FORMS, as_dense
from sparsevit.networks import LoadedModel, load_model
from sparsevit.networks.own import OwnNetwork
from sparsevit.package.choices import Score
from sparsevit.package.units import Unit, find_unit
from sparsevit.patch import set_sparsity, sparsify
from sparsevit.schedule import SparsitySchedule

#: A forward: (1, 3, img_h, img_w) -> what the network's task reads.
Run = Callable[[Tensor], Any]

#: Told what is done ("scoring", "timing", ...), how many steps of it, and of how many.
Report = Callable[[str, int, int], None]

#: Uniform sparsities that curves are drawn through.
UNIFORM_SPARSITIES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)


class StudyError(ValueError):
    """A study that cannot be made; the message is one sentence that says why."""


@dataclass(frozen=True)
class Subject:
    """A network and the pictures it is measured on.

    Attributes:
        loaded: the network for one task, a copy that studies may set as they like.
        data: pictures with the truth of that task.
        pictures: how many of them are used, spread evenly over the data.
        short_sides: pixels fed to the network; None for a picture's own. Most studies use the first
            alone.
        rounds: timed rounds, >= 1; the median counts.
        seeds: of what is random, one repetition for each.
        report: told of progress.
    """

    loaded: LoadedModel
    data: Pictures
    pictures: int
    short_sides: tuple[int | None, ...] = (None,)
    rounds: int = 10
    seeds: tuple[int, ...] = (0, 1, 2)
    report: Report = lambda phase, done, total: None

    @property
    def metric(self) -> str:
        """What accuracy is: "mIoU", "mask AP", "3D AP" or "PSNR"."""
        return name_metric(self.loaded.task)

    @property
    def unit(self) -> Unit:
        """What accuracies are counted in."""
        return find_unit(self.metric)

    @property
    def model(self) -> nn.Module:
        """The network, sparsified and in evaluation mode."""
        return self.loaded.module

    @property
    def short_side(self) -> int | None:
        """Of the studies that know one size only."""
        return self.short_sides[0]

    def prepare(self, image: np.ndarray, short_side: int | None) -> Tensor:
        """(1, 3, img_h, img_w) float32 on the network's device, of an HWC uint8 RGB picture."""
        return self.loaded.prepare(image, short_side, max_pixels=None)

    def find_input_size(self, short_side: int | None) -> Size:
        """(img_h, img_w) pixels that the first picture is fed at."""
        height, width = self.prepare(self.data[0].image, short_side).shape[-2:]
        return height, width

    def list_indices(self) -> list[int]:
        """The pictures to measure on."""
        return [number * len(self.data) // self.pictures for number in range(self.pictures)]


def make_subject(
    loaded: LoadedModel,
    data: Pictures,
    *,
    pictures: int,
    short_sides: tuple[int | None, ...] = (None,),
    rounds: int = 10,
    seeds: tuple[int, ...] = (0, 1, 2),
    report: Report = lambda phase, done, total: None,
) -> Subject:
    """Check and gather what a study needs; the network is copied, so it stays as it was.

    Args:
        loaded: a network of ours, for one task.
        data, pictures, short_sides, rounds, seeds, report: see :class:`Subject`; with fewer
            pictures in the data all of them are used.

    Raises:
        DataError: the data has other classes than the network, or no truth of its task.
        StudyError: another network, a task that has no truth, or too few pictures, rounds or seeds.
    """
    refuse_others(loaded)
    if loaded.task.name == "enhancement":
        raise StudyError("A study needs the truth, which only the task restoration knows.")
    refuse_photos(loaded.task, data)
    choose_scorer(loaded.task, data, loaded.device)
    pictures = min(pictures, len(data))
    if pictures < 2 or rounds < 1 or not seeds:
        raise StudyError(
            "A study needs at least two pictures, so that it can say how sure it is, "
            "one timed round and one seed."
        )
    copy = replace(loaded, module=sparsify(deepcopy(loaded.module), 0.0).eval())
    return Subject(
        loaded=copy,
        data=data,
        pictures=pictures,
        short_sides=short_sides,
        rounds=rounds,
        seeds=seeds,
        report=report,
    )


def refuse_others(loaded: LoadedModel) -> None:
    """Raise StudyError unless the network is of our own kind."""
    if not isinstance(loaded.module, OwnNetwork):
        raise StudyError(f"{loaded.name} is no network of ours, which are what studies look at.")


def load_rival(subject: Subject, path: Path) -> LoadedModel:
    """Another network for the subject's pictures, on the subject's device.

    Raises:
        ModelError: the file cannot be loaded, or cannot do the subject's task.
        DataError: its classes are others.
    """
    task = subject.loaded.task.name
    rival = load_model(str(path), device=subject.loaded.device, task=task)
    return make_subject(rival, subject.data, pictures=2).loaded


@dataclass(frozen=True)
class Variant:
    """One way to run a network.

    Attributes:
        name: in words; no two of a study share it.
        group: what it is compared as: its curve.
        run: the forward.
        note: what tells it from the others of its group, in a word or two.
        short_side: pixels fed; None for a picture's own.
        schedule: layerwise sparsities, where there are any.
        rivals: other forwards that compute the same; the fastest counts.
    """

    name: str
    group: str
    run: Run
    note: str = ""
    short_side: int | None = None
    schedule: SparsitySchedule | None = None
    rivals: tuple[Run, ...] = ()


def make_dense(
    loaded: LoadedModel, name: str, group: str, note: str = "", short_side: int | None = None
) -> Variant:
    """The network without pruning, in its fastest form: our blocks or the host's own.

    Args:
        loaded: the network.
        name, group, note, short_side: see :class:`Variant`.
    """

    def run_form(form: str) -> Run:
        def run(images: Tensor) -> Any:
            with as_dense(loaded.module, form):
                return loaded.module(images)

        return run

    dense = make_pruned(loaded, 0.0, name, group, note, short_side)
    return replace(dense, rivals=tuple(run_form(f) for f in DENSE_FORMS if f != "sparsevit"))


def make_pruned(
    loaded: LoadedModel,
    sparsity: float | SparsitySchedule,
    name: str,
    group: str,
    note: str = "",
    short_side: int | None = None,
) -> Variant:
    """The network with windows pruned.

    Args:
        loaded: the network.
        sparsity: one number for all pairs, or a schedule.
        name, group, note, short_side: see :class:`Variant`.

    Raises:
        ScheduleError: an impossible schedule.
    """
    schedule = SparsitySchedule.parse(sparsity, loaded.depths).check_linked()

    def run(images: Tensor) -> Any:
        set_sparsity(loaded.module, schedule)
        return loaded.module(images)

    return Variant(name, group, run, note, short_side, schedule)


def make_ranked(
    loaded: LoadedModel,
    sparsity: float | SparsitySchedule,
    name: str,
    group: str,
    *,
    score: Score | None = None,
    rescore: bool = False,
    seed: int = 0,
    note: str = "",
    short_side: int | None = None,
) -> Variant:
    """The network with windows pruned by a score of choice; not for timing.

    The options of ranking stay in force after its run, so all variants of a study are made by this
    function or none.

    Args:
        loaded: the network.
        sparsity: one number for all pairs, or a schedule.
        name, group, note, short_side: see :class:`Variant`.
        score: by default the one that the network was trained with.
        rescore, seed: see :func:`sparsevit.sparsify`.
    """
    schedule = SparsitySchedule.parse(sparsity, loaded.depths)
    score = score or loaded.score

    def run(images: Tensor) -> Any:
        sparsify(loaded.module, schedule, score=score, rescore=rescore, seed=seed)
        return loaded.module(images)

    return Variant(name, group, run, note, short_side, schedule)
