"""The rival of every sparse run: which forms of the dense network there are, and which counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from torch import Tensor, nn

from sparsevit.core.ranking import Place, Ranking
from sparsevit.core.steering import steer
from sparsevit.patch import host_form, set_sparsity

#: Forms that compute the same without pruning, by name, in words.
DENSE_FORMS = {
    "host default": "the host's own code, its attention not fused",
    "host": "the host's own code, its attention fused",
    "sparsevit": "our blocks, every window",
}


def choose_dense(samples_ms: Mapping[str, Sequence[float]]) -> str:
    """The dense form that counts: the one whose best run is the fastest. Quote its median.

    Other work only ever slows a run down, and never the same runs of every form. So the best of a
    few runs is nearest to what a form takes when nothing disturbs it, where a median says how
    disturbed it was. The median is what may be held against a sparse run's, disturbed alike.

    Args:
        samples_ms: form -> its runs, timed in turn with those of the others; of equals the first
            counts.
    """
    return min(samples_ms, key=lambda form: min(samples_ms[form]))


@contextmanager
def as_dense(model: nn.Module, form: str) -> Iterator[None]:
    """Run a sparsified model without pruning inside the ``with`` block.

    Args:
        model: a sparsified model; its schedule is 0 afterwards if the form is "sparsevit".
        form: one of ``DENSE_FORMS``.
    """
    if form == "sparsevit":
        set_sparsity(model, 0.0)
        yield
    else:
        with host_form(model, fused=form == "host"):
            yield


def make_runs(
    model: nn.Module,
    images: Tensor,
    schedules: Mapping[str, Any],
    forward: Callable[[Tensor], Any] | None = None,
    maps: Mapping[Place, Tensor] | None = None,
) -> dict[str, Callable[[], Any]]:
    """Things to time: each of ``DENSE_FORMS``, and each schedule.

    Args:
        model: a sparsified model in evaluation mode.
        images: (B, 3, img_h, img_w) on the model's device, in its dtype.
        schedules: name -> any form ``model.sparsity`` accepts.
        forward: another way to run our forms, such as the model's CUDA graphs; itself if None.
        maps: of what the schedules keep and skip for certain, see :func:`sparsevit.rank_by`.
    """
    ours = forward or model

    def run_dense(form: str) -> Callable[[], Any]:
        run_form = ours if form == "sparsevit" else model

        def run() -> Any:
            with as_dense(model, form):
                return run_form(images)

        return run

    ranking = Ranking(maps, weight=0) if maps else None  # once: it is no part of what is timed

    def run_at(schedule: Any) -> Callable[[], Any]:
        def run() -> Any:
            set_sparsity(model, schedule)
            with steer(model, ranking) if ranking else nullcontext():
                return ours(images)

        return run

    runs = {form: run_dense(form) for form in DENSE_FORMS}
    return runs | {name: run_at(schedule) for name, schedule in schedules.items()}
