"""What a step makes smaller: a loss for each kind of output, and between sparse and dense."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_EASY = 2  # exponents of the focal loss, as in CornerNet (Law & Deng 2018)
_NEAR = 4

#: A sum over cells or pixels, and what to divide it by.
Loss = tuple[Tensor, Tensor]


def segmentation_loss(logits: Tensor, labels: Tensor, weights: Tensor) -> Loss:
    """Class-weighted cross entropy at half of the picture's resolution.

    Args:
        logits: (B, classes, h / 4, w / 4).
        labels: (B, h, w) integer; ``classes`` is void and ignored.
        weights: (classes,).

    Returns:
        The sum over all pixels, and the sum of their weights to divide it by: 0 when all are void.
    """
    scores = F.interpolate(logits, scale_factor=2, mode="bilinear")
    target = labels[:, 1::2, 1::2].long()
    total = F.cross_entropy(scores, target, weights, ignore_index=len(weights), reduction="sum")
    return total, F.pad(weights, (0, 1))[target].sum()


def centre_loss(logits: Tensor, heat: Tensor, weight: Tensor) -> Loss:
    """Focal loss of a heat map of centres, which forgives what is near one.

    Args:
        logits: (B, kinds, h, w).
        heat: the same shape: 1 at a centre, less around it.
        weight: (B, h, w), 0 where nothing counts.

    Returns:
        The sum over all cells, and the number of centres.
    """
    is_centre = heat == 1
    chance = logits.sigmoid()
    found = F.logsigmoid(logits) * (1 - chance) ** _EASY * is_centre
    quiet = F.logsigmoid(-logits) * chance**_EASY * (1 - heat) ** _NEAR
    total = -((found + quiet) * weight[:, None]).sum()
    return total, (is_centre * weight[:, None]).sum()


def offset_loss(predicted: Tensor, wanted: Tensor, weight: Tensor) -> Loss:
    """L1 where it counts: (B, channels, h, w) twice, and weights (B, h, w).

    Returns:
        The weighted sum over all cells, and that of the weights.
    """
    return ((predicted - wanted).abs().sum(1) * weight).sum(), weight.sum()


def restoration_loss(restored: Tensor, images: Tensor) -> Loss:
    """L1 of pixels: (B, 3, h, w) in [0, 1], and originals in [0, 255] of the same shape."""
    return (restored - images / 255).abs().sum(), torch.tensor(float(restored.numel()))


def compute_losses(
    outputs: dict[str, Tensor],
    labels: Tensor,
    targets: dict[str, Tensor],
    class_weights: Tensor,
) -> dict[str, Loss]:
    """Every loss that outputs and truth allow.

    Args:
        outputs: of :meth:`sparsevit.networks.segmenter.Segmenter.forward`, float32.
        labels: (B, h, w) integer; the number of classes is void.
        targets: of :func:`sparsevit.data.targets.make_targets`, with a batch before each.
        class_weights: (classes,).

    Returns:
        By name ("classes", "centres", "offsets", "boxes") a sum and what to divide it by.
    """
    losses = {"classes": segmentation_loss(outputs["logits"], labels, class_weights)}
    if "centres" in outputs:
        heat, offsets = outputs["centres"][:, :-2], outputs["centres"][:, -2:]
        losses["centres"] = centre_loss(heat, targets["heat"], targets["heat_weight"])
        losses["offsets"] = offset_loss(offsets, targets["offsets"], targets["offsets_weight"])
    if "boxes" in outputs:
        losses["boxes"] = offset_loss(outputs["boxes"], targets["boxes"], targets["boxes_weight"])
    return losses


def distillation_loss(sparse: dict[str, Tensor], dense: dict[str, Tensor]) -> Tensor:
    """How far sparse outputs are from dense ones, which are taken as they are.

    Args:
        sparse, dense: outputs of one batch, float32.

    Returns:
        The Kullback-Leibler divergence of the classes of pixels in nats, and the mean absolute
        difference of what centres and boxes output (of centres as probabilities), summed up.
    """
    target = dense["logits"].detach().log_softmax(1)
    chances = sparse["logits"].log_softmax(1)
    total = F.kl_div(chances, target, log_target=True, reduction="none").sum(1).mean()
    if "centres" in sparse:
        heats, wanted = (x["centres"][:, :-2].sigmoid() for x in (sparse, dense))
        total = total + (heats - wanted.detach()).abs().sum(1).mean()
    if "boxes" in sparse:  # where the dense network sees a centre
        sure = dense["centres"][:, :-2].sigmoid().amax(1).detach()
        apart = (sparse["boxes"] - dense["boxes"].detach()).abs().mean(1)
        total = total + (apart * sure).sum() / sure.sum()
    return total
