"""Open the page: ``python app.py`` and visit http://127.0.0.1:7860."""

from __future__ import annotations

import os
import sys
import time

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before gradio is imported: nothing calls home
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # see sparsevit/cli/__init__.py


def main() -> int:
    """Parse the command line and serve until interrupted."""
    began_s = time.monotonic()
    try:
        from app.config import parse_args

        config = parse_args(announce=_announce)
        from app.engine.local import LocalEngine
        from app.page.launch import serve
        from app.tabs.registry import TABS

        return serve(LocalEngine(config), TABS, began_s)
    except KeyboardInterrupt:
        return 130


def _announce() -> None:
    print("SparseViT: loading PyTorch and the page…", flush=True)  # which takes seconds


if __name__ == "__main__":
    sys.exit(main())
