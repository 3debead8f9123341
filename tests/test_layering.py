"""One-way layers: who may import whom, and what importing the library costs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sparsevit

ROOT = Path(sparsevit.__file__).resolve().parent

#: From the ground up; a file imports only from entries before its own, or from its own folder.
LAYERS = (
    "bundle",
    "choices",
    "extras",
    "schedule",
    "windows",
    "scoring",
    "overrides",
    "trace",
    "pruning",
    "forwards",
    "stage",
    "hosts",
    "patch",
    "graphs",
    "compiling",
    "cost",
    "dense",
    "load",
    "latency",
    "memory",
    "transforms",
    "segmenter_config",
    "segmenter",
    "vis",
    "tasks",
    "data",
    "zoo",
    "convert",
    "analysis",
    "steps",
    "tradeoff",
    "end_to_end",
    "evaluation",
    "plots",
    "training",
    "search",
    "studies",
    "bench",
    "report",
    "cli",
    "__main__",
)
FOLDERS = ("hosts", "tasks", "data", "zoo", "evaluation", "training", "search", "studies", "cli")

#: What may name a host library's internals.
HOST_LAYERS = {"hosts", "zoo", "segmenter"}


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
PUBLIC = {name for name in sparsevit.__all__ if name not in LAYERS}


@pytest.mark.parametrize("file", FILES)
def test_imports_point_downwards(file: str) -> None:
    imports = list_imports(ROOT / file)
    assert not [name for name in imports if name == "app" or name.startswith("app.")]
    if file == "__init__.py":
        return
    own = file.split("/")[0].removesuffix(".py")
    assert own in LAYERS, f"give {file} its place in LAYERS"
    for name in imports:
        parts = name.split(".")
        if parts[0] != "sparsevit" or len(parts) == 1:  # somebody else's, or the package
            continue
        # The package's own names come from no higher than patch.py.
        other = "patch" if parts[1] in {*PUBLIC, "__version__"} else parts[1]
        allowed = LAYERS.index(other) < LAYERS.index(own)
        assert allowed or (own == other and own in FOLDERS), f"{file} imports {name}"


def test_the_ground_floor_is_the_standard_library() -> None:
    imports = {name.split(".")[0] for name in list_imports(ROOT / "schedule.py")}
    assert imports <= set(sys.stdlib_module_names)


@pytest.mark.parametrize(
    "file", [f"{name}.py" for name in LAYERS if name not in FOLDERS and name not in HOST_LAYERS]
)
def test_only_adapters_know_a_host_s_internals(file: str) -> None:
    if (ROOT / file).exists():
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
