"""Looks at files that are about to be committed: none is large, notebooks hold no outputs, and
weights have a card beside them that states their licence.

Run by pre-commit with the names of files, and by a test with all of the repository.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

MAX_BYTES = 300_000
#: What may be larger, by its path in the repository.
LARGE = {
    "assets/street_day_1024x2048.jpg",
    "checkpoints/photo-sr.safetensors",
    "checkpoints/streets-nano.safetensors",
    "checkpoints/streets.safetensors",
}
WEIGHTS = {".bin", ".ckpt", ".onnx", ".pt", ".pth", ".safetensors"}
LICENCE = re.compile(r"\b(Apache[- ]2\.0|BSD-[23]-Clause|CC0|CC[- ]BY[- \w]*\d\.\d|MIT)\b")


def find_faults(root: Path, names: list[str]) -> list[str]:
    """One sentence for each thing that is wrong with the files ``names`` of the folder ``root``."""
    faults: list[str] = []
    for name in names:
        path = root / name
        size = path.stat().st_size
        if size > MAX_BYTES and name not in LARGE:
            faults.append(
                f"{name} has {size:,} bytes and may have {MAX_BYTES:,}: make it smaller, or name "
                "it in tests/check_files.py"
            )
        if path.suffix in WEIGHTS:
            card = path.with_suffix(".md")
            if not card.is_file():
                faults.append(f"{name} needs a card {card.name} beside it that states its licence")
            elif not LICENCE.search(card.read_text(encoding="utf-8")):
                faults.append(f"The card of {name} states no licence such as CC BY-NC 4.0 or MIT")
        if path.suffix == ".ipynb" and _holds_outputs(path):
            faults.append(f"{name} holds outputs: clear them before you commit")
    return faults


def _holds_outputs(path: Path) -> bool:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return any(cell.get("outputs") or cell.get("execution_count") for cell in cells)


if __name__ == "__main__":
    sys.exit("\n".join(find_faults(Path.cwd(), sys.argv[1:])) or None)
