"""The modules that draw the page, as they are served: under a path, too, and behind a proxy."""

import re
from urllib.parse import urljoin

import gradio as gr
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.page import assets
from app.page.assets import asset_options, mount_module
from app.page.components import add_view


def mount_page(path: str, **options) -> TestClient:
    with gr.Blocks(analytics_enabled=False) as demo:
        add_view("video", None, ("begin",)).begin(lambda: None)
    options = {"css_paths": [], **asset_options(), **options}
    return TestClient(gr.mount_gradio_app(FastAPI(), demo, path, **options))


def find_script(client: TestClient, page: str) -> str:
    """The address of the modules of the page at an address, as a browser finds it."""
    html = client.get(page).text
    path = re.search(r'import\(new URL\(\\"([^"\\]+)', html)[1]
    return urljoin(urljoin(page, re.search(r'<base href="([^"]+)"', html)[1]), path)


@pytest.mark.parametrize("page", ["/", "/demo/"])
def test_modules_lie_beside_the_page(page):
    client = mount_page(page.rstrip("/") or "/")
    answer = client.get(find_script(client, page))
    assert "function mount(" in answer.text
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "immutable" in answer.headers["cache-control"]


def test_another_version_has_another_address(monkeypatch):
    before = mount_module("panel")
    monkeypatch.setattr(assets, "join_modules", lambda paths: "const modules = {};")
    for made in (assets._make_script, assets._name_script):
        monkeypatch.setattr(assets, made.__name__, made.__wrapped__)
    assert mount_module("panel") != before


def test_proxies_may_take_the_path_off():
    client = mount_page("/", root_path="/far/away")
    assert client.get("/sparsevit/modules.js").is_success


def test_modules_need_no_login():
    client = mount_page("/", auth=("me", "secret"))
    assert client.get("/sparsevit/modules.js").is_success


@pytest.mark.parametrize("path", ["page/ui.py", "page/pin.js", "../app.py", "%2e%2e/x.js", "page"])
def test_nothing_but_the_modules_is_served(path):
    assert mount_page("/").get(f"/sparsevit/{path}").status_code == 404
