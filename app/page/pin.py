"""A against B: a result that is pinned, beside the one on the screen, in words.

A is the pinned result; B is whatever is on the screen.
"""

from __future__ import annotations

import json

from app.engine.records import Result
from app.engine.tasks import TASK_WORDS
from app.page.common import describe_schedule
from app.page.templates import say_signed
from app.page.units import say_agreement
from sparsevit.networks import name_model

#: What its module triggers; "compare" is for the tab that shows more.
PIN_EVENTS = ("pin", "unpin", "swap", "compare")


def make_pin(shown: Result, pinned: Result | None) -> str:
    """JSON for ``pin.js``: both settings in a line each, what differs first.

    Args:
        shown: what is on the screen, B.
        pinned: A; None while nothing is pinned.

    Returns:
        ``{"a": side, "b": side, "same": text}``, or ``{}`` while nothing is pinned; a side is
        ``{"differs": text, "numbers": text}``, and "same" what both sides share.
    """
    if pinned is None:
        return "{}"
    differing, same = describe_difference(pinned, shown)
    is_here = pinned.photo.key == shown.photo.key
    return json.dumps(
        {
            "a": {
                "differs": ", ".join(a for a, _ in differing if a),
                "numbers": _say_numbers(pinned) if is_here else "of another photo",
            },
            "b": {
                "differs": ", ".join(b for _, b in differing if b),
                "numbers": _say_numbers(shown),
            },
            "same": ", ".join(same),
        }
    )


def describe_difference(a: Result, b: Result) -> tuple[list[tuple[str, str]], list[str]]:
    """Two settings in words: (of A, of B) of what differs, and what both share."""
    facts = list(zip(_list_facts(a), _list_facts(b), strict=True))
    differing = [(of_a, of_b) for of_a, of_b in facts if of_a != of_b]
    return differing, [of_a for of_a, of_b in facts if of_a and of_a == of_b]


def say_speed(result: Result) -> str:
    """The speed-up, or why there is none to quote."""
    latency = result.analysis.latency
    if latency is not None:
        return "machine busy" if result.doubt is not None else f"{latency.speedup:.2f}×"
    if result.guess_ms is not None:
        return f"≈ {result.guess_ms[0] / result.guess_ms[1]:.1f}×"
    return "not timed yet"


def _say_numbers(result: Result) -> str:
    agreement = say_agreement(result.analysis.agreement["agreement"], result.task.name)
    words = f"{say_speed(result)}, agreement {agreement}"
    restored = result.restored
    if restored is None or restored.gain is None:
        return words
    gain = say_signed(restored.gain["sparse"], 2)
    return f"{words}, {gain} dB over {restored.task.base_name}"


def _list_facts(result: Result) -> list[str]:
    settings, size = result.settings, result.analysis.prepared.input_size
    name = name_model(settings.model)
    return [
        describe_schedule(settings.schedule) + " pruned",
        "linked" if settings.linked else "not linked",
        name.removesuffix(".safetensors").removeprefix("timm/").removeprefix("hf/"),
        f"{size[0]} × {size[1]}",
        TASK_WORDS[result.task.name],
        _name_lens(result),
        _count_painted(result),
    ]


def _count_painted(result: Result) -> str:
    count = sum(len(entry.keep) + len(entry.skip) for entry in result.settings.painted)
    return f"{count} windows by hand" if count else ""


def _name_lens(result: Result) -> str:
    if result.task.name != "boxes3d":
        return ""
    focal = result.settings.focal_mm
    return "lens as the photo tells" if focal is None else f"lens of {focal:g} mm"
