"""One result as an interactive page in one HTML file, made of the page's own views."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import sparsevit
from app.engine.examples import read_photo
from app.engine.records import Result, Settings
from app.engine.tasks import say_purpose
from app.page.common import LONG_SIDE, describe_schedule
from app.page.headline import find_reason, show_headline
from app.page.modules import join_modules, read_styles
from app.page.photo import make_photo
from app.page.templates import render
from app.tabs.outputs.view import make_outputs
from app.tabs.takeaway.view import make_json, make_snippet
from app.tabs.windows.view import make_windows
from sparsevit.inspect.photo import Analysis
from sparsevit.networks import name_model

MAX_BYTES = 3_000_000  # of a file; what does not fit has a smaller photo

_LEAST_SIDE = 400  # pixels of the longer side: the smallest photo there is
_SCRIPT = "tabs/takeaway/interactive.js"
_STYLES = (
    *("page/charts.css", "page/style.css"),
    *("tabs/outputs/style.css", "tabs/windows/style.css"),
)
_THEME = """const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark", dark.matches);
dark.addEventListener("change", follow);
follow();"""


def make_interactive(result: Result) -> str:
    """HTML that shows a result's windows and outputs as the page does, without a server.

    The photo and all that is drawn over it lie in the file, as do the scripts, and the browser is
    told to run no others and to fetch nothing. No folder of this machine is named.

    Args:
        result: with or without latency.

    Returns:
        A document of :data:`MAX_BYTES` at most, unless what is drawn over the photo takes more.
    """
    long_side = LONG_SIDE
    while True:
        html = _render(result, make_photo(result, long_side))
        if len(html.encode()) <= MAX_BYTES or long_side <= _LEAST_SIDE:
            return html
        long_side = max(_LEAST_SIDE, long_side * 3 // 4)


def describe_run(
    path: Path, analysis: Analysis, short_side: int | None, task: str | None, note: str = ""
) -> Result:
    """What the command ``sparsevit run`` found, as a result of the page.

    Args:
        path: of the photo.
        analysis: of it.
        short_side: pixels asked for; None for the photo's own.
        task: asked for; None for the network's first.
        note: what was done otherwise than asked, in one sentence; empty if nothing was.
    """
    depths = tuple(Counter(block.stage for block in analysis.blocks).values())
    linked = not analysis.rescore
    settings = Settings(analysis.model, analysis.schedule, linked, short_side, task)
    analysis = replace(analysis, model=name_model(analysis.model))
    return Result(read_photo(path), settings, analysis, depths, note=note)


def name_interactive(result: Result) -> str:
    """Of the file."""
    return f"sparsevit-{result.photo.path.stem}.html"


def _render(result: Result, photo: str) -> str:
    script = f'{join_modules([_SCRIPT])}modules["{_SCRIPT}"].open();'
    hashes = " ".join(map(_name_hash, (_THEME, script)))
    values = {
        "photo": photo,
        "windows": make_windows(result),
        "outputs": make_outputs(result),
        "result": make_json(result),
    }
    return render(
        "tabs/takeaway/interactive.html",
        policy=(
            f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; "
            f"img-src data:; base-uri 'none'; form-action 'none'"
        ),
        styles=read_styles(*_STYLES),
        theme=_THEME,
        script=script,
        data=result.to_dict(),
        task=say_purpose(result.task.name),
        base=result.restored.task.base_name if result.restored else "",
        settings=_say_settings(result),
        note=result.note,
        headline=show_headline(result, None),
        reason=find_reason(result),
        snippet=make_snippet(result),
        version=sparsevit.__version__,
        values={name: _escape(value) for name, value in values.items()},
    )


def _say_settings(result: Result) -> str:
    """ "512 × 1024 pixels, sparsity 60 %, one thread of a CPU, float32"."""
    analysis = result.analysis
    height, width = analysis.prepared.input_size
    words = [
        f"{height} × {width} pixels",
        f"sparsity {describe_schedule(result.settings.schedule)}",
        "" if result.settings.linked else "every block scores its windows anew",
        "windows kept and skipped by hand" if result.settings.painted else "",
        *(analysis.device, analysis.dtype),
    ]
    return ", ".join(filter(None, words))


def _escape(text: str) -> str:
    """JSON that ends no script element."""
    return text.replace("<", "\\u003c")


def _name_hash(script: str) -> str:
    """What a policy calls a script by."""
    return f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'"
