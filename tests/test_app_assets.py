"""The modules that draw the page, as they are served: under a path, too, and behind a proxy."""

import re
from urllib.parse import urljoin

import gradio as gr
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.page.assets import asset_options
from app.page.components import add_view


def mount_page(path: str, **options) -> TestClient:
    with gr.Blocks(analytics_enabled=False) as demo:
        add_view("video", None, ("begin",)).begin(lambda: None)
    options = {"css_paths": [], **asset_options(), **options}
    return TestClient(gr.mount_gradio_app(FastAPI(), demo, path, **options))


def find_module(client: TestClient, page: str) -> str:
    """The address of the first module of the page at an address, as a browser finds it."""
    html = client.get(page).text
    path = re.search(r'import\(new URL\(\\"([^"\\]+)', html)[1]
    return urljoin(urljoin(page, re.search(r'<base href="([^"]+)"', html)[1]), path)


@pytest.mark.parametrize("page", ["/", "/demo/"])
def test_modules_lie_beside_the_page(page):
    client = mount_page(page.rstrip("/") or "/")
    answer = client.get(find_module(client, page))
    assert "export function mount(" in answer.text
    assert answer.headers["content-type"] == "text/javascript"
    assert answer.headers["cache-control"] == "no-cache"
    for path in re.findall(r'from "(.+?)";', answer.text):
        assert client.get(urljoin(find_module(client, page), path)).is_success
    again = client.get(answer.url, headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


def test_every_module_is_asked_for_at_once():
    client = mount_page("/")
    paths = re.findall(r'rel="modulepreload" href="(.+?)"', asset_options()["head"])
    assert "sparsevit/page/common.js" in paths
    assert all(client.get(f"/{path}").is_success for path in paths)


def test_proxies_may_take_the_path_off():
    client = mount_page("/", root_path="/far/away")
    assert client.get("/sparsevit/page/common.js").is_success


def test_modules_need_no_login():
    client = mount_page("/", auth=("me", "secret"))
    assert client.get("/sparsevit/page/common.js").is_success


@pytest.mark.parametrize("path", ["page/ui.py", "page/none.js", "../app.py", "%2e%2e/x.js", "page"])
def test_nothing_but_modules_is_served(path):
    assert mount_page("/").get(f"/sparsevit/{path}").status_code == 404
