"""How far a download is, for whoever waits for it on the page or through the API."""

from __future__ import annotations

from contextvars import copy_context

import gradio as gr

from sparsevit.networks import Tell


def follow_download(name: str) -> Tell:
    """What shows the progress of a network's download; outside an event it shows nothing.

    Args:
        name: of the network, for the message.
    """
    progress = gr.Progress()
    event = copy_context()  # files may come in other threads, which gradio does not know

    def tell(num_bytes: int, total: int) -> None:
        share = num_bytes / total
        words = f"Downloading {name}: {100 * share:.0f}\u00a0% of {total / 1e6:.0f}\u00a0MB"
        event.run(progress, share, desc=words)

    return tell
