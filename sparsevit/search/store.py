"""Where optuna keeps the studies of searches: a database, a journal or memory."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from sqlalchemy.exc import SQLAlchemyError

from sparsevit.search.errors import SearchError

_ATTEMPTS = 4
_ATTEMPT_S = 0.25
_BUSY_TIMEOUT_S = 60.0


class Store:
    """Where studies are kept.

    Attributes:
        storage: optuna's.
    """

    def __init__(self, spec: str | BaseStorage | None, folder: Path | None) -> None:
        """Open it, or create it.

        Args:
            spec: any storage URL of optuna's, "journal:FILE", or an open storage; None for
                study.db in the folder, or for memory without one.
            folder: of the search.

        Raises:
            SearchError: it cannot be opened.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._file: Path | None = None
        if spec is None and folder is not None:
            spec = f"sqlite:///{folder / 'study.db'}"
        with self.guard():
            self.storage = self._open(spec)

    def _open(self, spec: str | BaseStorage | None) -> BaseStorage:
        if spec is None:
            return optuna.storages.InMemoryStorage()
        if isinstance(spec, BaseStorage):
            return spec
        kind, _, rest = spec.partition(":")
        if kind == "journal":
            path = Path(rest).expanduser()
            path.parent.mkdir(parents=True, exist_ok=True)
            storage: BaseStorage = JournalStorage(JournalFileBackend(str(path)))
        elif kind == "sqlite":
            path = Path(rest.removeprefix("///"))
            path.parent.mkdir(parents=True, exist_ok=True)
            storage = _open_database(spec, {"connect_args": {"timeout": _BUSY_TIMEOUT_S}})
        elif "://" in spec:
            return _open_database(spec, {"pool_pre_ping": True})
        else:
            raise SearchError(
                f"A storage is a URL such as sqlite:///study.db or postgresql://USER@HOST/NAME, "
                f"or journal:FILE, not {spec!r}."
            )
        self._file = path
        return storage

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Turn whatever a storage raises into one sentence.

        Raises:
            SearchError: it cannot be reached, or its file is gone.
        """
        if self._file is not None and not self._file.exists():
            raise SearchError(
                f"The storage of the study is gone: {self._file} does not exist any more."
            )
        try:
            yield
        except (StorageInternalError, SQLAlchemyError, OSError, ImportError) as error:
            reason = str(error.__cause__ or error).strip().splitlines()
            raise SearchError(
                f"The storage of the study cannot be used: {reason[0] if reason else error!r}"
            ) from error


def _open_database(url: str, engine_kwargs: dict[str, Any]) -> RDBStorage:
    """A database, tried again where another worker creates its tables at this moment."""
    for attempt in range(_ATTEMPTS):
        try:
            return RDBStorage(url, engine_kwargs=engine_kwargs)
        except (StorageInternalError, SQLAlchemyError):
            if attempt == _ATTEMPTS - 1:
                raise
            time.sleep(_ATTEMPT_S)
    raise AssertionError
