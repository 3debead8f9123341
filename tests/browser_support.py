"""Debian's chromium, and pages in it that must stay clean; the fixtures are in ``conftest.py``."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    expect,
    sync_playwright,
)

PATIENCE_MS = 60_000

_ARGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"),
    # Its own test pattern is the webcam.
    *("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),
]

# What chromium and gradio's client say when there is no connection.
_OFFLINE = ("ERR_INTERNET_DISCONNECTED", "TypeError: Failed to fetch", "Connection errored out")

# What gradio's client throws, or logs, on a page that is left or loads again while it waits.
_LEFT = "AbortError: signal is aborted"

expect.set_options(timeout=PATIENCE_MS)


@contextmanager
def start_chromium(path: str) -> Iterator[Browser]:
    """Start the chromium that lies at ``path``."""
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=path, args=_ARGS) as chromium,
    ):
        yield chromium


class Profiles:
    """Profiles of the browser, used again by later tests: what they have compiled stays compiled.

    Pages of one test never share a profile, and nobody finds what an earlier test left behind.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._free: dict[str, list[BrowserContext]] = defaultdict(list)

    def lend(self, **options: Any) -> tuple[str, BrowserContext]:
        """A profile with some options, and what to give it back by."""
        key = json.dumps(options, sort_keys=True)
        free = self._free[key]
        return key, free.pop() if free else self._browser.new_context(**options)

    def take_back(self, key: str, context: BrowserContext) -> None:
        """Empty a profile for the next test."""
        context.set_offline(False)
        context.clear_cookies()
        context.clear_permissions()
        for page in context.pages:
            page.evaluate("() => { localStorage.clear(); sessionStorage.clear(); }")
            page.close()
        self._free[key].append(context)


@contextmanager
def open_pages(profiles: Profiles) -> Iterator[Callable[..., Page]]:
    """What opens pages: ``open_it(url, width, height, **options of the context)``.

    At the end no page may have raised an error, written one to the console, or asked another
    machine for anything. That a test took it offline is no error.
    """
    lent, problems = [], []

    def check_message(message: ConsoleMessage) -> None:
        is_offline = any(words in message.text for words in _OFFLINE)
        if message.type == "error" and not is_offline:
            check_error(message.text)

    def check_error(error: str) -> None:
        if _LEFT not in error:
            problems.append(error)

    def check_request(request: Request) -> None:
        if urlsplit(request.url).hostname not in (None, "127.0.0.1"):  # None: data:, blob:
            problems.append(f"request to {request.url}")

    def open_it(url: str, width: int = 1280, height: int = 800, **options: Any) -> Page:
        viewport = {"width": width, "height": height}
        key, context = profiles.lend(viewport=viewport, **options)
        lent.append((key, context))
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: check_error(str(error)))
        page.on("console", check_message)
        page.on("request", check_request)
        page.goto(url)
        return page

    yield open_it
    for key, context in lent:
        profiles.take_back(key, context)
    assert not problems, problems


def expect_no_clipping(page: Page) -> None:
    """The page is not wider than the window."""
    widths = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    inner, outer = page.evaluate(widths)
    assert inner <= outer


def wait_in(page: Page, is_so: Callable[[], bool]) -> None:
    """Let the page go on until something is so that happens in this process."""
    for _ in range(PATIENCE_MS // 20):
        if is_so():
            return
        page.wait_for_timeout(20)
    raise AssertionError(f"Not so after {PATIENCE_MS} ms")


def wait_two_frames(page: Page) -> None:
    """Wait until what a script asked the browser to draw is drawn."""
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
