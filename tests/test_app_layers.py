"""One-way layers of the page: who may import whom, and that no file waits for itself."""

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import app

ROOT = Path(app.__file__).resolve().parent

#: From the ground up, as the table in the package's docstring has them.
LAYERS = re.findall(r"^\| (\w+) +\|", app.__doc__, re.MULTILINE)[1:]

FILES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))


def find_layer(module: str) -> str:
    """ "page" of "app.page.ui"."""
    return module.split(".")[1]


def name_module(file: str) -> str:
    """ "app.page.ui" of "page/ui.py"."""
    return "app." + file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


MODULES = {name_module(file): file for file in FILES if file != "__init__.py"}


def list_imports(file: str) -> set[str]:
    """Dotted names a file imports anywhere, also for types alone; of ours those that are files."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively"
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= (whole & MODULES.keys()) or {node.module or ""}
    return names


def test_every_folder_has_its_place() -> None:
    assert {find_layer(module) for module in MODULES} == set(LAYERS)
    assert len(LAYERS) == len(set(LAYERS))


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_upwards(module: str) -> None:
    own = LAYERS.index(find_layer(module))
    for name in list_imports(MODULES[module]):
        assert not name.startswith("app.") or LAYERS.index(find_layer(name)) <= own, name
        is_plain = find_layer(module) in ("config", "engine")
        assert not is_plain or name.split(".")[0] != "gradio", f"{module} imports gradio"


def test_no_file_imports_itself_through_others() -> None:
    graph = {name: list_imports(file) & MODULES.keys() for name, file in MODULES.items()}
    order = list(TopologicalSorter(graph).static_order())  # raises at a circle
    assert order.index("app.engine.protocol") < order.index("app.page.tab")
