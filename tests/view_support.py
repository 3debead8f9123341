"""Parts of the page alone, for the tests of their scripts in a browser."""

from collections.abc import Iterator
from contextlib import contextmanager

import gradio as gr

from app.components import STATIC_FOLDER, add_view
from app.theme import build_theme


@contextmanager
def serve_demo(demo: gr.Blocks) -> Iterator[str]:
    """Serve a part in the looks of the whole page, on a free port of this machine: its address."""
    _, url, _ = demo.launch(
        server_name="127.0.0.1",
        prevent_thread_lock=True,
        quiet=True,
        theme=build_theme(),
        css_paths=sorted(STATIC_FOLDER.glob("*.css")),
        ssr_mode=False,
    )
    try:
        yield url
    finally:
        demo.close()


@contextmanager
def serve_view(name: str, values: list[str], photo: str | None = None) -> Iterator[str]:
    """Serve ``static/NAME.js`` with the first of ``values``; a button "next" sends the others.

    What the script sends back with ``trigger("select", {...})`` and the like is not answered.

    Args:
        name: of the view.
        values: JSON, one after the other.
        photo: JSON of :func:`app.views.photo.make_photo`.

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
