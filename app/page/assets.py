"""The modules and style sheets of the page: how they reach the browser.

A module draws a part of the page. It exports ``mount({ element, trigger, props, server, upload,
watch })``, which gr.HTML explains, and imports what it shares with others.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.staticfiles import StaticFiles

from app.page.theme import build_theme

_APP = Path(__file__).parent.parent
_FILES = StaticFiles(directory=_APP)
_ROUTE = "sparsevit"  # where the modules lie, below the address of the page


def asset_options() -> dict[str, Any]:
    """What gr.Blocks.launch and gr.mount_gradio_app need for a page made of our components."""
    return {
        "theme": build_theme(),
        "css_paths": list_styles(),
        "head": "".join(map(_preload_module, sorted(_APP.glob("*/**/*.js")))),
        "ssr_mode": False,
        "app_kwargs": {"routes": [Route(f"/{_ROUTE}/{{path:path}}.js", _send_module)]},
    }


def mount_module(name: str, events: Sequence[str] = ()) -> str:
    """JavaScript that lets a module draw an element, for gr.HTML's ``js_on_load``.

    Args:
        name: of the module: ``tabs/NAME/view.js``, or ``NAME.js`` elsewhere.
        events: that the module triggers and gradio does not know.
    """
    view = _APP / "tabs" / name / "view.js"
    file = view if view.exists() else next(_APP.glob(f"*/**/{name}.js"))
    call = "mount({ element, trigger, props, server, upload, watch })"
    quoted = "".join(f' "{event}"' for event in events)  # gr.HTML looks for its events in quotes
    where = f'new URL("{_name_module(file)}", document.baseURI)'
    return f"import({where}).then(({{ mount }}) => {call});//{quoted}"


def list_styles() -> list[Path]:
    """The style sheets of the page and its tabs, in the order they are applied."""
    sheets = _APP.glob("*/**/*.css")
    return sorted(
        sheets, key=lambda file: file.stem if file.parent.name == "page" else file.parent.name
    )


def _name_module(file: Path) -> str:
    """Its address, seen from that of the page."""
    return f"{_ROUTE}/{file.relative_to(_APP).as_posix()}"


def _preload_module(file: Path) -> str:
    """All are asked for at once; a module that is imported by another would wait for it."""
    return f'<link rel="modulepreload" href="{_name_module(file)}">'


async def _send_module(request: Request) -> Response:
    path = f"{request.path_params['path']}.js"
    response = await _FILES.get_response(path, request.scope)
    response.headers["Content-Type"] = "text/javascript"  # Windows may say otherwise
    response.headers["Cache-Control"] = "no-cache"  # or modules of two versions meet
    return response
