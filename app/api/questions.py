"""Endpoints that ask why: what windows are worth, where sparse errs, how two settings compare."""

from __future__ import annotations

import json
from typing import Any

from app.api.base import Programs
from app.engine.comparing import count_masks, measure_in_turn, pair_blocks, pair_outputs
from app.engine.exercises import answer_all as answer_exercises
from app.engine.records import Result
from sparsevit.inspect.worth import join_worth
from sparsevit.schedule import ScheduleError

#: What a link of the page calls arguments of ours that have another name.
_LINK_NAMES = {"size": "short_side", "focal": "focal_mm"}


class QuestionApi(Programs):
    """Each of its methods is an endpoint of the same name."""

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
            b: JSON of what B has otherwise, by these arguments or a link's names: {"size": 256}.
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
            setting |= {"linked": True, "task": task, "focal_mm": focal_mm, "painted": ""}
            picture, other = self._read_photo(photo), _read_setting(b, setting)
            result_a, result_b = (
                self._analyze(picture, self.read_settings(**chosen)) for chosen in (setting, other)
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
            falls below 0.9, or 50 dB of pictures (kind "agreement"); "lost" is null if it holds,
            and all of it if the dense output is empty. "stages": agreement and share of arithmetic
            saved of each stage pruned alone by 0.6, and how many windows it skipped; "best_stages"
            lose least. "half": least sparsity of all layers that halves the arithmetic, null if
            none does, the share that is never pruned, and the least share left.
        """
        try:
            return answer_exercises(
                self._engine, self._run(photo, model, short_side, "0", task, focal_mm)
            )
        except Exception as error:
            raise self._refuse(error) from None


def _read_setting(text: str, default: dict[str, Any]) -> dict[str, Any]:
    """Arguments of :meth:`Api.read_settings` from JSON; what it leaves out is as by default.

    Args:
        text: by the names of the arguments, or those of a link of the page.
        default: every argument that may be given.

    Raises:
        ScheduleError: it cannot be read, or has other names.
    """
    links = {argument: name for name, argument in _LINK_NAMES.items()}
    allowed = ", ".join(f"{n} (or {links[n]})" if n in links else n for n in default)
    try:
        given = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise ScheduleError(f"b must be JSON of an object with some of {allowed}.")
    chosen = default.copy()
    for name, value in given.items():
        argument = _LINK_NAMES.get(name, name)
        if argument not in default:
            raise ScheduleError(f"b must not have {name[:20]!r}; it may have {allowed}.")
        if argument != name and argument in given:
            raise ScheduleError(f"b must have {argument} or {name}, not both.")
        try:
            chosen[argument] = _read_value(value, default[argument])
        except (TypeError, ValueError) as error:
            raise ScheduleError(f"b's {name} cannot be read: {str(value)[:40]}.") from error
    return chosen


def _read_value(value: Any, default: Any) -> Any:
    """A value of the type of the default, from JSON or from the texts of a link.

    Raises:
        TypeError, ValueError: it is another.
    """
    if isinstance(default, bool):
        return bool(int(value))
    if value == "native":  # a link's word for the photo's own size
        value = 0
    return type(default)(value)


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
