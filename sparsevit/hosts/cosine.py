"""Cosine attention, as in every Swin V2 (Liu et al. 2022, section 3.3)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

_MAX_LOGIT_SCALE = math.log(100)  # temperatures below 0.01 are cut off
_MIN_LENGTH = 1e-12  # as in F.normalize


def attend_by_cosine(
    q: Tensor, k: Tensor, v: Tensor, logit_scale: Tensor, bias: Tensor, dropout: float
) -> Tensor:
    """Attention by the cosine of queries and keys.

    Args:
        q, k, v: (n, nH, N, head_dim).
        logit_scale: (nH, 1, 1), logarithm of what cosines are multiplied by.
        bias: (1 or n, nH, N, N), added to the logits.
        dropout: probability that a weight is left out.

    Returns:
        (n, N, nH * head_dim).
    """
    temperature = logit_scale.clamp(max=_MAX_LOGIT_SCALE).exp()
    q = (q * (temperature / _get_lengths(q))).to(v.dtype)
    k = (k * _get_lengths(k).reciprocal()).to(v.dtype)
    x = F.scaled_dot_product_attention(
        q, k, v, attn_mask=bias.to(v.dtype), dropout_p=dropout, scale=1.0
    )
    return x.transpose(1, 2).flatten(2)


def _get_lengths(x: Tensor) -> Tensor:
    """Lengths of vectors in at least 32 bits, where the least is no zero: (..., d) -> (..., 1)."""
    dtype = torch.promote_types(x.dtype, torch.float32)
    lengths: Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=dtype)
    return lengths.clamp_min(_MIN_LENGTH)
