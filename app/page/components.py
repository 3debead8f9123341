"""The page's own components: views drawn by a script, and the photo input."""

from __future__ import annotations

from abc import ABCMeta
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from urllib.parse import unquote

import gradio as gr
import numpy as np
from gradio import state_holder
from gradio.blocks import Block
from gradio.component_meta import ComponentMeta
from gradio.data_classes import FileData, ImageData
from gradio.processing_utils import save_file_to_cache
from gradio.utils import get_upload_folder, is_in_or_equal
from gradio_client.utils import is_http_url_like
from PIL import Image

from app.page.assets import mount_module


def add_view(name: str, value: str | None, events: Sequence[str] = (), **options: Any) -> gr.HTML:
    """A part of the page that ``tabs/NAME/view.js``, or ``NAME.js`` elsewhere, draws from JSON.

    Args:
        name: of the module; the element's id is ``sv-NAME``.
        value: JSON, or None while there is nothing to show.
        events: that the module triggers and gradio does not know.
        options: of gr.HTML.
    """
    return gr.HTML(
        value,
        html_template=f'<div class="sv-{name}"></div>',
        js_on_load=mount_module(name, events),
        apply_default_css=False,
        elem_id=f"sv-{name}",
        **options,
    )


def add_figure(value: str, elem_id: str) -> gr.HTML:
    """A part of the page that Python draws as HTML; what has a data-index in it can be pressed.

    Args:
        value: HTML.
        elem_id: of the element.
    """
    script = mount_module("figure")
    return gr.HTML(value, js_on_load=script, apply_default_css=False, elem_id=elem_id)


def _take_file(self: gr.Image, payload: ImageData | None) -> Any:
    """The uploaded file as it came, so that our own reader judges it and not gradio's.

    Gradio lets a request name any file of the server as long as it leaves out the mark of a file.
    """
    if payload is None or not payload.path:
        return gr.Image.preprocess(self, payload)
    if not is_in_or_equal(payload.path, get_upload_folder()):
        raise gr.Error("The photo must be uploaded first.", print_exception=False)
    return payload.path


async def _find_upload(self: Block, path: str | Path | None) -> str | None:
    """The uploaded file, also by its address on this server, as gradio's tool for agents names it.

    Other addresses are refused. Gradio would fetch them, whatever their size.
    """
    if is_http_url_like(str(path)):
        path = unquote(str(path).partition("/gradio_api/file=")[2])
        if not path or not is_in_or_equal(path, get_upload_folder()):
            raise gr.Error(
                "Upload the file first; addresses are not opened.", print_exception=False
            )
    return await Block.async_move_resource_to_block_cache(self, path)


def _save_whole(self: gr.Image, value: np.ndarray | None) -> ImageData | None:
    """The picture as a file that is complete before anybody can see it.

    Gradio names a file after what is in it and writes it in place, so that two people who ask for
    the same picture at once could read a part of it.
    """
    if value is None:
        return None
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"picture.{self.format}"
        Image.fromarray(value).save(path)
        return ImageData(path=save_file_to_cache(path, self.GRADIO_CACHE))


class NamedBytes(NamedTuple):
    """A file that was made: its name and what is in it."""

    name: str
    data: bytes


def _save_bytes(self: gr.File, value: NamedBytes | None) -> FileData | None:
    """What was made as a file of gradio's, which alone knows when to delete it."""
    if value is None:
        return None
    with TemporaryDirectory() as folder:
        path = Path(folder) / value.name
        path.write_bytes(value.data)
        kept = save_file_to_cache(path, self.GRADIO_CACHE)
    return FileData(path=kept, orig_name=value.name, size=len(value.data))


def _adapt(component: type[Block], name: str, **methods: Any) -> Any:
    """A class like one of gradio's but for some methods.

    Gradio's own way of making component classes writes a stub file beside this source.
    """
    own = {"is_template": True, "__module__": __name__}
    return ABCMeta.__new__(ComponentMeta, name, (component,), own | methods)


_UPLOADS: dict[str, Any] = {"async_move_resource_to_block_cache": _find_upload}
PhotoInput = _adapt(gr.Image, "PhotoInput", preprocess=_take_file, **_UPLOADS)
ClipInput = _adapt(gr.File, "ClipInput", **_UPLOADS)
ModelInput = _adapt(gr.UploadButton, "ModelInput", **_UPLOADS)
FileOutput = _adapt(gr.File, "FileOutput", postprocess=_save_bytes)
PictureOutput = _adapt(gr.Image, "PictureOutput", postprocess=_save_whole)


class _SessionState(state_holder.SessionState):
    """What gradio remembers of a session, without the leak.

    Gradio puts a new component in the place of every one that gr.update or gr.skip is returned for,
    and gives it a new id. Then it remembers it, and what it shows, under both ids, for ever.
    """

    def __setitem__(self, key: int, value: Any) -> None:
        if isinstance(value, Block):
            value._id = key
        super().__setitem__(key, value)


state_holder.SessionState = _SessionState  # type: ignore[misc]
