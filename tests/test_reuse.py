"""What a forward must not do twice: build a position bias, copy the token stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from oracle import make_swin
from timm_hosts_support import CASES, scramble

import sparsevit
from sparsevit.core.block import SparseBlock
from sparsevit.core.stream import TokenStream


def _make_hf(kind: str) -> Any:
    import transformers
    from hf_oracle import NARROW, stir

    config = getattr(transformers, f"{kind}Config")(**NARROW)
    return stir(getattr(transformers, f"{kind}Backbone")(config))


#: Networks with biases built, and blocks that copy the stream they write to: the first of a
#: network. A stage that merges patches made its stream itself. Hugging Face's hands on the stream
#: before merging, so there each stage copies once; TinyViT's convolution made the stream of all
#: but the first block's halves of a stage; SAM's global blocks and MaxViT's halves make new ones.
HOSTS: dict[str, tuple[Callable[[], Any], int, tuple[int, int], int]] = {
    "Swin": (lambda: make_swin(depths=(2, 2, 4, 2)), 10, (64, 96), 1),
    "Swin V2": (lambda: make_swin("swinv2_tiny_window8_256", depths=(2, 2)), 4, (64, 96), 1),
    "Hugging Face's Swin": (lambda: _make_hf("Swin"), 10, (112, 112), 4),
    "Hugging Face's Swin V2": (lambda: _make_hf("Swinv2"), 10, (224, 224), 4),
    **{
        name: (lambda name=name: scramble(CASES[name].make()), biases, CASES[name].sizes[0], copies)
        for name, biases, copies in (
            ("Swin V2-CR", 7, 1),
            ("TinyViT", 7, 3),
            ("SAM", 0, 2),
            ("MaxViT", 8, 8),
        )
    },
}


@pytest.fixture(params=HOSTS)
def host(request) -> tuple[Any, torch.Tensor, int, int]:
    """A sparsified network with a picture, biases built at first, and blocks that copy."""
    make, biases, size, copies = HOSTS[request.param]
    return sparsevit.sparsify(make(), 0.5), torch.randn(1, 3, *size), biases, copies


def test_a_position_bias_is_built_once(host, monkeypatch):
    model, images, biases, _ = host
    built = []
    build = SparseBlock._build_bias
    monkeypatch.setattr(SparseBlock, "_build_bias", lambda *a: (built.append(a[0]), build(*a))[1])
    with torch.inference_mode():
        first = model(images)
    assert len(built) == len(set(map(id, built))) == biases
    with torch.inference_mode():
        again = model(images)
    model.sparsity = 0.2
    with torch.no_grad():
        model(images)
    assert len(built) == biases
    assert _flatten(first).equal(_flatten(again))


def test_blocks_hand_on_the_stream_and_copy_it_as_rarely_as_can_be(host, monkeypatch):
    model, images, _, copies = host
    copied = []
    open_output = TokenStream.open_output

    def watch(self, x, fully_rewritten):
        rows = open_output(self, x, fully_rewritten)
        copied.append(rows.data_ptr() != x.data_ptr())
        return rows

    monkeypatch.setattr(TokenStream, "open_output", watch)
    with torch.inference_mode():
        model(images)
    assert sum(copied) == copies


def _flatten(output: Any) -> torch.Tensor:
    return (
        output
        if isinstance(output, torch.Tensor)
        else torch.cat([stage.flatten() for stage in output.feature_maps])
    )
