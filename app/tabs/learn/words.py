"""The words of the view "learn": what each step says of this photo, and the glossary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.engine.records import Result
from sparsevit.inspect.block import BlockSteps
from sparsevit.inspect.worth import PartitionWorth
from sparsevit.measure.cost import BlockCost


def times(size: Sequence[int]) -> str:
    """(128, 256) -> "128 × 256"."""
    return " × ".join(f"{length:,}" for length in size)


def percent(share: float) -> str:
    """0.6 -> "60 %"."""
    return f"{100 * share:.0f} %"


def _gmacs(macs: float) -> str:
    return f"{macs / 1e9:.3g} GMACs"


def tell_steps(
    result: Result, steps: BlockSteps, cost: BlockCost, part: PartitionWorth | None
) -> list[dict[str, Any]]:
    """The steps as {"name", "title", "words", "shapes"}: six of the method, and a question.

    Args:
        result: the outcome on the page.
        steps: of one of its blocks.
        cost: of that block.
        part: what its windows are worth; None where nobody has asked yet.

    Returns:
        For each step one word, a heading, two to four sentences, and the tensors it turns into
        one another as {"name", "letters", "sizes"}.
    """
    told = (
        ("Windows", "Cut the photo into windows", _tell_windows(result, steps)),
        ("Scores", "Score every window", _tell_scores(steps)),
        ("Ranking", "Rank them, keep the best", _tell_ranking(result, steps)),
        ("Gather", "Gather them into one batch", _tell_gather(steps)),
        ("Block", "Run the block on those alone", _tell_block(cost)),
        ("Scatter", "Scatter them back", _tell_scatter(steps)),
        ("Worth", "Is magnitude the right question?", _tell_worth(steps, part)),
    )
    used = (
        ("tokens", "windows"),
        ("windows", "scores"),
        ("scores", "kept windows"),
        ("tokens", "kept windows"),
        ("kept windows", "attention weights", "new windows"),
        ("new windows", "output"),
        ("scores",),
    )
    shapes = {
        name: {
            "name": name,
            "letters": f"({', '.join(shape.letters)})",
            "sizes": f"({', '.join(map(str, shape.sizes))})",
        }
        for name, shape in steps.shapes.items()
    }
    return [
        {"name": name, "title": title, "words": words, "shapes": [shapes[key] for key in keys]}
        for (name, title, words), keys in zip(told, used, strict=True)
    ]


def _tell_windows(result: Result, steps: BlockSteps) -> list[str]:
    grid = steps.trace.grid
    size = result.analysis.prepared.input_size
    patch = (size[0] // grid.grid[0], size[1] // grid.grid[1])
    words = [
        f"The network sees the photo as {times(grid.grid)} tokens. Each token stands for "
        f"{times(patch)} pixels and is a list of {steps.num_channels} numbers.",
        f"Tokens are grouped into windows of {times(grid.window)}: here {grid.rows} × "
        f"{grid.cols} = {grid.num_windows:,} windows.",
        "Attention mixes tokens inside a window only. So a window can be computed, or skipped, "
        "without touching any other.",
    ]
    if grid.real is not None:
        words.append("The last windows reach over the edge of the grid and are filled with zeros.")
    if steps.trace.shifted:
        words.append("This block's grid is shifted; windows at the edge wrap around (see below).")
    return words


def _tell_scores(steps: BlockSteps) -> list[str]:
    low, high = float(steps.scores.min()), float(steps.scores.max())
    words = [
        f"{_tell_magnitudes(steps)} over its {steps.num_channels} numbers.",
        f"A window's score is the root mean square of its {steps.trace.grid.num_tokens} "
        f"magnitudes. Here scores go from {low:.3g} to {high:.3g}.",
    ]
    if steps.trace.scored_block != steps.trace.block:
        words.append(
            "Scores are not taken anew for every block: these are from what entered block "
            f"{steps.trace.scored_block + 1}."
        )
    else:
        words.append(
            "Nothing is trained for this. The network's own activations decide, not what looks "
            "interesting to us."
        )
    return words


def _tell_magnitudes(steps: BlockSteps) -> str:
    if steps.trace.score == "centred":
        return (
            "The idea: where activations differ from what the whole picture shares, something "
            "matters. A token's magnitude is the mean of |x - m|, m being the picture's mean token,"
        )
    return (
        "The idea: where activations are strong, something matters. A token's magnitude is the "
        "mean of |x|"
    )


def _tell_ranking(result: Result, steps: BlockSteps) -> list[str]:
    trace = steps.trace
    sparsity = result.analysis.schedule.sparsity_of(trace.stage, trace.block)
    if trace.total == 1:
        return ["This grid is a single window, and one window is always kept."]
    if trace.kept == trace.total:
        return [
            "Sort the windows by score and keep the best K.",
            f"The sparsity here is {percent(sparsity)}, so all {trace.total:,} windows stay. "
            "Raise this pair's slider, or choose another block.",
        ]
    return [
        f"Sort the windows by score. A sparsity of {100 * sparsity:g} % says which part to skip.",
        f"The best K = {trace.kept:,} of {trace.total:,} windows stay: {trace.total:,} × "
        f"{100 - 100 * sparsity:g} %, rounded down, at least 1.",
        f"The other {trace.total - trace.kept:,} are skipped by this block.",
    ]


def _tell_gather(steps: BlockSteps) -> list[str]:
    trace = steps.trace
    if trace.kept == trace.total:
        return [
            f"All {trace.total:,} windows go into the batch, row by row. Nothing is saved here.",
            "With a higher sparsity only the best windows would be copied.",
        ]
    return [
        f"The tokens of the {trace.kept:,} kept windows are copied into one batch, best first.",
        "The batch has no holes. Ordinary, fast dense code can run on it: no special hardware, no "
        "sparse matrices.",
        f"It holds {trace.kept:,} of {trace.total:,} windows, {percent(trace.kept / trace.total)}.",
    ]


def _tell_block(cost: BlockCost) -> list[str]:
    words = [
        "The block runs as always, with the same weights, on the batch alone.",
        "Attention looks inside each window; norm and MLP look at single tokens. So no kept window "
        "misses the skipped ones here.",
    ]
    if cost.kept == cost.total:
        return [*words, f"Nothing is skipped here: the block needs {_gmacs(cost.sparse_macs)}."]
    needs = f"It needs {_gmacs(cost.sparse_macs)} instead of {_gmacs(cost.dense_macs)}: "
    saved = 1 - cost.sparse_macs / cost.dense_macs
    if saved <= 0:
        return [*words, needs + "padding this grid costs more than skipping saves."]
    return [*words, needs + f"{percent(saved)} of this block's arithmetic is saved."]


def _tell_scatter(steps: BlockSteps) -> list[str]:
    trace = steps.trace
    changed = steps.change[trace.token_mask()].mean()
    words = [
        "The new tokens go back to where they came from.",
        f"A computed token changed by {float(changed):.3g} on average (mean of |out − in|).",
    ]
    if trace.kept == trace.total:
        return [*words, "No window was skipped here."]
    if steps.change[~trace.token_mask()].any():
        return [
            *words,
            f"The {trace.total - trace.kept:,} skipped windows go without attention and MLP. Only "
            "what this network needs everywhere changes them: a small convolution in the block, or "
            "a norm at its end.",
        ]
    return [
        *words,
        f"The {trace.total - trace.kept:,} skipped windows leave the block bit for bit as they "
        "entered it. They are not lost: later layers still see them.",
    ]


def _tell_worth(steps: BlockSteps, part: PartitionWorth | None) -> list[str]:
    words = [
        "Scores say how strong activations are. What matters is something else: how much the "
        "output would change if this window alone were skipped. Call that its worth.",
        "Worth takes a backward pass, so it is far too slow to prune by. But it tells how good the "
        "guess is.",
    ]
    if part is None:
        return [*words, "It is being measured…"]
    kept, total = steps.trace.kept, steps.trace.total
    by_worth = part.worth.argsort(descending=True, stable=True)[:kept].tolist()
    alike = len(
        set(by_worth) & set(steps.trace.keep_mask[0].flatten().nonzero().flatten().tolist())
    )
    if kept < total:
        words.append(
            f"Of the {kept:,} windows worth most, {alike:,} were kept here; {kept:,} windows drawn "
            f"by lot would hold {kept * kept / total:.0f} of them."
        )
    if part.correlation is not None:
        words.append(
            f"Each dot is a window. If magnitude were perfect, all would lie on the diagonal; the "
            f"rank correlation here is {part.correlation:.2f}."
        )
    return words


GLOSSARY: tuple[tuple[str, str], ...] = (
    ("token", "One cell of the network's grid: a patch of pixels as a list of C numbers."),
    ("window", "A square of neighbouring tokens. Attention mixes tokens inside one window only."),
    ("shifted window", "A window of a grid moved by half a window, so that old neighbours meet."),
    ("block", "Norm, window attention, norm, MLP; each half is added to its input."),
    ("pair", "Two blocks in a row, with plain and with shifted windows. They share a sparsity."),
    ("stage", "Blocks at one resolution. Between stages, 2 × 2 tokens are merged into one."),
    ("score", "How much a window matters: root mean square of its tokens' mean |activation|."),
    ("worth", "How much the output would change without one window, by one backward pass."),
    ("sparsity", "The fraction of a block's windows that is skipped; 0 % is dense."),
    ("schedule", "The sparsities of all pairs: what the sliders set."),
    ("gather / scatter", "Copy the kept windows into one batch; write their results back."),
    ("dense", "Without pruning: every window is computed."),
    ("sparse", "With pruning: skipped windows pass through unchanged."),
    ("agreement", "How alike the sparse and the dense output are. Not whether they are right."),
    ("accuracy", "How right an output is, measured against the truth, where that is known."),
    ("GMACs", "Arithmetic: billions of multiply-and-add steps. The same on every machine."),
    ("latency", "Time from photo to output, measured on this device, in milliseconds."),
    ("speed-up", "Dense latency divided by sparse latency; above 1 is faster."),
)
