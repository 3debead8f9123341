"""Endpoints for programs and agents: typed arguments, plain answers, no session."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gradio as gr
import numpy as np

from app.engine.comparing import count_masks, measure_in_turn, pair_blocks, pair_outputs
from app.engine.errors import explain
from app.engine.exercises import answer_all as answer_exercises
from app.engine.protocol import Engine
from app.engine.records import Photo, Result, Settings
from app.engine.search import make_storage, read_search
from sparsevit.data.reader import ImageError
from sparsevit.draw.masks import draw_compute_map, draw_pruned_windows, draw_score_map
from sparsevit.inspect.sizes import SizePoint
from sparsevit.inspect.worth import join_worth
from sparsevit.networks import ModelError
from sparsevit.schedule import ScheduleError, SparsitySchedule


class Api:
    """What a program can ask for; each method is an endpoint of the same name.

    Agents are shown the docstrings; of an argument gradio shows them the first line.

    Args:
        engine: runs the networks.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

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
    ) -> dict[str, Any]:
        """Prune the windows of a network on a photo, compare with dense, and time both.

        Args:
            photo: an uploaded picture.
            model: a name that the endpoint models lists.
            short_side: pixels of the shorter side fed to the network; 0 for the photo's own.
            sparsity: share pruned: below 1, JSON per stage or pair, or a preset as paper-35ms.
            task: one of the network's tasks, which the endpoint models lists; empty for its first.
            focal_mm: of the lens, in terms of 35 mm film, for 3D boxes; 0 for what the photo tells.

        Returns:
            Windows kept by every block, agreement with dense, GMACs, latency and speed-up, as
            ``result.json`` of the command line; "doubt" says why the speed-up is not worth quoting,
            and is null if it is: "other_load" is what other programs took of the CPUs.
        """
        try:
            result = self._measure(self._run(photo, model, short_side, sparsity, task, focal_mm))
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
    ) -> np.ndarray:
        """Draw which windows of a photo one block computes and which it skips.

        Args:
            photo: an uploaded picture.
            model: a name that the endpoint models lists.
            short_side: pixels of the shorter side fed to the network; 0 for the photo's own.
            sparsity: share pruned: below 1, JSON per stage or pair, or a preset as paper-35ms.
            block: number of the block, from 0 in network order.
            view: "pruned" (skipped windows dark), "scores" (heat map), "worth" (what windows are
                worth to the dense output) or "compute" (all blocks).
            task: one of the network's tasks, which the endpoint models lists; empty for its first.

        Returns:
            The picture.
        """
        try:
            result = self._run(photo, model, short_side, sparsity, task)
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
            The picture: class colours, instances, 3D boxes, or bars of the likeliest classes.
        """
        try:
            result = self._run(photo, model, short_side, sparsity, task, focal_mm)
            return result.task.draw(result.analysis.prepared.image, result.analysis.sparse)
        except Exception as error:
            raise self._refuse(error) from None

    def worth(
        self, photo: str, model: str, short_side: int, task: str = "", focal_mm: float = 0
    ) -> list[dict[str, Any]]:
        """Estimate what every window is worth to a dense network's output, beside its score.

        Args:
            photo: an uploaded picture.
            model: a name that the endpoint models lists.
            short_side: pixels of the shorter side fed to the network; 0 for the photo's own.
            task: one of the network's tasks, which the endpoint models lists; empty for its first.
            focal_mm: of the lens, in terms of 35 mm film, for 3D boxes; 0 for what the photo tells.

        Returns:
            For the plain and the shifted windows of every stage: stage, shifted, grid [rows,
            columns], worth and scores (row-major; worth summed over the blocks), and correlation,
            Spearman's of both, null for too few windows. Worth is by how much the output's loss
            against what it says now would change without that window alone, to first order.
        """
        try:
            result = self._run(photo, model, short_side, "0", task, focal_mm)
            parts = join_worth(self._engine.measure_worth(result))
        except Exception as error:
            raise self._refuse(error) from None
        return [
            {
                "stage": stage + 1,
                "shifted": shifted,
                "grid": [part.grid.rows, part.grid.cols],
                "worth": part.worth.tolist(),
                "scores": part.scores.tolist(),
                "correlation": part.correlation,
            }
            for (stage, shifted), part in parts.items()
        ]

    def lens(
        self,
        photo: str,
        model: str,
        short_side: int,
        sparsity: str,
        task: str = "",
    ) -> dict[str, Any]:
        """Look through a pruned network on a photo: where it departs from the dense one.

        Args:
            photo: an uploaded picture.
            model: a name that the endpoint models lists.
            short_side: pixels of the shorter side fed to the network; 0 for the photo's own.
            sparsity: share pruned: below 1, JSON per stage or pair, or a preset as paper-35ms.
            task: one of the network's tasks, which the endpoint models lists; empty for its first.

        Returns:
            ``{"blocks", "stages", "regions"}``. A block has the share of its windows skipped and
            the mean cosine of sparse and dense features after it; a stage the share of the final
            dense classes that a probe, fitted on this photo, reads off dense and sparse after it
            (classes of pixels alone). A region is where sparse differs: area (of the picture), box
            (x0, y0, x1, y1 pixels fed to the network), what dense and sparse say on most of it,
            readings after each stage, drifts_from (a block), and skipped and mean_cosine of every
            block inside it.
        """
        try:
            result = self._run(photo, model, short_side, sparsity, task)
            return self._engine.look_through(result).to_dict(result.task.class_names)
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
            the latencies are not worth quoting, and is null if they are.
        """
        try:
            result = self._run(photo, model, short_side, sparsity, task, focal_mm)
            *_, comparison = self._engine.compare_sizes(result, self._engine.config.compare_rounds)
        except Exception as error:
            raise self._refuse(error) from None
        return {
            "sparse": _describe_point(comparison.sparse),
            "dense": [_describe_point(point) for point in comparison.dense],
            "device": result.analysis.device,
            "doubt": comparison.doubt,
        }

    def compare(
        self,
        photo: str,
        model: str,
        short_side: int,
        sparsity: str,
        b: str,
        task: str = "",
        focal_mm: float = 0,
    ) -> dict[str, Any]:
        """Hold two settings, A and B, against each other on one photo, and time them in turn.

        Args:
            photo: an uploaded picture.
            model: of A, a name that the endpoint models lists.
            short_side: of A, pixels of the shorter side fed to the network; 0 for the photo's own.
            sparsity: of A, share pruned: below 1, JSON per stage or pair, or a preset.
            b: JSON of what B has otherwise, as {"sparsity": 0.3, "model": "streets"}; its names
                are those of these arguments, without photo.
            task: of A, one of the network's tasks; empty for its first.
            focal_mm: of the lens, in terms of 35 mm film, for 3D boxes; 0 for what the photo tells.

        Returns:
            ``{"a", "b", "agreement", "blocks"}``: a and b as the endpoint analyze answers;
            agreement of the output of B with that of A, null where these answer different
            questions; for each block of B its stage and block, those of A beside it as "stage_a"
            and "block_a", and both, only_a, only_b, neither: windows, or shares of the picture
            where "unit" is "picture" because windows lie elsewhere.
        """
        try:
            setting = {"model": model, "short_side": short_side, "sparsity": sparsity}
            setting |= {"task": task, "focal_mm": focal_mm}
            picture, other = self._read_photo(photo), _read_setting(b, setting)
            result_a, result_b = (
                self._engine.analyze(picture, self.read_settings(**chosen))
                for chosen in (setting, other)
            )
            runs = self._engine.config.first_runs
            for measured in measure_in_turn(self._engine, result_a, result_b, runs):
                result_a, result_b = measured
            pair = pair_outputs(result_a, result_b)
        except Exception as error:
            raise self._refuse(error) from None
        return {
            "a": result_a.to_dict(),
            "b": result_b.to_dict(),
            "agreement": pair and pair.analysis.agreement["agreement"],
            "blocks": _describe_masks(result_a, result_b),
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
            with dense), predicted_ms and latency_ms; dense_ms, device, size and dtype; "doubt" as
            of the endpoint analyze.
        """
        try:
            settings = self.read_settings(model, short_side, "0", task)
            asked = read_search(budget, trials, seed)
            picture = self._read_photo(photo)
            with TemporaryDirectory() as folder:
                *_, last = self._engine.search(
                    picture, settings, asked, make_storage(), Path(folder)
                )
        except Exception as error:
            raise self._refuse(error) from None
        assert last.result is not None
        return last.result.to_dict()

    def exercises(
        self, photo: str, model: str, short_side: int, task: str = "", focal_mm: float = 0
    ) -> dict[str, Any]:
        """Answer the exercises of the tab Learn on a photo.

        Takes about 30 runs of the network.

        Args:
            photo: an uploaded picture.
            model: a name that the endpoint models lists.
            short_side: pixels of the shorter side fed to the network; 0 for the photo's own.
            task: one of the network's tasks, which the endpoint models lists; empty for its first.
            focal_mm: of the lens, in terms of 35 mm film, for 3D boxes; 0 for what the photo tells.

        Returns:
            "tipping_point": which class (kind "class", "things" or "winner") the sparse output
            loses between the sparsities of all layers "there" and "lost", or where the agreement
            falls below 0.9 (kind "agreement"); "lost" is null if it holds, and all of it if the
            dense output is empty. "stages": agreement and share of arithmetic saved of each stage
            pruned alone by 0.6, and how many windows it skipped; "best_stages" lose least. "half":
            least sparsity of all layers that halves the arithmetic, null if none does, the share
            that is never pruned, and the least share left.
        """
        try:
            return answer_exercises(
                self._engine, self._run(photo, model, short_side, "0", task, focal_mm)
            )
        except Exception as error:
            raise self._refuse(error) from None

    def read_settings(
        self, model: str, short_side: int, sparsity: str, task: str = "", focal_mm: float = 0
    ) -> Settings:
        """Settings as a program sends them.

        Raises:
            ModelError: a network that is not offered, or a task that it cannot do.
            ScheduleError: an impossible schedule.
        """
        known = {info.name for info in self._engine.list_models()} | {self._engine.config.model}
        if model not in known and not self._engine.config.allows_paths:
            raise ModelError(f"There is no model named {model!r} here; see the endpoint models.")
        if Path(sparsity).suffix == ".json":
            raise ScheduleError("Send the schedule itself, not the name of a file.")
        schedule = SparsitySchedule.parse(sparsity, self._engine.get_depths(model))
        tasks = self._engine.get_tasks(model)
        if task and task not in tasks:
            raise ModelError(f"task of {model} must be {' or '.join(tasks)}, got {task[:20]!r}.")
        return Settings(
            model,
            schedule,
            short_side=short_side or None,
            task=task or None,
            focal_mm=focal_mm or None,
        )

    def _run(
        self,
        photo: str,
        model: str,
        short_side: int,
        sparsity: str,
        task: str,
        focal_mm: float = 0,
    ) -> Result:
        settings = self.read_settings(model, short_side, sparsity, task, focal_mm)
        return self._engine.analyze(self._read_photo(photo), settings)

    def _measure(self, result: Result) -> Result:
        for measured in self._engine.measure(result, self._engine.config.first_runs):
            result = measured
        return result

    def _read_photo(self, path: str) -> Photo:
        if not path:
            raise ImageError("A photo is needed; upload one with handle_file().")
        return self._engine.read_photo(path)

    def _refuse(self, error: Exception) -> gr.Error:
        return gr.Error(explain(error, self._engine.device), print_exception=False)


def _read_setting(text: str, default: dict[str, Any]) -> dict[str, Any]:
    """Arguments of :meth:`Api.read_settings` from JSON; what it leaves out is as by default.

    Raises:
        ScheduleError: it cannot be read.
    """
    try:
        given = json.loads(text)
        if not isinstance(given, dict):
            raise TypeError("no object")
        chosen = {name: type(value)(given.get(name, value)) for name, value in default.items()}
        if not given.keys() <= default.keys():
            raise ValueError("unknown names")
    except (TypeError, ValueError, RecursionError) as error:
        names = ", ".join(default)
        raise ScheduleError(f"b must be JSON of an object with some of {names}.") from error
    return chosen


def _describe_masks(a: Result, b: Result) -> list[dict[str, Any]]:
    described = []
    for index_a, index_b in pair_blocks(a, b):
        block_a, block_b = a.analysis.blocks[index_a], b.analysis.blocks[index_b]
        counts = count_masks(block_a, block_b)
        described.append(
            {
                "stage": block_b.stage + 1,
                "block": block_b.block + 1,
                "stage_a": block_a.stage + 1,
                "block_a": block_a.block + 1,
                "unit": "windows" if counts.has_windows else "picture",
                **counts.to_dict(),
            }
        )
    return described


def _describe_point(point: SizePoint) -> dict[str, Any]:
    return {
        "size": list(point.size),
        "latency_ms": point.latency_ms,
        "agreement": point.agreement,
    }
