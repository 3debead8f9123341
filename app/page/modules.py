"""The page's modules as one script, and its styles as one sheet."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from graphlib import TopologicalSorter
from pathlib import Path

_APP = Path(__file__).parent.parent
_IMPORT = re.compile(r'^import (\{[^}]*\}) from "(\.{1,2}/[^"]+)";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|const|class) (\w+))", re.MULTILINE)
_EXPORT_AGAIN = re.compile(r"^export (\{[\w, ]+\});$", re.MULTILINE)
_LEFT = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)


def list_modules() -> list[str]:
    """Paths of all modules from the folder ``app/``: "page/common.js"."""
    return sorted(file.relative_to(_APP).as_posix() for file in _APP.glob("*/**/*.js"))


def join_modules(roots: Iterable[str]) -> str:
    """Modules and all that they import as one script: a browser asks for it once, not for each.

    Each module becomes a function that is called once and returns what the module exports, after
    those of the modules it imports.

    Args:
        roots: paths from the folder ``app/``.

    Returns:
        JavaScript with ``const modules``: what each module exports, by its path. It may stand in
        an element ``<script>``.

    Raises:
        ValueError: a module imports or exports in a form other than ``import { a, b as c } from
            "./path.js"``, ``export`` before a function, constant or class, or ``export { a }``;
            or modules import each other in a circle.
    """
    sources: dict[str, str] = {}
    imports: dict[str, set[str]] = {}
    waiting = set(roots)
    while waiting:
        path = waiting.pop()
        sources[path], imports[path] = _wrap(path)
        waiting |= imports[path] - sources.keys()
    # Sorted, so that one version of the page always makes the same script.
    order = TopologicalSorter({path: sorted(imports[path]) for path in sorted(imports)})
    script = "".join(["const modules = {};\n", *map(sources.__getitem__, order.static_order())])
    return script.replace("</script", r"<\/script").replace("<!--", r"<\!--")


def read_styles(*names: str) -> str:
    """Style sheets in the order they are applied.

    Args:
        names: paths from the folder ``app/``.
    """
    return "\n".join((_APP / name).read_text(encoding="utf-8") for name in names)


def _wrap(path: str) -> tuple[str, set[str]]:
    """A module as a function that is called, and the paths of the modules it imports."""
    text = (_APP / path).read_text(encoding="utf-8")
    others: set[str] = set()

    def take(match: re.Match[str]) -> str:
        other = posixpath.normpath(posixpath.join(posixpath.dirname(path), match[2]))
        others.add(other)
        return f'const {match[1].replace(" as ", ": ")} = modules["{other}"];'

    names = _EXPORT.findall(text)
    names += [name for group in _EXPORT_AGAIN.findall(text) for name in re.findall(r"\w+", group)]
    text = _EXPORT.sub("", _EXPORT_AGAIN.sub("", _IMPORT.sub(take, text)))
    if left := _LEFT.search(text):
        raise ValueError(f"{path} has an import or export that cannot be joined: {left[0]}")
    return (
        f'modules["{path}"] = (() => {{\n{text}\nreturn {{ {", ".join(names)} }};\n}})();\n',
        others,
    )
