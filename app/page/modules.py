"""The page's modules and styles as text, for a file that needs no server."""

from __future__ import annotations

import posixpath
import re
from base64 import b64encode
from pathlib import Path

_APP = Path(__file__).parent.parent
_IMPORT = re.compile(r'(^(?:import|export)\b[^;"]*")(\.{1,2}/[^"]+)(")', re.MULTILINE)


def make_import_map(root: str) -> dict[str, dict[str, str]]:
    """An import map with a module and all that it imports, each as a data: URI.

    Args:
        root: path of the module from the folder ``app/``: "tabs/takeaway/interactive.js".

    Returns:
        ``{"imports": {name: URI}}``; a module's name is "app/" and its path.
    """
    found: dict[str, str] = {}
    waiting = {root}
    while waiting:
        path = waiting.pop()
        source, others = _name_imports(path)
        found[path] = source
        waiting |= others - found.keys()
    return {"imports": {f"app/{path}": _encode(found[path]) for path in sorted(found)}}


def read_styles(*names: str) -> str:
    """Style sheets in the order they are applied.

    Args:
        names: paths from the folder ``app/``.
    """
    return "\n".join((_APP / name).read_text(encoding="utf-8") for name in names)


def _name_imports(path: str) -> tuple[str, set[str]]:
    """A module's source that imports others by name, and their paths."""
    others: set[str] = set()

    def name(match: re.Match[str]) -> str:
        other = posixpath.normpath(posixpath.join(posixpath.dirname(path), match[2]))
        others.add(other)
        return f"{match[1]}app/{other}{match[3]}"

    return _IMPORT.sub(name, (_APP / path).read_text(encoding="utf-8")), others


def _encode(source: str) -> str:
    return f"data:text/javascript;charset=utf-8;base64,{b64encode(source.encode()).decode()}"
