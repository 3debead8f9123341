"""Open the page: ``python app.py`` and visit http://127.0.0.1:7860."""

from __future__ import annotations

import os
import sys

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before gradio is imported: nothing calls home
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

from app.config import parse_args


def main() -> int:
    """Parse the command line, compute the first result, serve until interrupted."""
    config = parse_args()
    from app.engine import Engine  # seconds, which --help need not take
    from app.ui import build_demo, launch_options
    from sparsevit.transforms import ImageError
    from sparsevit.zoo import ModelError

    engine = Engine(config)
    try:
        engine.start()
        demo = build_demo(engine).queue(max_size=config.max_queue)
        demo.launch(
            server_name=config.host,
            server_port=config.port,
            share=config.share,
            **launch_options(engine),
        )
    except (ModelError, ImageError, OSError) as error:  # OSError: the port is taken
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
