"""CUDA graphs of a sparsified model: one launch a forward instead of hundreds.

How many windows are kept follows from the picture's size and the schedule, so every shape of a
forward is known beforehand and the forward can be recorded once and replayed. That pays where
launching the kernels takes longer than running them: small pictures, small batches, late stages.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from sparsevit.core.block import SparseBlock
from sparsevit.core.steering import find_steering
from sparsevit.core.trace import active_traces
from sparsevit.patch import find_stages

Replay = Callable[[Tensor], Any]

_WARMUP_RUNS = 3


class GraphedModel:
    """Call it like the model, without gradients: ``fast = GraphedModel(model); fast(images)``.

    The first forward of every input shape, dtype and schedule is recorded, the following ones are
    replayed; the least recently used recordings go when there are too many. Weights may change:
    what was recorded with others is recorded anew. Hooks run while recording and not again.

    Inside :func:`sparsevit.capture` and :func:`sparsevit.rank_by` the model itself runs, since a
    replay records no masks and ranks as it did when it was recorded.
    """

    def __init__(
        self,
        model: nn.Module,
        max_graphs: int = 8,
        record: Callable[[nn.Module, Tensor], Replay] | None = None,
    ) -> None:
        """Wrap a model; nothing is recorded yet.

        Args:
            model: a sparsified model in evaluation mode, on a CUDA device.
            max_graphs: recordings kept, >= 1; each holds the memory of one forward.
            record: makes a replay of the model's forward on such images; for tests.

        Raises:
            ValueError: max_graphs < 1.
        """
        if max_graphs < 1:
            raise ValueError(f"max_graphs must be at least 1, got {max_graphs}.")
        self.model = model
        self._max_graphs = max_graphs
        self._record = record or record_cuda_graph
        self._replays: OrderedDict[Hashable, tuple[Replay, list[Any]]] = OrderedDict()
        self._weights: Hashable = None
        self._lock = threading.Lock()  # a recording has one input and one output in memory

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> Any:
        """Run the model: (B, 3, img_h, img_w) on its device -> its output, the caller's to keep.

        Raises:
            ValueError: the model is in training mode, or ranks windows at random, which is drawn on
                the CPU and so cannot be recorded.
        """
        stages = find_stages(self.model)
        if any(active_traces(stage) or find_steering(stage) for stage in stages):
            return self.model(images)
        if self.model.training:
            raise ValueError("A CUDA graph is for inference; call model.eval() first.")
        if stages[0].pruning.score == "random":
            raise ValueError("The random score cannot be recorded in a CUDA graph; run the model.")
        key = (images.shape, images.dtype, images.device, _autocast(images.device))
        key += tuple(stage.pruning for stage in stages)
        with self._lock:
            weights = _identify_weights(self.model)
            if weights != self._weights:
                self._replays.clear()
                self._weights = weights
            if key not in self._replays:
                while len(self._replays) >= self._max_graphs:
                    self._replays.popitem(last=False)
                replay = self._record(self.model, images)
                # What a replay reads must stay, and blocks hold the bias of the last size alone.
                biases = [m.cached_bias for m in self.model.modules() if isinstance(m, SparseBlock)]
                self._replays[key] = replay, biases
            self._replays.move_to_end(key)
            return self._replays[key][0](images)


def record_cuda_graph(model: nn.Module, images: Tensor) -> Replay:
    """Record ``model(images)`` and give what replays it on other images of that shape."""
    inputs = images.clone()
    make_stream: Callable[..., torch.cuda.Stream] = torch.cuda.Stream
    stream = make_stream(images.device)
    stream.wait_stream(torch.cuda.current_stream(images.device))
    with torch.cuda.stream(stream):
        for _ in range(_WARMUP_RUNS):  # libraries choose their kernels, caches are filled
            model(inputs)
    torch.cuda.current_stream(images.device).wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outputs = model(inputs)

    def replay(images: Tensor) -> Any:
        inputs.copy_(images)
        graph.replay()
        return tree_map(lambda x: x.clone() if isinstance(x, Tensor) else x, outputs)

    return replay


def _autocast(device: torch.device) -> torch.dtype | None:
    """The dtype that autocast works in, None outside of it."""
    if not torch.is_autocast_enabled(device.type):
        return None
    return torch.get_autocast_dtype(device.type)


def _identify_weights(model: nn.Module) -> Hashable:
    """Changes whenever a weight or buffer is replaced or written to through PyTorch."""
    tensors = (*model.parameters(), *model.buffers())
    return tuple((t.data_ptr(), 0 if t.is_inference() else t._version) for t in tensors)
