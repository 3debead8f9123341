"""Builds the wheel, installs it into a fresh environment and uses it in an empty folder elsewhere.

Run by ``make test-package``. The environment takes the dependencies from the one that runs this,
but not the clone that is installed there.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import venv
import zipfile
from pathlib import Path
from sysconfig import get_path
from urllib.error import URLError
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parent.parent
QUIET = os.environ | {"OMP_WAIT_POLICY": "PASSIVE", "SPARSEVIT_DEVICE": "cpu"}
PHOTO = "street_dusk_512x1024.jpg"
PATIENCE_S = 900


def main() -> None:
    """Build, install, use; ends with an error at the first thing that is wrong."""
    with tempfile.TemporaryDirectory(prefix="sparsevit-package-") as name:
        place = Path(name)
        wheel = build(place)
        check_names(wheel)
        command = install(wheel, place / "environment")
        folder = place / "elsewhere"
        folder.mkdir()
        use(command, folder)
        open_page(command, folder)
    print("The package works.")


def build(place: Path) -> Path:
    """The wheel of this clone."""
    _run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(place), "."], ROOT)
    (wheel,) = place.glob("*.whl")
    return wheel


def check_names(wheel: Path) -> None:
    """That the wheel takes one name, and holds all that is needed and nothing else of size."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        text = archive.read(metadata).decode()
    version = re.search(r'^__version__ = "(.+)"$', _read("sparsevit/__init__.py"), re.MULTILINE)
    assert f"\nVersion: {version[1] if version else ''}\n" in text
    assert "\nLicense-Expression: MIT AND CC-BY-NC-4.0\n" in text
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"sparsevit", metadata.partition("/")[0]}, tops
    bundled = {name.removeprefix("sparsevit/_bundle/") for name in names if "/_bundle/" in name}
    ours = {"app.py", *_list("app"), *_list("assets"), *_list("checkpoints")}
    ours -= {"assets/page.png"}
    assert bundled == ours, bundled ^ ours
    assert "sparsevit/py.typed" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    for card in _list("checkpoints"):
        if card.endswith(".md"):
            assert any(name.endswith(f".dist-info/licenses/{card}") for name in names), card


def install(wheel: Path, environment: Path) -> Path:
    """The command ``sparsevit`` of a fresh environment with the wheel in it."""
    venv.create(environment, symlinks=True)
    python = environment / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps"]
    _run([*pip, str(wheel)], environment)
    found = subprocess.check_output(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
    )
    # A folder named in a .pth is searched, but its own .pth files, such as the clone's, are unread.
    Path(found.strip(), "dependencies.pth").write_text(get_path("purelib") + "\n")
    return python.parent / "sparsevit"


def use(command: Path, folder: Path) -> None:
    """The commands of everyday, in a folder with one photo."""
    shutil.copy(ROOT / "assets" / PHOTO, folder)
    listed = _run([str(command), "models"], folder)
    assert re.search("^streets .* offline ", listed, re.MULTILINE), listed
    run = [str(command), "run", PHOTO, "--size", "256", "--repeats", "1"]
    _run([*run, "--html", "--figure", "svg"], folder)
    assert (folder / "out" / "result.json").is_file()
    assert "const modules = {};" in (folder / "out" / "index.html").read_text(encoding="utf-8")
    assert (folder / "out" / "filmstrip.svg").is_file()
    search = ["search", "--data", "streets:0:2:64x128", "--trials", "2", "--out", "found"]
    _run([str(command), *search], folder)
    assert (folder / "found" / "frontier.json").is_file()
    assert (folder / "found" / "frontier.png").is_file()


def open_page(command: Path, folder: Path) -> None:
    """The page, in a folder with a program and a package of its own name that must not run."""
    (folder / "app").mkdir()
    for stray in ("app.py", "app/__init__.py", "app/config.py"):
        (folder / stray).write_text("raise SystemExit('a stray file ran')\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    with (folder / "page.log").open("w+") as log:
        page = subprocess.Popen(
            [command, "app", "--port", port], cwd=folder, env=QUIET, stdout=log, stderr=log
        )
        try:
            text = _fetch(f"http://127.0.0.1:{port}/config", page)
        finally:
            page.terminate()
            page.wait(PATIENCE_S)
            log.seek(0)
            said = log.read()
    assert text is not None, said
    assert "street day" in text, "the page has no examples"
    assert "stray" not in said, said


def _fetch(url: str, page: subprocess.Popen[bytes]) -> str | None:
    """What the page answers once it does; None if it ended before."""
    end_s = time.monotonic() + PATIENCE_S
    while page.poll() is None and time.monotonic() < end_s:
        try:
            with urlopen(url, timeout=PATIENCE_S) as answer:
                return answer.read().decode()
        except (URLError, ConnectionError):
            time.sleep(0.2)
    return None


def _run(command: list[str], folder: Path) -> str:
    """Standard output of a program that must end well."""
    started_s = time.monotonic()
    result = subprocess.run(command, cwd=folder, env=QUIET, capture_output=True, text=True)
    assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
    print(f"{time.monotonic() - started_s:5.1f} s  {' '.join(map(os.path.basename, command[:6]))}")
    return result.stdout


def _read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _list(folder: str) -> list[str]:
    """Files of a folder of the clone, but for what Python leaves there."""
    paths = (path for path in (ROOT / folder).rglob("*") if path.is_file())
    return [path.relative_to(ROOT).as_posix() for path in paths if "__pycache__" not in path.parts]


if __name__ == "__main__":
    main()
