"""What windows are worth to the network's output, beside their scores; ``worth.js`` tells of it."""

from __future__ import annotations

import json
from typing import Any

import torch

from app.engine.records import Result
from app.page.common import round_significant
from app.page.units import say_agreement
from app.page.worth import WorthMemory, name_worth
from app.tabs.windows.shows import find_classes
from sparsevit.core.scoring import rank_windows
from sparsevit.draw.masks import find_range
from sparsevit.inspect.worth import LeftOut, WindowWorth, join_worth

_AGREEMENT_DIGITS = 2
_NOTHING = 0.0005  # a share that is 0.0 % in words
_WHOLE = 0.0995  # from here on shares are whole percentages


def make_worth(result: Result, memory: WorthMemory) -> str:
    """JSON for ``worth.js``.

    ``{"key", "partitions", "names", "left", "error"}``: for "1" (the plain windows of the first
    stage), "1s" (its shifted ones) and so on worth, ranks (1 is the highest), low and high as for
    scores, correlation, and shows: the class that most of a window's pixels have in the dense
    output, an index of names; null where the task has none. left: the window that was left out.
    """
    names, shows = find_classes(result)
    partitions = {}
    for (stage, shifted), part in join_worth(memory.blocks).items():
        order = rank_windows(part.worth[None])[0]
        ranks = torch.empty_like(order)
        ranks[order] = torch.arange(1, len(order) + 1)
        low, high = find_range(part.worth.numpy())
        partitions[f"{stage + 1}{'s' * shifted}"] = {
            "worth": [round_significant(value) for value in part.worth.tolist()],
            "ranks": ranks.tolist(),
            "low": round_significant(low),
            "high": round_significant(high),
            "shows": shows(part.grid),
            "correlation": round_significant(part.correlation),
        }
    return _write(name_worth(result), partitions, names, memory.left, None)


def refuse_worth(result: Result, sentence: str) -> str:
    """The same where it cannot be had, and why."""
    return _write(name_worth(result), {}, [], None, sentence)


def _write(key: str, partitions: Any, names: Any, left: Any, error: str | None) -> str:
    data = {"key": key, "partitions": partitions, "names": names, "left": left, "error": error}
    return json.dumps(data, separators=(",", ":"))


def describe_left(
    left: LeftOut,
    block: WindowWorth,
    window: int,
    worth: torch.Tensor,
    num_blocks: int,
    task: str,
) -> dict[str, Any]:
    """What leaving one window out does, in words.

    Args:
        left: the outcome.
        block: any of the blocks that left it out.
        window: its row-major number.
        worth: (nW,) of the windows it is ranked with: estimates of the rise.
        num_blocks: how many left it out.
        task: name of the task.
    """
    kind = "shifted" if block.shifted else "plain"
    where = f"the {kind} block" if num_blocks == 1 else f"all {num_blocks} {kind} blocks"
    agreement = say_agreement(left.comparison["agreement"], task, _AGREEMENT_DIGITS)
    most = float(worth.max()) or 1.0
    estimate, rise = float(worth[window]) / most, left.rise / most
    side = "away from dense's answer" if rise > 0 else "towards a surer answer like dense's"
    moved = _say_share(abs(rise)) + (f" {side}" if abs(rise) >= _NOTHING else "")
    return {
        "stage": block.stage + 1,
        "shifted": block.shifted,
        "window": window,
        "words": (
            f"Measured: with this window alone skipped in {where} of stage {block.stage + 1}, "
            f"agreement with dense is {agreement}. In per cent of the largest worth among these "
            f"windows: this one's worth, which estimates how far the output moves without it, is "
            f"{_say_share(estimate)}; measured, the output moves by {moved}."
        ),
    }


def _say_share(value: float) -> str:
    """ "12 %", "1.2 %" of what is small."""
    if value < _NOTHING:
        return "next to nothing"
    return f"{100 * value:.{0 if value >= _WHOLE else 1}f} %"
