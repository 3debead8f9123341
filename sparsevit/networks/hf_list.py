"""Networks of the Hugging Face hub that have a name here: to list them takes no torch."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sparsevit.networks.entries import ModelError, ModelInfo
from sparsevit.networks.hub import find_network

PREFIX = "hf/"

_NAME = re.compile(r"hf/(?P<repository>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")

#: Of Mask2Former with Swin-T, without the classifier, and channels that enter that.
_MASK2FORMER_TINY = (47_402_362, 256)
#: Of UPerNet with Swin-T, without its two classifiers, and channels that enter them.
_UPERNET_TINY = (59_827_898, 768)


@dataclass(frozen=True)
class Listed:
    """A network of the list.

    Attributes:
        task, classes: see ``ModelInfo``.
        params: number of its parameters.
        licence: as its page tags it.
        revision: what is loaded; the main branch if None.
    """

    task: str
    classes: int
    params: int
    licence: str
    revision: str | None = None


def _list_mask2former(task: str, classes: int, revision: str | None = None) -> Listed:
    backbone, channels = _MASK2FORMER_TINY
    params = backbone + (channels + 1) * (classes + 1)  # one class is "nothing"
    return Listed(task, classes, params, "other: see the model page", revision)


#: Where the main branch holds no safetensors, or did not always: the hub's own conversion.
LISTED = {
    "facebook/mask2former-swin-tiny-cityscapes-semantic": _list_mask2former("semantic", 19),
    "facebook/mask2former-swin-tiny-ade-semantic": _list_mask2former(
        "semantic", 150, revision="refs/pr/2"
    ),
    "openmmlab/upernet-swin-tiny": Listed(
        task="semantic",
        classes=150,
        params=_UPERNET_TINY[0] + (_UPERNET_TINY[1] + 2) * 150,
        licence="mit",
        revision="3940d63c5af675251d594f93c82f549da0243a7e",
    ),
    "facebook/mask2former-swin-tiny-coco-instance": _list_mask2former("instance", 80),
    "facebook/mask2former-swin-tiny-coco-panoptic": _list_mask2former(
        "panoptic", 133, revision="c759e8b05876a7fbf1dee792aeb83c7c7664dccb"
    ),
    "facebook/mask2former-swin-tiny-cityscapes-instance": _list_mask2former("instance", 8),
}


def list_infos() -> list[ModelInfo]:
    """The networks with a name, from a table: nothing is imported or asked for."""
    return [_describe(repository, listed) for repository, listed in LISTED.items()]


def is_cached(name: str) -> bool:
    """Whether all of "hf/ORG/NAME" or "hf/ORG/NAME@REVISION" is here.

    Raises:
        ModelError: the name is none of these.
    """
    return find_network(*parse_name(name)) is not None


def parse_name(name: str) -> tuple[str, str | None]:
    """Repository and revision of "hf/ORG/NAME" or "hf/ORG/NAME@REVISION".

    Raises:
        ModelError: the name is none of these.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise ModelError(f"{name} is no hf/ORG/NAME or hf/ORG/NAME@REVISION.")
    repository: str = match["repository"]
    listed = LISTED.get(repository)
    revision: str | None = match["revision"]
    return repository, listed.revision if listed and revision is None else revision


def _describe(repository: str, listed: Listed) -> ModelInfo:
    return ModelInfo(
        name=PREFIX + repository,
        task=listed.task,
        classes=listed.classes,
        params_m=round(listed.params / 1e6, 1),
        size_mb=round(listed.params * 4 / 1e6, 1),
        licence=listed.licence,
        source="download" if find_network(repository, listed.revision) is None else "cached",
    )
