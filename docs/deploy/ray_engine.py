"""The engine as a Ray Serve deployment: a photo in, result.json out. See ../deploy.md.

From the top folder, ``serve run docs.deploy.ray_engine:application`` answers POST /analyze on port
8000.
"""

from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any, cast

from fastapi import FastAPI, Form, HTTPException, UploadFile
from ray import serve

from app.config import Config
from app.engine.local import LocalEngine
from app.engine.records import Photo, Settings
from sparsevit.data.reader import ImageError, load_image
from sparsevit.networks import DEFAULT_MODEL, ModelError, default_device
from sparsevit.schedule import ScheduleError, SparsitySchedule

_web = FastAPI(title="SparseViT")


@serve.deployment(num_replicas=2, ray_actor_options={"num_cpus": 1})
@serve.ingress(_web)
class RayEngine:
    """One engine per replica. Ray gives a replica as many threads as ``num_cpus``."""

    def __init__(self) -> None:
        self._engine = LocalEngine(Config(device=default_device()))
        self._engine.get_depths(DEFAULT_MODEL)  # loads it before the first request

    @_web.post("/analyze")
    def analyze(
        self,
        photo: UploadFile,
        model: Annotated[str, Form()] = DEFAULT_MODEL,
        short_side: Annotated[int, Form()] = 512,
        sparsity: Annotated[str, Form()] = "0.6",
        task: Annotated[str, Form()] = "",
    ) -> dict[str, Any]:
        """Prune the windows of a network on a photo, compare with dense, and time both.

        Args:
            photo: the picture's file.
            model: a name that ``sparsevit models`` lists.
            short_side: pixels of the shorter side fed to the network; 0 for the photo's own.
            sparsity: a number below 1, JSON of one number per stage or per pair of blocks, or a
                preset such as paper-35ms.
            task: one of the network's tasks; empty for its first.
        """
        engine = self._engine
        try:
            if model not in {info.name for info in engine.list_models()}:
                raise ModelError(f"There is no model named {model!r} here.")  # nor a file of ours
            if Path(sparsity).suffix == ".json":
                raise ScheduleError("Send the schedule itself, not the name of a file.")
            data = photo.file.read()
            name = Path(photo.filename or "upload")
            picture = Photo(load_image(data), blake2b(data).hexdigest(), name)
            loaded = engine.networks.get(model, task or None)
            schedule = SparsitySchedule.parse(sparsity, loaded.depths)
            settings = Settings(model, schedule, short_side=short_side or None, task=task or None)
            result = engine.analyze(picture, settings)
            for measured in engine.measure(result, engine.config.first_runs):
                result = measured
        except (ImageError, ModelError, ScheduleError) as error:
            raise HTTPException(422, str(error)) from None
        return result.to_dict()


application = cast(Any, RayEngine).bind()  # a deployment since its decorator
