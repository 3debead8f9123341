"""Start the page, and say on the terminal how far it is."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from app.engine.protocol import Engine
from app.page.tab import Tab
from app.page.ui import build_demo, launch_options, show_first
from sparsevit.data.reader import ImageError
from sparsevit.networks import ModelError


def serve(engine: Engine, tabs: Sequence[Tab], began_s: float) -> int:
    """Serve the page until interrupted. It opens at once, and its first result arrives in it.

    Args:
        engine: has not started.
        tabs: of the page, in order.
        began_s: when the program began, by ``time.monotonic``.

    Returns:
        The exit code: 2 if the network cannot be had, the address is taken, or the first photo
        cannot be analysed.
    """
    config = engine.config
    say(f"loading {config.model}…")
    try:
        demo = build_demo(engine, tabs).queue(max_size=config.max_queue)
    except ModelError as error:
        return _give_up(str(error))
    try:
        _, url, public_url = demo.launch(
            server_name=config.host,
            server_port=config.port,
            share=config.share,
            prevent_thread_lock=True,
            quiet=True,
            **launch_options(engine),
        )
    except OSError:
        where = f"{config.host}:{config.port}"
        return _give_up(f"Cannot listen on {where}; choose another --port or --host.")
    say(f"open {(public_url or url).rstrip('/')}")
    try:
        engine.analyze_first()
        show_first(demo, engine, tabs)
        say(f"first result after {time.monotonic() - began_s:.0f} s")
        engine.time_first()
        show_first(demo, engine, tabs)
    except (ModelError, ImageError) as error:
        demo.close(verbose=False)
        return _give_up(str(error))
    demo.block_thread()
    return 0


def say(words: str) -> None:
    """A line on the terminal."""
    print(f"SparseViT: {words}", flush=True)


def _give_up(sentence: str) -> int:
    """Say why; the exit code."""
    print(sentence, file=sys.stderr)
    return 2
