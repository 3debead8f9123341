"""Parts of the page alone, for the tests of their scripts in a browser."""

from collections.abc import Iterator
from contextlib import contextmanager

import gradio as gr
import numpy as np

from app.engine.protocol import Engine
from app.page.assets import asset_options
from app.page.components import add_view
from app.page.events import Events
from app.page.handlers import Handlers
from app.page.tab import Tab
from sparsevit.core.trace import BlockTrace
from sparsevit.core.windows import map_tokens_to_windows


def read_windows(picture: np.ndarray, block: BlockTrace) -> np.ndarray:
    """(nW, 3) mean colour of a picture (h, w, 3) at the middle of the tokens of each window."""
    height, width = block.grid.grid
    rows = ((np.arange(height) + 0.5) * picture.shape[0] / height).astype(int)
    columns = ((np.arange(width) + 0.5) * picture.shape[1] / width).astype(int)
    colours, owner = picture[rows][:, columns].astype(float), map_tokens_to_windows(block.grid)
    return np.stack([colours[owner.numpy() == window].mean(0) for window in range(block.total)])


def find_yellow(colours: np.ndarray) -> np.ndarray:
    """How yellow colours (..., 3) are; negative where they are blue."""
    return np.asarray(colours[..., :2].mean(-1) - colours[..., 2])


def check_windows(
    pruned: np.ndarray, scores: np.ndarray, block: BlockTrace, image: np.ndarray
) -> None:
    """Two pictures of a block: pruned windows dark and bluish; high scores yellow, low ones blue.

    Args:
        pruned, scores: (h, w, 3) uint8 RGB.
        block: what they show.
        image: (h, w, 3) uint8 RGB, the photo beneath.
    """
    kept = block.keep_mask[0].flatten().numpy()
    light = read_windows(pruned, block).mean(1) / read_windows(image, block).mean(1)
    assert light[kept].min() > 0.8
    assert light[~kept].max() < 0.8
    yellow, score = find_yellow(read_windows(scores, block)), block.scores[0].flatten().numpy()
    assert yellow[score.argmax()] > 50
    assert yellow[score.argmin()] < 0


def add_tab(tab: Tab, engine: Engine, session: gr.State) -> None:
    """Put a tab alone where this is called, with its events.

    Args:
        tab: whose events need nothing of the page.
        engine: with its first result.
        session: of a Session.
    """
    parts = tab.add(engine, {})
    tab.wire(Events(Handlers(engine, [tab]), session, parts, tab.outputs, tab.numbers))


@contextmanager
def serve_demo(demo: gr.Blocks) -> Iterator[str]:
    """Serve a part in the looks of the whole page, on a free port of this machine: its address."""
    _, url, _ = demo.launch(
        server_name="127.0.0.1",
        prevent_thread_lock=True,
        quiet=True,
        **asset_options(),
    )
    try:
        yield url
    finally:
        demo.close()


@contextmanager
def serve_view(name: str, values: list[str], photo: str | None = None) -> Iterator[str]:
    """Serve the tab NAME's script with the first of ``values``; a button "next" sends the others.

    What the script sends back with ``trigger("select", {...})`` and the like is not answered.

    Args:
        name: of the view.
        values: JSON, one after the other.
        photo: JSON of :func:`app.page.photo.make_photo`.

    Yields:
        The address.
    """
    with gr.Blocks(analytics_enabled=False) as demo:
        if photo is not None:
            add_view("photo", photo)
        view = add_view(name, values[0])
        number = gr.State(0)
        button = gr.Button("next")

        def step(index: int) -> tuple[int, str]:
            return index + 1, values[(index + 1) % len(values)]

        button.click(step, number, [number, view])
    with serve_demo(demo) as url:
        yield url
