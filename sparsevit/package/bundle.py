"""Where the checkpoints, the example pictures and the page lie."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def find_bundled(name: str) -> Path:
    """The path of "checkpoints", "assets", "app" or "app.py".

    In a clone they lie beside the package; the wheel holds them inside it, so that none of these
    names is taken in anybody's site-packages.
    """
    package = Path(str(files("sparsevit")))
    inside = package / "_bundle"
    return (inside if inside.is_dir() else package.parent) / name
