"""Where the checkpoints, the example pictures and the page lie."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from types import ModuleType


def find_bundled(name: str) -> Path:
    """The path of "checkpoints", "assets", "app" or "app.py".

    In a clone they lie beside the package; the wheel holds them inside it, so that none of these
    names is taken in anybody's site-packages.
    """
    package = Path(str(files("sparsevit")))
    inside = package / "_bundle"
    return (inside if inside.is_dir() else package.parent) / name


def import_page(name: str) -> ModuleType:
    """A module of the page, which the library never needs: its name begins with "app."."""
    folder = str(find_bundled("app").parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)  # before any app.py or app/ of the current folder
    return import_module(name)
