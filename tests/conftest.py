"""Settings and fixtures that tests share; what only some need is imported when one asks for it."""

import math
import os
import shutil
import tempfile

import pytest
import torch

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before gradio is imported: nothing calls home
# Gradio looks for a free port among a hundred: every worker of pytest-xdist has its own hundred.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
os.environ["GRADIO_SERVER_PORT"] = str(7860 + 100 * _WORKER)
torch.set_num_threads(1)  # the test networks are too small to share between threads


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
NO_CHROMIUM = "The browser tests need chromium; on Debian: apt-get install chromium"


def pytest_configure(config):
    """Without chromium browser tests are skipped; where CI is set, which must not, nothing runs."""
    if os.environ.get("CI") and CHROMIUM is None and config.option.markexpr != "not ui":
        pytest.exit(NO_CHROMIUM, returncode=1)


@pytest.fixture(scope="session", autouse=True)
def _own_temporary_folder(tmp_path_factory):
    """Holds what gradio, its client and the page leave behind; pytest deletes it in the end."""
    folder = str(tmp_path_factory.mktemp("left"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", folder)
        patch.setenv("TMPDIR", folder)
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_certificates(tmp_path_factory):
    """Every request of gradio's client reads all certificates, in 50 ms; here none is encrypted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SSL_CERT_FILE", raising=False)
        patch.setenv("SSL_CERT_DIR", str(tmp_path_factory.mktemp("certificates")))
        yield


@pytest.fixture(autouse=True)
def _fixed_seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with tiny networks, where ours are looked for, and with example pictures."""
    from app_support import write_home

    folder = write_home(tmp_path_factory.mktemp("home"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sparsevit.networks.CHECKPOINT_FOLDER", folder)
        for limit in ("MAX_OTHER_LOAD", "MAX_SPREAD", "MAX_BEYOND_IDEAL"):
            patch.setattr(
                f"sparsevit.measure.latency.{limit}", math.inf
            )  # whatever else runs beside us
        yield folder


@pytest.fixture
def doubt_load(monkeypatch):
    """The load of other programs counts, as it does outside tests."""
    monkeypatch.setattr("sparsevit.measure.latency.MAX_OTHER_LOAD", 0.05)


@pytest.fixture(scope="module")
def engine(home):
    """The page's engine with its first result, of the tiny network "small"."""
    from app_support import INFOS, make_engine

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.engine.models.list_models", lambda: INFOS)
        yield make_engine(home)


@pytest.fixture
def fake_engine(engine):
    """One that answers at once, with results of the real one."""
    from page_support import FakeEngine

    return FakeEngine(engine)


@pytest.fixture
def page(fake_engine):
    """One user of the page, without a browser."""
    from page_support import Page

    return Page(fake_engine)


@pytest.fixture(scope="session")
def browser():
    """Debian's chromium, started once."""
    from browser_support import start_chromium

    if CHROMIUM is None:
        pytest.skip(NO_CHROMIUM)
    with start_chromium(CHROMIUM) as chromium:
        yield chromium


@pytest.fixture(scope="session")
def profiles(browser):
    """Its profiles, which tests share one after the other."""
    from browser_support import Profiles

    return Profiles(browser)


@pytest.fixture
def new_page(profiles):
    """Opens pages, each in a profile of its own; at the end of the test none had an error."""
    from browser_support import open_pages

    with open_pages(profiles) as open_it:
        yield open_it
