"""The modules and style sheets of the page: how they reach the browser.

A module draws a part of the page. It exports ``mount({ element, trigger, props, server, upload,
watch })``, which gr.HTML explains, and imports what it shares with others.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.page.modules import join_modules, list_modules
from app.page.theme import build_theme

_APP = Path(__file__).parent.parent
_ROUTE = "sparsevit/modules.js"  # where the modules lie, below the address of the page


def asset_options() -> dict[str, Any]:
    """What gr.Blocks.launch and gr.mount_gradio_app need for a page made of our components."""
    return {
        "theme": build_theme(),
        "css_paths": list_styles(),
        # Asked for before gradio, which takes its time, comes to ask for it.
        "head": f'<link rel="modulepreload" href="{_name_script()}">',
        "ssr_mode": False,
        "app_kwargs": {"routes": [Route(f"/{_ROUTE}", _send_script)]},
    }


def mount_module(name: str, events: Sequence[str] = ()) -> str:
    """JavaScript that lets a module draw an element, for gr.HTML's ``js_on_load``.

    Args:
        name: of the module: ``tabs/NAME/view.js``, or ``NAME.js`` elsewhere.
        events: that the module triggers and gradio does not know.
    """
    view = f"tabs/{name}/view.js"
    paths = list_modules()
    path = view if view in paths else next(path for path in paths if path.endswith(f"/{name}.js"))
    call = f'modules["{path}"].mount({{ element, trigger, props, server, upload, watch }})'
    quoted = "".join(f' "{event}"' for event in events)  # gr.HTML looks for its events in quotes
    where = f'new URL("{_name_script()}", document.baseURI)'
    return f"import({where}).then(({{ modules }}) => {call});//{quoted}"


def list_styles() -> list[Path]:
    """The style sheets of the page and its tabs, in the order they are applied."""
    sheets = _APP.glob("*/**/*.css")
    return sorted(
        sheets, key=lambda file: file.stem if file.parent.name == "page" else file.parent.name
    )


@cache
def _make_script() -> str:
    """All modules as one, which exports ``modules``; a change shows once the page starts again."""
    return join_modules(list_modules()) + "export { modules };\n"


@cache
def _name_script() -> str:
    """Its address, seen from that of the page: another one for every version."""
    return f"{_ROUTE}?v={sha256(_make_script().encode()).hexdigest()[:16]}"


async def _send_script(request: Request) -> Response:
    forever = "public, max-age=31536000, immutable"
    return Response(
        _make_script(), media_type="text/javascript", headers={"Cache-Control": forever}
    )
