"""The networks that the page offers: each loaded, or fetched, when first asked for."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable

from app.config import Config
from sparsevit.networks import (
    LoadedModel,
    ModelError,
    ModelInfo,
    Tell,
    download_model,
    list_models,
    load_model,
    needs_download,
)

_log = logging.getLogger(__name__)


class Networks:
    """Networks by name; those used last are kept.

    Args:
        config: which device, and how many are kept.

    Attributes:
        follow_download: gives for a network's name what is told how far its download is; called
            in the thread of whoever asked for the network.
        kept: those in memory, the one used last at the end; each by the tasks that were asked for,
            None for its first.
    """

    def __init__(self, config: Config) -> None:
        self.follow_download: Callable[[str], Tell | None] = lambda name: None
        self._config = config
        self._load_lock = threading.Lock()
        self._download_lock = threading.Lock()
        self.kept: OrderedDict[str, dict[str | None, LoadedModel]] = OrderedDict()
        self._infos: list[ModelInfo] | None = None

    def list_infos(self) -> list[ModelInfo]:
        """Every network that has a name, those that work offline first."""
        with self._load_lock:
            if self._infos is None:
                self._infos = list_models()
            return self._infos

    def get(self, name: str, task: str | None = None) -> LoadedModel:
        """A network, sparsified.

        Args:
            name: of the network.
            task: what it is run for; the first that it can do if None.

        Raises:
            ModelError: it cannot be had, or cannot do the task.
        """
        own = self._config.checkpoint if name == self._config.model else None
        if name not in self.kept and own is None and needs_download(name):
            self._download(name)
        with self._load_lock:
            if name not in self.kept:
                loaded = load_model(name, self._config.device, own)
                self.kept[name] = {None: loaded}
                if loaded.note:
                    _log.warning("%s", loaded.note)
                while len(self.kept) > self._config.kept_models:
                    self.kept.popitem(last=False)
            self.kept.move_to_end(name)
            for_tasks = self.kept[name]
            if task not in for_tasks:
                for_tasks[task] = for_tasks[None].for_task(task)
            return for_tasks[task]

    def _download(self, name: str) -> None:
        """Fetch weights, which may take minutes: nobody waits for it but who asked for them."""
        if not self._download_lock.acquire(blocking=False):
            raise ModelError("Another network is being downloaded; choose this one again later.")
        try:
            download_model(name, self.follow_download(name))
        finally:
            self._download_lock.release()
        with self._load_lock:
            self._infos = None  # the list says what is here
