"""Files of the Hugging Face hub: in its normal cache, or fetched into it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import (
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

from sparsevit.zoo.entries import ModelError, UnreachableError

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"

_INDEX_FILE = "model.safetensors.index.json"  # of weights in several files
_PATTERNS = (
    CONFIG_FILE,
    "preprocessor_config.json",
    WEIGHTS_FILE,
    _INDEX_FILE,
    "model-*-of-*.safetensors",
)


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
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    return bool(parts) and all((folder / part).is_file() for part in parts)


def fetch_file(
    name: str, repository: str, file: str, size_mb: float | None, revision: str | None = None
) -> Path:
    """A file of the hub, from the cache or over the network.

    Args:
        name: of the network, for messages.
        repository, file, revision: see :func:`find_file`.
        size_mb: of what the network needs, in units of 1e6 bytes; None if unknown.

    Raises:
        UnreachableError: no network, or it broke off.
        ModelError: the hub has no such thing.
    """
    path = find_file(repository, file, revision)
    if path is None:
        check_reachable(name, repository, file, size_mb, revision)
        with _explain(name, revision, size_mb, "but the download broke off (try again)"):
            path = Path(hf_hub_download(repository, file, revision=revision))
    return path


def fetch_network(name: str, repository: str, size_mb: float | None, revision: str | None) -> Path:
    """The folder of a network of transformers', from the cache or over the network.

    Args:
        name, repository, size_mb, revision: see :func:`fetch_file`.

    Raises:
        UnreachableError: no network, or it broke off.
        ModelError: the hub has no such thing, or no safetensors of it.
    """
    folder = find_network(repository, revision)
    if folder is not None:
        return folder
    try:
        bytes_left = check_reachable(name, repository, WEIGHTS_FILE, size_mb, revision)
        size_mb = bytes_left / 1e6 if bytes_left else size_mb
    except _NoSuchFileError:
        try:
            check_reachable(name, repository, _INDEX_FILE, size_mb, revision)
        except _NoSuchFileError:
            raise ModelError(
                f"{name} has no weights as .safetensors, and no others are loaded; where its page "
                f"has a conversion in a pull request, {name.partition('@')[0]}@refs/pr/N names it."
            ) from None
    with _explain(name, revision, size_mb, "but the download broke off (try again)"):
        folder = Path(
            snapshot_download(repository, revision=revision, allow_patterns=list(_PATTERNS))
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
