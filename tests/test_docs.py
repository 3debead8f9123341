"""The pages build without a warning, lead nowhere dead, and ask no other host for anything."""

import re
import warnings
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path

import pytest
from sphinx.cmd.build import main as build

import sparsevit

ROOT = Path(sparsevit.__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

#: What a browser fetches by itself: tag -> attribute.
LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}


class Loads(HTMLParser):
    """Addresses that a page loads by itself, and the names its parts can be reached by."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.names: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.names.add(found.get("id") or "")
        self.addresses.append(found.get(LOADED.get(tag, "")) or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as ``make docs`` does: a dead link is a warning, and that an error."""
    folder = tmp_path_factory.mktemp("site")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what its own parts say of each other
        assert build(["-q", "-W", "-c", str(ROOT / "docs"), str(ROOT), str(folder)]) == 0
    return folder


def test_the_site_asks_no_other_host_for_anything(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > len(PAGES)
    for page in pages:
        for address in Loads(page.read_text()).addresses:
            assert not re.match(r"\w+:|//", address) or address.startswith("data:"), page
    styles = [path for path in site.rglob("*.css") if not path.name.endswith(".map")]
    for text in (path.read_text() for path in [*styles, *pages]):
        assert not re.search(r"(?:@import|url\()\s*(?:url\()?[\"']?(?:https?:)?//", text)


def test_the_start_leads_to_the_first_page(site: Path) -> None:
    target = re.search(r"url=([\w.]+)", (site / "index.html").read_text())
    assert target
    assert (site / target[1]).is_file()


def test_every_public_name_is_in_the_reference(site: Path) -> None:
    names = Loads((site / "docs" / "api.html").read_text()).names
    for name in sparsevit.__all__:
        home = getattr(getattr(sparsevit, name), "__module__", "sparsevit.schedule")
        assert {f"sparsevit.{name}", f"{home}.{name}"} & names, name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_and_modules_named_in_a_page_exist(page: Path) -> None:
    for code in re.findall(r"`([^`\s]+)`", page.read_text(encoding="utf-8")):
        if re.fullmatch(r"(sparsevit|app|docs|tests|checkpoints|assets)/[\w./]+", code):
            is_pattern = re.search(r"[A-Z]{4}|_bundle", code)  # NAME stands for any name
            assert is_pattern or (ROOT / code).exists(), code
        if match := re.match(r"(sparsevit(?:\.\w+)+)(?:\(|$)", code):
            module, _, name = match[1].rpartition(".")
            assert hasattr(import_module(module), name) or import_module(match[1]), code


def test_nothing_is_said_on_two_pages() -> None:
    seen: dict[str, str] = {}
    for page in PAGES:
        for paragraph in re.split(r"\n\s*\n|^- |^```.*$", page.read_text(), flags=re.MULTILINE):
            words = " ".join(paragraph.split())
            if len(words) > 120:
                assert seen.setdefault(words, page.name) == page.name, words
