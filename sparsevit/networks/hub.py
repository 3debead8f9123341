"""Files of the Hugging Face hub: in its normal cache, or fetched into it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huggingface_hub import (
    constants,
    get_hf_file_metadata,
    hf_hub_download,
    hf_hub_url,
    snapshot_download,
    try_to_load_from_cache,
)
from huggingface_hub.errors import (
    GatedRepoError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils.tqdm import tqdm

from sparsevit.networks.entries import ModelError, UnreachableError

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"

#: Called with (bytes that are here, bytes in all) several times a second while they come.
Tell = Callable[[int, int], None]

_INDEX_FILE = "model.safetensors.index.json"  # of weights in several files
_PATTERNS = (
    CONFIG_FILE,
    "preprocessor_config.json",
    WEIGHTS_FILE,
    _INDEX_FILE,
    "model-*-of-*.safetensors",
)
_BROKE_OFF = "but the download broke off (try again)"
_TOLD_EVERY_S = 0.2
_CHUNK_BYTES = 2**18  # the hub's library counts, and keeps, whole chunks of 10 MB


def find_file(repository: str, file: str, revision: str | None = None) -> Path | None:
    """A file in the cache, None if it is not there.

    Args:
        repository: ORG/NAME.
        file: its name in there.
        revision: branch, tag or commit; the main branch if None.
    """
    path = try_to_load_from_cache(repository, file, revision=revision)
    return Path(path) if isinstance(path, str) else None


def find_network(repository: str, revision: str | None) -> Path | None:
    """The folder of a network of transformers' in the cache, None unless all of it is there."""
    config = find_file(repository, CONFIG_FILE, revision)
    return config.parent if config is not None and has_weights(config.parent) else None


def has_weights(folder: Path) -> bool:
    """Whether a folder holds a network's weights as safetensors, in one file or in several."""
    if (folder / WEIGHTS_FILE).is_file():
        return True
    try:
        parts = json.loads((folder / _INDEX_FILE).read_text())["weight_map"].values()
        return bool(parts) and all((folder / part).is_file() for part in parts)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def fetch_file(
    name: str,
    repository: str,
    file: str,
    size_mb: float | None,
    revision: str | None = None,
    tell: Tell | None = None,
) -> Path:
    """A file of the hub, from the cache or over the network.

    Args:
        name: of the network, for messages.
        repository, file, revision: see :func:`find_file`.
        size_mb: of what the network needs, in units of 1e6 bytes; None if unknown.
        tell: learns how far the download is; where there is none, a terminal shows a bar.

    Raises:
        UnreachableError: no network, or it broke off.
        ModelError: the hub has no such thing.
    """
    path = find_file(repository, file, revision)
    if path is None:
        num_bytes = check_reachable(name, repository, file, size_mb, revision)
        with _explain(name, revision, size_mb, _BROKE_OFF), _count(tell, num_bytes) as bar:
            path = Path(hf_hub_download(repository, file, revision=revision, tqdm_class=bar))
    return path


def fetch_network(
    name: str,
    repository: str,
    size_mb: float | None,
    revision: str | None,
    tell: Tell | None = None,
) -> Path:
    """The folder of a network of transformers', from the cache or over the network.

    Args:
        name, repository, size_mb, revision, tell: see :func:`fetch_file`.

    Raises:
        UnreachableError: no network, or it broke off.
        ModelError: the hub has no such thing, or no safetensors of it.
    """
    folder = find_network(repository, revision)
    if folder is not None:
        return folder
    num_bytes = None
    try:
        num_bytes = check_reachable(name, repository, WEIGHTS_FILE, size_mb, revision)
        size_mb = num_bytes / 1e6 if num_bytes else size_mb
    except _NoSuchFileError:
        try:
            check_reachable(name, repository, _INDEX_FILE, size_mb, revision)
        except _NoSuchFileError:
            raise ModelError(
                f"{name} has no weights as .safetensors, and no others are loaded; where its page "
                f"has a conversion in a pull request, {name.partition('@')[0]}@refs/pr/N names it."
            ) from None
    with _explain(name, revision, size_mb, _BROKE_OFF), _count(tell, num_bytes) as bar:
        folder = Path(
            snapshot_download(
                repository, revision=revision, allow_patterns=list(_PATTERNS), tqdm_class=bar
            )
        )
        if not has_weights(folder):
            raise OSError("the snapshot lacks its weights")
    return folder


def check_reachable(
    name: str, repository: str, file: str, size_mb: float | None, revision: str | None
) -> int | None:
    """Ask the hub for a file without fetching it; gives up at once, where downloads try again.

    Args:
        name, repository, file, size_mb, revision: see :func:`fetch_file`.

    Returns:
        Its size in bytes, if the hub says so.

    Raises:
        UnreachableError: no network.
        ModelError: the hub has no such thing.
    """
    with _explain(name, revision, size_mb, "which cannot be reached"):
        return get_hf_file_metadata(hf_hub_url(repository, file, revision=revision)).size


class _NoSuchFileError(ModelError):
    """The repository is there and the file is not."""


class _Counter:
    """What the bars of one download count, told on.

    Some bars count the same bytes twice: as they come over the network, packed, and as they are
    written. Others count files, or parts of a sum that grows as files are begun.

    Args:
        tell: learns of it.
        num_bytes: of the largest file; None if unknown.
    """

    def __init__(self, tell: Tell, num_bytes: int | None) -> None:
        self._tell = tell
        self._num_bytes = num_bytes or 0
        self._told_s = 0.0
        self._counts: dict[Any, int] = {}  # by bar
        self._lock = threading.Lock()

    def add(self, bar: Any, num_bytes: int) -> None:
        """A bar moved on."""
        with self._lock:  # files of one network come in threads of their own
            self._counts[bar] = self._counts.get(bar, 0) + num_bytes
            total = max(self._num_bytes, *(known.total or 0 for known in self._counts))
            done = min(total, max(self._counts.values()))
            now_s = time.monotonic()
            if total and (now_s - self._told_s >= _TOLD_EVERY_S or done == total):
                self._told_s = now_s
                self._tell(done, total)


@contextmanager
def _count(tell: Tell | None, num_bytes: int | None) -> Iterator[type[tqdm] | None]:
    """The class of bars for a download, None for the library's own; see :class:`_Counter`."""
    chunk_bytes = constants.DOWNLOAD_CHUNK_SIZE
    constants.DOWNLOAD_CHUNK_SIZE = min(chunk_bytes, _CHUNK_BYTES)
    try:
        yield None if tell is None else _make_bar(_Counter(tell, num_bytes))
    finally:
        constants.DOWNLOAD_CHUNK_SIZE = chunk_bytes


def _make_bar(counter: _Counter) -> type[tqdm]:
    class Bar(tqdm):
        """The library's bar; it counts where there is no terminal to show it in, too."""

        def __init__(self, *args: Any, **options: Any) -> None:
            start: Any = super().__init__  # the library's bars have no types
            start(*args, **options)
            self.counts_bytes = options.get("unit") == "B"
            if self.counts_bytes and options.get("initial"):
                counter.add(self, options["initial"])

        def update(self, n: float | None = 1) -> bool | None:
            if self.counts_bytes:
                counter.add(self, int(n or 0))
            moved: bool | None = super().update(n)
            return moved

    return Bar


@contextmanager
def _explain(
    name: str, revision: str | None, size_mb: float | None, trouble: str
) -> Iterator[None]:
    """One sentence for whatever the hub's library and the HTTP library beneath it raise."""
    try:
        yield
    except ModelError:
        raise
    except GatedRepoError as error:
        raise ModelError(
            f"{name} is open only to those who accepted its terms on the Hugging Face hub; log in "
            f"with 'hf auth login' or set HF_TOKEN."
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"The Hugging Face hub has no {name}, or it is private; then log in with "
            f"'hf auth login' or set HF_TOKEN."
        ) from error
    except RevisionNotFoundError as error:
        raise ModelError(f"{name} has no revision {revision or 'main'}.") from error
    except RemoteEntryNotFoundError as error:
        raise _NoSuchFileError(f"{name} is no network of transformers' with a config.json.") from (
            error
        )
    except Exception as error:
        amount = f"{size_mb:.0f} MB" if size_mb is not None else "weights"
        raise UnreachableError(
            f"{name} needs {amount} from the Hugging Face hub, {trouble}"
        ) from error
