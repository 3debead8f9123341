"""Results as pictures, tables and sentences for the page. Knows nothing of gradio."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from html import escape

import cv2
import numpy as np

from app.engine import Result
from sparsevit.latency import LatencyReport, LatencyStats
from sparsevit.tasks.classification import ClassificationTask
from sparsevit.tasks.semantic import SemanticTask
from sparsevit.transforms import resize_image
from sparsevit.vis import (
    compute_map,
    draw_compute_map,
    draw_difference,
    draw_pruned_windows,
    draw_score_map,
)

#: Ways to look at the windows: value -> words on the page.
VIEWS = {"pruned": "Pruned windows", "scores": "Scores", "compute": "Compute map"}

_LONG_SIDE = 1280  # pixels a picture is drawn at
_THUMB_SIDE = 176
_QUALITY = 88


def name_block(result: Result, index: int) -> str:
    """ "Stage 1 · block 2 · shifted"."""
    block = result.analysis.blocks[index]
    kind = " · shifted" if block.shifted else ""
    return f"Stage {block.stage + 1} · block {block.block + 1}{kind}"


def list_blocks(result: Result) -> list[tuple[str, int]]:
    """(words, index) of every block, for a menu."""
    return [(name_block(result, index), index) for index in range(len(result.analysis.blocks))]


def encode_image(pixels: np.ndarray, quality: int = _QUALITY) -> str:
    """(img_h, img_w, 3) uint8 RGB -> a data URI, so that no picture lies on the server's disk."""
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode("ascii")


def show_fed(result: Result) -> str:
    """One line: what the network really got."""
    height, width = result.analysis.prepared.input_size
    first = result.analysis.blocks[0]
    photo_h, photo_w = result.photo.pixels.shape[:2]
    tokens = " × ".join(str(side) for side in first.grid.grid)
    window = " × ".join(str(side) for side in first.grid.window)
    return (
        f'<p class="sv-note">Photo {photo_h} × {photo_w} → network <b>{height} × {width}</b> '
        f"= {tokens} tokens = {first.total} windows of {window}</p>"
    )


def show_headline(result: Result, runs: int) -> str:
    """The two big numbers and what stands behind them.

    Args:
        result: with or without latency.
        runs: timed runs there will be.
    """
    analysis = result.analysis
    latency = analysis.latency
    if latency is None:
        big, words = '<span class="sv-wait">measuring…</span>', "speed against dense"
    else:
        big, words = f"{latency.speedup:.2f}×", _compare_speed(latency.speedup)
    agreement = f"{100 * analysis.agreement['agreement']:.1f} %"
    kept, total = analysis.windows
    cost = analysis.cost
    height, width = analysis.prepared.input_size
    facts = [
        (
            "Latency",
            _latency_words(latency, runs)
            if latency
            else f"timing dense and sparse in turn, {runs} runs each",
        ),
        ("Windows", f"<b>{kept}</b> of {total} computed ({kept / total:.0%})"),
        (
            "Arithmetic",
            f"<b>{cost.sparse_gmacs:.2f}</b> of {cost.dense_gmacs:.2f} GMACs "
            f"({cost.mac_ratio:.0%})",
        ),
        ("Machine", f"{escape(analysis.device)} · {analysis.dtype} · {height} × {width}"),
    ]
    lines = "".join(f"<div><dt>{name}</dt><dd>{text}</dd></div>" for name, text in facts)
    return (
        '<section class="sv-headline" aria-label="Result">'
        f'<div class="sv-big" id="sv-speedup"><strong>{big}</strong><span>{words}</span></div>'
        f'<div class="sv-big" id="sv-agreement"><strong>{agreement}</strong>'
        f"<span>agreement: {_agreement_words(result)}</span></div>"
        f'<dl class="sv-facts">{lines}</dl></section>'
    )


def show_windows(result: Result, index: int, view: str) -> str:
    """The photo with one block's windows, its scores, or in how many blocks each place ran."""
    block = result.analysis.blocks[index]
    picture = _display(result)
    where = name_block(result, index)
    if view == "compute":
        depth = compute_map(result.analysis.blocks, picture.shape[:2])
        picture = draw_compute_map(picture, result.analysis.blocks)
        alt = "Photo coloured by the share of blocks that computed each place"
        caption = (
            f"Share of the {len(result.analysis.blocks)} blocks that computed each place "
            f"(here {depth.min():.0%} to {depth.max():.0%}). {_ramp('none', 'all')}"
        )
    elif view == "scores":
        picture = draw_score_map(picture, block)
        alt = f"Window scores of {where} over the photo"
        caption = (
            f"{where}: window scores, the magnitude of the activations. The {block.kept} of "
            f"{block.total} highest are computed. {_ramp('low', 'high')}"
        )
    else:
        picture = draw_pruned_windows(picture, block)
        alt = (
            f"Photo with the pruned windows of {where} darkened: {block.kept} of {block.total} kept"
        )
        caption = (
            f"{where}: <b>{block.kept}</b> of {block.total} windows computed; "
            f"the darkened ones skip the block."
        )
    return _figure(picture, alt, caption)


def show_filmstrip(result: Result, index: int) -> str:
    """Small pictures of all blocks; each is a button that shows its block."""
    photo = _shrink(_display(result), _THUMB_SIDE)
    cells = []
    for number, block in enumerate(result.analysis.blocks):
        name = name_block(result, number)
        uri = encode_image(draw_pruned_windows(photo, block), 80)
        cells.append(
            f'<button type="button" data-index="{number}" aria-pressed="{_flag(number == index)}" '
            f'aria-label="{name}: {block.kept} of {block.total} windows kept" title="{name}">'
            f'<img src="{uri}" alt=""><span>{block.stage + 1}.{block.block + 1}'
            f"<em>{block.kept / block.total:.0%}</em></span></button>"
        )
    return f'<div class="sv-strip" role="group" aria-label="All blocks">{"".join(cells)}</div>'


def show_examples(pictures: Sequence[tuple[str, np.ndarray]]) -> str:
    """Thumbnails of the example pictures, as buttons."""
    cells = [
        f'<button type="button" data-index="{index}" aria-label="Example: {escape(name)}" '
        f'title="{escape(name)}"><img src="{encode_image(_shrink(pixels, _THUMB_SIDE))}" alt="">'
        "</button>"
        for index, (name, pixels) in enumerate(pictures)
    ]
    return f'<div class="sv-examples" role="group" aria-label="Examples">{"".join(cells)}</div>'


def show_outputs(result: Result) -> str:
    """Dense and sparse output, their difference, and how each class fared."""
    dense, sparse = result.analysis.prepared.dense, result.analysis.sparse
    picture = _display(result)
    if isinstance(result.task, ClassificationTask):
        return _show_classification(result.task, dense, sparse)
    dense_uri = encode_image(result.task.draw(picture, dense))
    sparse_uri = encode_image(result.task.draw(picture, sparse))
    ratio = f"{picture.shape[1]} / {picture.shape[0]}"
    compare = (
        f'<figure class="sv-figure sv-compare" style="--ratio: {ratio}"><div class="sv-frame">'
        f'<img src="{sparse_uri}" alt="Output of the sparse network">'
        f'<img class="sv-over" src="{dense_uri}" alt="Output of the dense network">'
        '<input type="range" data-split min="0" max="100" value="50" '
        'aria-label="Share of the picture that shows the dense output">'
        '<span class="sv-tag sv-left">dense</span><span class="sv-tag sv-right">sparse</span>'
        "</div></figure>"
    )
    share = 1 - result.analysis.agreement["agreement"]
    difference = _figure(
        draw_difference(picture, dense, sparse),
        "Photo with the pixels marked where the sparse output differs from the dense one",
        f"Where they differ: {share:.1%} of the pixels.",
    )
    table = (
        _show_classes(result.task, dense, sparse) if isinstance(result.task, SemanticTask) else ""
    )
    return f'{compare}<div class="sv-two"><div>{difference}</div><div>{table}</div></div>'


def show_latency(result: Result, runs: int) -> str:
    """Measured latency beside the ideal, and what every block kept."""
    return _show_bars(result, runs) + _show_blocks(result)


def make_json(result: Result) -> str:
    """The result as ``result.json`` of the command line."""
    text = json.dumps(result.analysis.to_dict(), indent=2)
    return re.sub(r"\[[^\[\]{}]*\]", lambda match: " ".join(match[0].split()), text)


def make_snippet(result: Result) -> str:
    """Python that computes this result again."""
    settings = result.settings
    lines = [
        "from sparsevit import sparsify" if not settings.linked else "",
        "from sparsevit.analysis import analyze, measure, prepare_image",
        "from sparsevit.transforms import load_image",
        "from sparsevit.zoo import load_model",
        "",
        f"loaded = load_model({settings.model!r})",
        "sparsify(loaded.module, rescore=True)  # unlinked: every block scores its windows anew"
        if not settings.linked
        else "",
        f"photo = load_image({result.photo.path.name!r})",
        f"prepared = prepare_image(loaded, photo, short_side={settings.short_side})",
        f"analysis = analyze(loaded, prepared, {settings.schedule})",
        "print(analysis.agreement, measure(loaded, analysis).latency.speedup)",
    ]
    head = [line for line in lines[:4] if line]
    body = [line for line in lines[5:] if line]
    return "\n".join([*head, "", *body]) + "\n"


def _display(result: Result) -> np.ndarray:
    """The photo at the size pictures are drawn at, in the shape the network saw."""
    height, width = result.analysis.prepared.input_size
    scale = _LONG_SIDE / max(height, width)
    return resize_image(result.photo.pixels, (round(height * scale), round(width * scale)))


def _shrink(picture: np.ndarray, long_side: int) -> np.ndarray:
    scale = long_side / max(picture.shape[:2])
    size = (max(1, round(picture.shape[0] * scale)), max(1, round(picture.shape[1] * scale)))
    return resize_image(picture, size)


def _figure(picture: np.ndarray, alt: str, caption: str) -> str:
    height, width = picture.shape[:2]
    return (
        f'<figure class="sv-figure" style="--ratio: {width} / {height}"><div class="sv-frame">'
        f'<img src="{encode_image(picture)}" alt="{escape(alt)}">'
        '<button type="button" class="sv-zoom" data-zoom aria-label="Full screen">⤢</button></div>'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _ramp(low: str, high: str) -> str:
    return f'<span class="sv-ramp">{low}<i></i>{high}</span>'


def _share(mask: np.ndarray) -> str:
    share = mask.mean()
    return "< 0.1%" if 0 < share < 0.001 else f"{share:.1%}"


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _compare_speed(speedup: float) -> str:
    if speedup >= 1.005:
        return "faster than dense"
    return "the speed of dense" if speedup > 0.995 else "the speed of dense: slower"


def _agreement_words(result: Result) -> str:
    if isinstance(result.task, ClassificationTask):
        return "probability shared with the dense output"
    return "pixels with the class of the dense output"


def _latency_words(latency: LatencyReport, runs: int) -> str:
    count = len(latency.sparse.samples_ms)
    progress = f"medians of {count}" if count >= runs else f"medians of {count} of {runs} runs"
    form = "host's code" if latency.dense_form == "host" else "our code"
    dense = f"dense {latency.dense.median_ms:.0f} ms ({form})"
    return f"<b>{latency.sparse.median_ms:.0f} ms</b>, {dense}, {progress}"


def _show_classification(task: ClassificationTask, dense: np.ndarray, sparse: np.ndarray) -> str:
    columns = []
    for title, prediction in (("Dense", dense), ("Sparse", sparse)):
        bars = "".join(
            f'<li><span>{escape(name)}</span><i style="--share: {probability:.4f}"></i>'
            f"<b>{probability:.1%}</b></li>"
            for name, probability in task.top(prediction)
        )
        columns.append(f"<div><h4>{title}: five likeliest classes</h4><ol>{bars}</ol></div>")
    return f'<div class="sv-two sv-top">{"".join(columns)}</div>'


def _show_classes(task: SemanticTask, dense: np.ndarray, sparse: np.ndarray) -> str:
    rows = []
    for name, iou in task.compare_classes(dense, sparse).items():
        index = task.class_names.index(name)
        colour = "rgb({}, {}, {})".format(*task.palette[index])
        rows.append(
            f'<tr><th scope="row"><i style="background: {colour}"></i>{escape(name)}</th>'
            f"<td>{_share(dense == index)}</td><td>{_share(sparse == index)}</td>"
            f'<td><span class="sv-bar" style="--share: {iou:.4f}"></span>{iou:.2f}</td></tr>'
        )
    return (
        '<table class="sv-table"><caption>Classes, sparse against dense (IoU 1 = the same pixels)'
        '</caption><thead><tr><th scope="col">class</th><th scope="col">dense</th>'
        f'<th scope="col">sparse</th><th scope="col">IoU</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _show_bars(result: Result, runs: int) -> str:
    analysis = result.analysis
    latency = analysis.latency
    if latency is None:
        return f'<p class="sv-note">Timing dense and sparse in turn, {runs} runs each…</p>'
    widest = max(latency.dense.p90_ms, latency.sparse.p90_ms)
    ideal_ms = latency.dense.median_ms * analysis.cost.mac_ratio
    low, high = latency.speedup_spread
    measured = latency.sparse.median_ms / latency.dense.median_ms
    form = "the host's own code" if latency.dense_form == "host" else "our blocks, every window"
    height, width = latency.image_size
    return (
        '<div class="sv-bars" role="img" aria-label="'
        f"Dense {latency.dense.median_ms:.0f} milliseconds, sparse "
        f'{latency.sparse.median_ms:.0f} milliseconds">'
        + _bar("Dense", latency.dense, widest, "dense")
        + _bar("Sparse", latency.sparse, widest, "sparse")
        + f'<div class="sv-bar-row ideal"><span>Ideal</span><div><i style="--share: '
        f'{ideal_ms / widest:.4f}"></i></div><b>{ideal_ms:.0f} ms</b><small>if time followed the '
        "arithmetic</small></div></div>"
        f'<p class="sv-note">Measured ratio <b>{measured:.2f}</b>, ideal (MACs) '
        f"<b>{analysis.cost.mac_ratio:.2f}</b>. Speed-up {latency.speedup:.2f}×, of neighbouring "
        f"runs {low:.2f} to {high:.2f} (p10 to p90). Medians of {len(latency.sparse.samples_ms)} "
        f"interleaved runs at {height} × {width}, batch {latency.batch}, {latency.dtype}, on "
        f"{escape(latency.device)}. Dense is the faster of two dense forms, here: {form}.</p>"
    )


def _bar(name: str, stats: LatencyStats, widest: float, kind: str) -> str:
    return (
        f'<div class="sv-bar-row {kind}"><span>{name}</span><div>'
        f'<i style="--share: {stats.median_ms / widest:.4f}"></i>'
        f'<u style="--low: {stats.p10_ms / widest:.4f}; --high: {stats.p90_ms / widest:.4f}"></u>'
        f"</div><b>{stats.median_ms:.0f} ms</b>"
        f"<small>p10 {stats.p10_ms:.0f}, p90 {stats.p90_ms:.0f}</small></div>"
    )


def _show_blocks(result: Result) -> str:
    rows = "".join(
        f'<tr><th scope="row">{name_block(result, index)}</th>'
        f"<td>{result.settings.schedule.sparsity_of(cost.stage, cost.block):.0%}</td>"
        f'<td><span class="sv-bar" style="--share: {cost.kept / cost.total:.4f}"></span>'
        f"<b>{cost.kept} / {cost.total}</b></td>"
        f"<td>{cost.sparse_macs / 1e9:.2f} / {cost.dense_macs / 1e9:.2f}</td></tr>"
        for index, cost in enumerate(result.analysis.cost.blocks)
    )
    return (
        '<table class="sv-table"><caption>What every block kept</caption><thead><tr>'
        '<th scope="col">block</th><th scope="col">sparsity</th>'
        '<th scope="col">windows kept / all</th><th scope="col">GMACs kept / all</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )
