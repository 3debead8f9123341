"""A photo through a network: pictures are prepared once, and memory that runs out is no end."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from app.config import Config
from app.engine.camera import choose_camera
from app.engine.measuring import Measuring
from app.engine.models import Networks
from app.engine.newest import always
from app.engine.records import Photo, Result, Settings, fit_schedule
from app.engine.tasks import fit_task
from app.engine.turns import Turns
from sparsevit.data.focal import PhotoCamera
from sparsevit.data.reader import ImageError
from sparsevit.inspect.painted import choose_fitting
from sparsevit.inspect.photo import PreparedImage, analyze, prepare_image
from sparsevit.measure.latency import describe_device
from sparsevit.measure.load import LoadMeter
from sparsevit.measure.memory import is_out_of_memory
from sparsevit.networks import LoadedModel, name_model

_UNPAINTED = "Windows painted by hand were left out where this size or network has none such."

_SMALLEST_SIDE = 256  # pixels; below it no smaller size is tried when memory runs out


class Runs:
    """Runs networks on photos.

    Args:
        config: which device, and how many pictures are kept.
        networks: by name.
        turns: among all who run networks.
        measuring: knows latencies of before.

    Attributes:
        prepared: pictures with their dense results, by photo, network, task, short side and
            camera; the one used last at the end.
    """

    def __init__(
        self, config: Config, networks: Networks, turns: Turns, measuring: Measuring
    ) -> None:
        self.prepared: OrderedDict[tuple[Any, ...], PreparedImage] = OrderedDict()
        self._config = config
        self._networks = networks
        self._turns = turns
        self._measuring = measuring

    def analyze(
        self, photo: Photo, settings: Settings, is_current: Callable[[], bool] = always
    ) -> Result:
        """Run a network on a photo: see :meth:`app.engine.protocol.Engine.analyze`."""
        task, note = fit_task(settings, self._networks.get(settings.model))
        loaded = self._networks.get(settings.model, task)
        schedule = fit_schedule(settings.schedule, loaded.depths)
        if settings.linked:
            schedule.check_linked()
        settings = replace(settings, schedule=schedule, task=task)
        camera = choose_camera(photo.size, settings, photo.camera)
        asked = settings.short_side or min(photo.pixels.shape[:2])
        notes = [note]
        while True:
            try:
                with self._turns.hold(loaded, settings.linked, is_current):
                    prepared = self._prepare(loaded, photo, settings.short_side, camera)
                    size = prepared.input_size
                    painted = choose_fitting(loaded.module, size, settings.painted)
                    if painted != settings.painted:
                        notes.append(_UNPAINTED)
                        settings = replace(settings, painted=painted)
                    meter = LoadMeter(loaded.device)
                    with meter:
                        analysis = analyze(loaded, prepared, schedule, painted)
                analysis = replace(analysis, model=name_model(settings.model))
                limit = loaded.explain_limit(photo.pixels, settings.short_side)
                return Result(
                    *(photo, settings, analysis, loaded.depths, loaded.tasks),
                    note=" ".join(filter(None, [*notes, limit])),
                    guess_ms=self._measuring.guess_ms(loaded, analysis, meter.other_load),
                )
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
            self._free_memory()
            device = describe_device(self._config.device)
            smaller = (settings.short_side or asked) // 2 // 32 * 32
            if smaller < _SMALLEST_SIDE:
                raise ImageError(
                    f"The memory of {device} is too small for this picture; "
                    f"close other programs or choose a smaller network."
                )
            settings = replace(settings, short_side=smaller)
            notes[1:] = [
                f"A short side of {asked} pixels is too large for the memory of {device}, "
                f"so {smaller} was used."
            ]

    def _prepare(
        self,
        loaded: LoadedModel,
        photo: Photo,
        short_side: int | None,
        camera: PhotoCamera,
    ) -> PreparedImage:
        key = (photo.key, loaded.name, loaded.task.name, short_side, camera)
        if key not in self.prepared:
            self.prepared[key] = prepare_image(loaded, photo.pixels, short_side, camera)
            while len(self.prepared) > self._config.kept_images:
                self.prepared.popitem(last=False)
        self.prepared.move_to_end(key)
        return self.prepared[key]

    def _free_memory(self) -> None:
        with self._turns.lock:
            self.prepared.clear()
            if torch.device(self._config.device).type == "cuda":
                torch.cuda.empty_cache()
