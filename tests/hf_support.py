"""Networks of transformers with random weights, where a hub's cache or a user's folder has them."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import (
    Mask2FormerConfig,
    Mask2FormerForUniversalSegmentation,
    SwinBackbone,
    SwinConfig,
    SwinForImageClassification,
    SwinModel,
    UperNetConfig,
    UperNetForSemanticSegmentation,
)

REVISION = "0123456789abcdef0123456789abcdef01234567"
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)
STAGES = ["stage1", "stage2", "stage3", "stage4"]


def make_swin_config(**options: Any) -> SwinConfig:
    """A Swin of a few thousand weights, with windows of 7."""
    defaults = {
        "embed_dim": 12,
        "depths": [2, 2, 2, 2],
        "num_heads": [1, 2, 4, 4],
        "hidden_size": 96,
        "window_size": 7,
        "out_features": STAGES,
    }
    return SwinConfig(**{**defaults, **options})


def make_mask2former(names: tuple[str, ...] = ("sky", "road", "car")) -> Any:
    """Queries that are sure of a class and masks that vary over the picture, else all is empty."""
    config = Mask2FormerConfig(
        backbone_config=make_swin_config(),
        feature_size=32,
        mask_feature_size=32,
        hidden_dim=32,
        encoder_feedforward_dim=32,
        dim_feedforward=32,
        encoder_layers=1,
        decoder_layers=2,
        num_attention_heads=2,
        num_queries=8,
        **_name_classes(names),
    )
    model = _stir(Mask2FormerForUniversalSegmentation(config))
    model.class_predictor.weight.data *= 6
    model.class_predictor.bias.data[-1] -= 4
    last = "model.transformer_module.decoder.mask_predictor.mask_embedder.2.0.weight"
    model.get_parameter(last).data *= 8
    return model


def make_upernet(names: tuple[str, ...] = ("sky", "road", "car")) -> Any:
    config = UperNetConfig(
        backbone_config=make_swin_config(),
        hidden_size=16,
        auxiliary_in_channels=48,
        auxiliary_channels=16,
        **_name_classes(names),
    )
    return _stir(UperNetForSemanticSegmentation(config))


def make_classifier(names: tuple[str, ...] = ("cat", "dog", "car")) -> Any:
    return _stir(SwinForImageClassification(make_swin_config(**_name_classes(names))))


def make_bare() -> Any:
    return _stir(SwinModel(make_swin_config()))


def make_backbone() -> Any:
    return _stir(SwinBackbone(make_swin_config()))


#: One of each kind: the name it gets, how it is made, and the task it is for.
KINDS: tuple[tuple[str, Callable[[], Any], str], ...] = (
    ("some/mask2former-semantic", make_mask2former, "semantic"),
    ("some/mask2former-instance", make_mask2former, "instance"),
    ("some/mask2former-coco", make_mask2former, "panoptic"),
    ("some/upernet", make_upernet, "semantic"),
    ("some/classifier", make_classifier, "classification"),
    ("some/bare", make_bare, "features"),
    ("some/backbone", make_backbone, "features"),
)


def write_folder(folder: Path, model: Any) -> Path:
    """What ``save_pretrained`` writes, and a processor's mean and std."""
    model.save_pretrained(folder)
    processor = {"image_mean": MEAN, "image_std": STD, "do_normalize": True}
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder


def write_cache(cache: Path, repository: str, model: Any, revision: str = REVISION) -> Path:
    """A network as the hub's own library lays it out in its cache, on the main branch."""
    home = cache / f"models--{repository.replace('/', '--')}"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text(revision)
    return write_folder(home / "snapshots" / revision, model)


def make_published(repository: str) -> Any:
    """A network of the list without weights, by the values its published config has."""
    swin = SwinConfig(
        embed_dim=96, depths=[2, 2, 6, 2], num_heads=[3, 6, 12, 24], out_features=STAGES
    )
    with torch.device("meta"):
        if repository.startswith("openmmlab/upernet"):
            config = UperNetConfig(backbone_config=swin, num_labels=150)
            return UperNetForSemanticSegmentation(config)
        classes = {"cityscapes-semantic": 19, "ade-semantic": 150, "coco-instance": 80}
        classes |= {"coco-panoptic": 133, "cityscapes-instance": 8}
        count = next(n for words, n in classes.items() if repository.endswith(words))
        config = Mask2FormerConfig(backbone_config=swin, num_labels=count)
        return Mask2FormerForUniversalSegmentation(config)


def _name_classes(names: tuple[str, ...]) -> dict[str, Any]:
    by_number = dict(enumerate(names))
    return {"id2label": by_number, "label2id": {name: i for i, name in by_number.items()}}


def _stir(model: Any) -> Any:
    """Weights of a size at which layers matter."""
    generator = torch.Generator().manual_seed(0)
    for key, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if parameter.ndim > 1:
            parameter.data.copy_(noise / math.sqrt(parameter[0].numel()))
        else:
            parameter.data.copy_(0.1 * noise + (1.0 if key.endswith("weight") else 0.0))
    return model.eval()
