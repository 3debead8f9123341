"""Endpoints that run a network on a photo."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from app.api.base import Programs, check_side
from app.engine.search import make_storage, read_search
from sparsevit.draw.masks import draw_compute_map, draw_pruned_windows, draw_score_map
from sparsevit.inspect.sizes import SizePoint
from sparsevit.networks import ModelError
from sparsevit.schedule import ScheduleError


class RunApi(Programs):
    """Each of its methods is an endpoint of the same name."""

    def models(self) -> list[dict[str, Any]]:
        """The networks that can be chosen.

        Returns:
            For each: name, task (its first), classes, params_m (millions), size_mb, licence,
            source, tasks (all of them).
        """
        return [vars(info) for info in self._engine.list_models()]

    def analyze(
        self,
        photo: str,
        model: str,
        short_side: int,
        sparsity: str,
        task: str = "",
        focal_mm: float = 0,
        painted: str = "",
    ) -> dict[str, Any]:
        """Prune the windows of a network on a photo, compare with dense, and time both.

        Args:
            photo: an uploaded picture.
            model: a name that the endpoint models lists.
            short_side: pixels of the shorter side fed to the network; 0 for the photo's own.
            sparsity: share pruned: below 1, JSON per stage or pair, or a preset as paper-35ms.
            task: one of the network's tasks, which the endpoint models lists; empty for its first.
            focal_mm: of the lens, in terms of 35 mm film, for 3D boxes; 0 for what the photo tells.
            painted: windows kept and skipped by hand, as in a link of the page; empty for none.

        Returns:
            Windows kept by every block, agreement with dense, GMACs, latency and speed-up, as
            ``result.json`` of the command line. "rescore" is whether every block ranks its windows
            anew, as on the page without "link inside a stage"; "doubt" says why the speed-up is not
            worth quoting, and is null if it is: "other_load" is what other programs took of the
            CPUs. "note" says what was done otherwise than asked, as where a photo's own size is too
            large, and is null if nothing was. Of restored photos "accuracy" has psnr (dB) and ssim
            against the original of "base" (bicubic), "dense" and "sparse"; their agreement is PSNR
            of sparse against dense, in dB.
        """
        try:
            chosen = model, short_side, sparsity, task, focal_mm, painted
            result = self._measure(self._run(photo, *chosen))
        except Exception as error:
            raise self._refuse(error) from None
        return result.to_dict()

    def draw_windows(
        self,
        photo: str,
        model: str,
        short_side: int,
        sparsity: str,
        block: int,
        view: str,
        task: str = "",
        painted: str = "",
    ) -> np.ndarray:
        """Draw which windows of a photo one block computes and which it skips.

        Args:
            photo: an uploaded picture.
            model: a name that the endpoint models lists.
            short_side: pixels of the shorter side fed to the network; 0 for the photo's own.
            sparsity: share pruned: below 1, JSON per stage or pair, or a preset as paper-35ms.
            block: number of the block, from 0 in network order.
            view: "pruned" (skipped windows dark), "scores" or "worth" (colours), "compute" (all).
            task: one of the network's tasks, which the endpoint models lists; empty for its first.
            painted: windows kept and skipped by hand, as in a link of the page; empty for none.

        Returns:
            The picture.
        """
        try:
            result = self._run(photo, model, short_side, sparsity, task, painted=painted)
            blocks, image = result.analysis.blocks, result.analysis.prepared.image
            if not 0 <= block < len(blocks):
                raise ScheduleError(f"block must be 0 to {len(blocks) - 1}, got {block}.")
            if view == "compute":
                return draw_compute_map(image, blocks)
            if view == "worth":
                worth = self._engine.measure_worth(result)[block].worth
                return draw_score_map(image, replace(blocks[block], scores=worth[None]))
            draw = {"pruned": draw_pruned_windows, "scores": draw_score_map}.get(view)
            if draw is None:
                raise ScheduleError(f'view must be pruned, scores, worth or compute, got "{view}".')
            return draw(image, blocks[block])
        except Exception as error:
            raise self._refuse(error) from None

    def draw_outputs(
        self,
        photo: str,
        model: str,
        short_side: int,
        sparsity: str,
        task: str = "",
        focal_mm: float = 0,
    ) -> np.ndarray:
        """Draw what the pruned network answers, over the photo.

        Args:
            photo: an uploaded picture.
            model: a name that the endpoint models lists.
            short_side: pixels of the shorter side fed to the network; 0 for the photo's own.
            sparsity: share pruned: below 1, JSON per stage or pair, or a preset as paper-35ms.
            task: one of the network's tasks, which the endpoint models lists; empty for its first.
            focal_mm: of the lens, in terms of 35 mm film, for 3D boxes; 0 for what the photo tells.

        Returns:
            The picture: class colours, instances, 3D boxes, or bars of the likeliest classes over
            the photo; what a restorer makes is the picture itself, in its own size.
        """
        try:
            result = self._run(photo, model, short_side, sparsity, task, focal_mm)
            if result.restored is not None:
                return result.restored.sparse
            return result.task.draw(result.analysis.prepared.image, result.analysis.sparse)
        except Exception as error:
            raise self._refuse(error) from None

    def compare_sizes(
        self,
        photo: str,
        model: str,
        short_side: int,
        sparsity: str,
        task: str = "",
        focal_mm: float = 0,
    ) -> dict[str, Any]:
        """Hold a pruned network at full size against the dense one at lower resolutions.

        Args:
            photo: an uploaded picture.
            model: a name that the endpoint models lists.
            short_side: pixels of the shorter side fed to the network; 0 for the photo's own.
            sparsity: share pruned: below 1, JSON per stage or pair, or a preset as paper-35ms.
            task: one of the network's tasks, which the endpoint models lists; empty for its first.
            focal_mm: of the lens, in terms of 35 mm film, for 3D boxes; 0 for what the photo tells.

        Returns:
            ``{"sparse": point, "dense": [point, ...], "device", "doubt"}``; a point has size,
            latency_ms and agreement with the dense network at the largest size. "doubt" says why
            the latencies are not worth quoting, and is null if they are. Refused for restored
            photos: a smaller photo is another one to restore.
        """
        try:
            result = self._run(photo, model, short_side, sparsity, task, focal_mm)
            if result.restored is not None:
                raise ModelError(
                    "A smaller photo is another one to restore; there is no comparison."
                )
            *_, comparison = self._engine.compare_sizes(result, self._engine.config.compare_rounds)
        except Exception as error:
            raise self._refuse(error) from None
        return {
            "sparse": _describe_point(comparison.sparse),
            "dense": [_describe_point(point) for point in comparison.dense],
            "device": result.analysis.device,
            "doubt": comparison.doubt,
        }

    def search(
        self,
        photo: str,
        model: str,
        short_side: int,
        budget: str,
        trials: int,
        seed: int,
        task: str = "",
    ) -> dict[str, Any]:
        """Find the sparsities that keep most of a network's output on a photo in less time.

        Takes a minute or more: every trial runs the network.

        Args:
            photo: an uploaded picture.
            model: a name that the endpoint models lists.
            short_side: pixels of the shorter side fed to the network; 0 for the photo's own.
            budget: latency not to exceed, as 0.6x of dense or 120ms; empty for the whole trade-off.
            trials: schedules to try, 1 to 300.
            seed: of everything random in the search, at least 0.
            task: one of the network's tasks, which the endpoint models lists; empty for its first.

        Returns:
            As ``frontier.json`` of the command line: "schedule" is the best within the budget,
            "points" are those that nothing tried beats, each with schedule, accuracy (agreement
            with dense, or PSNR of a restored photo in dB: "metric" says which), predicted_ms and
            latency_ms; dense_ms, device, size and dtype; "doubt" as of the endpoint analyze.
        """
        try:
            settings = self.read_settings(model, short_side, "0", task)
            asked = read_search(budget, trials, seed)
            picture = self._read_photo(photo)
            check_side(picture.size, settings.short_side)
            with TemporaryDirectory() as folder:
                *_, last = self._engine.search(
                    picture, settings, asked, make_storage(), Path(folder)
                )
        except Exception as error:
            raise self._refuse(error) from None
        assert last.result is not None
        return last.result.to_dict()


def _describe_point(point: SizePoint) -> dict[str, Any]:
    return {
        "size": list(point.size),
        "latency_ms": point.latency_ms,
        "agreement": point.agreement,
    }
