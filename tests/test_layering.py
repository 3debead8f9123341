"""One-way layers: who may import whom, and what importing the library costs."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import sparsevit

ROOT = Path(sparsevit.__file__).resolve().parent

#: From the ground up, as README's table has them; a file imports only from layers before its own,
#: or from its own folder.
README = (ROOT.parent / "README.md").read_text(encoding="utf-8")
TABLE = README.split("## Architecture", 1)[1].split("\n## ", 1)[0]
LAYERS = tuple(re.findall(r"^\| `(\w+)(?:/|\.py)` \|", TABLE, re.MULTILINE))

#: What may name a host library's internals.
HOST_LAYERS = {"hosts", "networks"}


def list_imports(path: Path) -> list[str]:
    """Dotted names a file imports anywhere, in functions too."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.extend(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively"
            names.append(node.module or "")
            if node.module in ("sparsevit", "sparsevit.hosts"):
                names.extend(f"{node.module}.{alias.name}" for alias in node.names)
    return names


FILES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))


@pytest.mark.parametrize("file", FILES)
def test_imports_point_downwards(file: str) -> None:
    imports = list_imports(ROOT / file)
    assert not [name for name in imports if name == "app" or name.startswith("app.")]
    if file in ("__init__.py", "__main__.py"):
        return
    own = file.split("/")[0].removesuffix(".py")
    assert own in LAYERS, f"give {file} its place in README's table of layers"
    for name in imports:
        parts = name.split(".")
        if parts[0] != "sparsevit" or len(parts) == 1:  # somebody else's, or the package
            continue
        # The package's own names come from no higher than patch.py.
        other = parts[1] if parts[1] in LAYERS else "patch"
        assert other == own or LAYERS.index(other) < LAYERS.index(own), f"{file} imports {name}"


def test_every_folder_has_its_place() -> None:
    there = {file.split("/")[0].removesuffix(".py") for file in FILES}
    assert there - {"__init__", "__main__"} == set(LAYERS)
    assert len(LAYERS) == len(set(LAYERS))


def test_the_ground_floor_is_the_standard_library() -> None:
    imports = {name.split(".")[0] for name in list_imports(ROOT / "schedule.py")}
    assert imports <= set(sys.stdlib_module_names)


@pytest.mark.parametrize("file", [f for f in FILES if f.split("/")[0] not in HOST_LAYERS])
def test_only_adapters_know_a_host_s_internals(file: str) -> None:
    imports = list_imports(ROOT / file)
    assert not [name for name in imports if name.startswith(("timm.models", "transformers"))]


def test_importing_the_library_stays_light_and_quiet() -> None:
    heavy = ("gradio", "transformers", "matplotlib", "cv2", "optuna", "app")
    code = f"import sys, sparsevit; print([m for m in {heavy} if m in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT.parent, capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "[]"
    assert result.stderr == ""


def test_public_names_exist() -> None:
    assert all(hasattr(sparsevit, name) for name in sparsevit.__all__)
    assert len(set(sparsevit.__all__)) == len(sparsevit.__all__)
