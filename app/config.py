"""Limits and defaults of the page, from the environment and the command line."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from sparsevit.networks import DEFAULT_MODEL, default_device

ASSETS_FOLDER = Path(__file__).resolve().parent.parent / "assets"

#: Choices of the shorter side fed to the network, pixels; None is the photo's own.
SHORT_SIDES: tuple[tuple[str, int | None], ...] = (
    ("256", 256),
    ("512", 512),
    ("768", 768),
    ("1024", 1024),
    ("1536", 1536),
    ("native", None),
)

_SHORT_SIDE, _LEAST_SIDE = 512, 64  # pixels

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Config:
    """How the page is served and what it may use.

    Attributes:
        host, port: where it listens.
        device: "cpu", "cuda", ...
        model: network shown first; a name of ``sparsevit models`` or a file of ours.
        checkpoint: weights for ``model`` when that is a timm architecture.
        share: open a public tunnel through Gradio's servers.
        short_side: first resolution, pixels of the shorter side.
        sparsity: first schedule, uniform.
        assets: folder of the example pictures.
        kept_models: networks held in memory at once.
        kept_images: dense results held in memory at once.
        sessions_mb: memory for what all pages remember together, in units of 1e6 bytes.
        start_runs: timed runs of each form of the first result.
        first_runs: timed runs of each form that follow every change.
        more_runs: timed runs of the button "Measure again".
        compare_rounds: timed runs of each size when resolutions are compared.
        max_queue: waiting requests before new ones are turned away.
        auth: "name:password" that visitors must give; None lets everybody in.
        mcp: offer the endpoints to agents over the Model Context Protocol as well.
        patience_s: seconds after which a closed page is forgotten, with its files.
        max_file_mb: largest upload, in units of 1e6 bytes.
    """

    host: str = "127.0.0.1"
    port: int = 7860
    device: str = "cpu"
    model: str = DEFAULT_MODEL
    checkpoint: str | None = None
    share: bool = False
    short_side: int | None = _SHORT_SIDE
    sparsity: float = 0.6
    assets: Path = ASSETS_FOLDER
    kept_models: int = 2
    kept_images: int = 8
    sessions_mb: int = 1000
    start_runs: int = 3
    first_runs: int = 5
    more_runs: int = 10
    compare_rounds: int = 3
    max_queue: int = 32
    auth: str | None = None
    mcp: bool = False
    patience_s: float = 600
    max_file_mb: int = 200

    @property
    def allows_paths(self) -> bool:
        """True when only this machine's user can reach the page, so that he may type file paths."""
        return self.host in _LOOPBACK and not self.share


def parse_args(
    arguments: Sequence[str] | None = None, announce: Callable[[], None] = lambda: None
) -> Config:
    """Read the command line.

    Args:
        arguments: those of the command line if None.
        announce: called when they are good; to find out whether there is a GPU takes seconds.

    Its defaults come from SPARSEVIT_HOST, SPARSEVIT_PORT, SPARSEVIT_DEVICE and SPARSEVIT_MODEL, or
    from GRADIO_SERVER_NAME and GRADIO_SERVER_PORT, which hosts of Gradio pages set.
    """
    env = os.environ
    parser = argparse.ArgumentParser(
        prog="app.py", description="See window pruning of a Swin Transformer on your own photo."
    )
    host = env.get("SPARSEVIT_HOST") or env.get("GRADIO_SERVER_NAME") or "127.0.0.1"
    port = env.get("SPARSEVIT_PORT") or env.get("GRADIO_SERVER_PORT") or "7860"
    parser.add_argument("--host", default=host)
    parser.add_argument("--port", type=int, default=port)
    parser.add_argument("--device", help="cpu, cuda, cuda:1, ...; by default a GPU if any")
    parser.add_argument(
        "--model",
        default=env.get("SPARSEVIT_MODEL", DEFAULT_MODEL),
        help="network shown first: a name 'sparsevit models' lists, or a .safetensors file of ours",
    )
    parser.add_argument(
        "--checkpoint", help="a .safetensors file of ours, or weights for a timm --model"
    )
    parser.add_argument(
        "--short-side",
        type=int,
        default=env.get("SPARSEVIT_SHORT_SIDE") or _SHORT_SIDE,
        help="short side that the page opens with, pixels; 256 suits a slow machine",
    )
    parser.add_argument("--share", action="store_true", help="open a public link")
    parser.add_argument(
        "--auth",
        default=env.get("SPARSEVIT_AUTH"),
        metavar="NAME:PASSWORD",
        help="ask visitors for this name and password",
    )
    parser.add_argument(
        "--mcp", action="store_true", help="serve the endpoints to agents (pip install gradio[mcp])"
    )
    args = parser.parse_args(arguments)
    if args.short_side < _LEAST_SIDE:
        parser.error(f"--short-side takes pixels, at least {_LEAST_SIDE}")
    if args.auth is not None and not all(args.auth.partition(":")[::2]):
        parser.error("--auth takes NAME:PASSWORD")
    if find_spec("gradio") is None:
        parser.error("The page needs gradio: pip install 'sparsevit[app]'")
    if args.mcp and find_spec("mcp") is None:
        parser.error('--mcp needs one more package: pip install "gradio[mcp]"')
    if args.checkpoint and args.model == DEFAULT_MODEL:
        args.model, args.checkpoint = args.checkpoint, None
    announce()
    return Config(
        host=args.host,
        port=args.port,
        device=args.device or default_device(),
        model=args.model,
        checkpoint=args.checkpoint,
        share=args.share,
        short_side=args.short_side,
        auth=args.auth,
        mcp=args.mcp,
    )
