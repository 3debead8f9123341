"""What surrounds the stages can be compiled, whatever the schedule does meanwhile."""

import copy
from collections import Counter

import pytest
import torch
from oracle import SCHEDULE, Wrapper, infer, make_dense, relative_error
from timm_hosts_support import make_maxvit, make_sam, scramble
from torch import nn
from torch._dynamo.utils import counters

import sparsevit
from sparsevit.accel.compiling import compile_rest


def test_the_rest_is_compiled_once_for_all_schedules() -> None:
    model = sparsevit.sparsify(Wrapper(make_dense()))
    images = torch.randn(2, 3, 64, 92)
    torch._dynamo.reset()
    fast = compile_rest(model, backend="aot_eager")
    made = []
    for schedule in (0.0, SCHEDULE, 0.5):
        model.sparsity = fast.sparsity = schedule
        assert relative_error(infer(fast, images), infer(model, images)) <= 1e-5
        made.append(counters["stats"]["unique_graphs"])
    assert made[0] > 0
    assert len(set(made)) == 1


@pytest.mark.parametrize(
    ("make", "size", "num_attentions"),
    [(make_sam, 128, 2), (make_maxvit, 64, 8)],
)
def test_what_is_dense_inside_a_stage_is_compiled(make, size, num_attentions) -> None:
    """Every convolution, and every attention but that in windows."""
    made: Counter[str] = Counter()

    def count(graph, _):
        names = Counter(str(node.target).rpartition(".")[2] for node in graph.graph.nodes)

        def run(*inputs):
            made.update(names)
            return graph.forward(*inputs)

        return run

    model = sparsevit.sparsify(scramble(make()), 0.5)
    num_convs = sum(isinstance(module, nn.Conv2d) for module in model.modules())
    images = torch.randn(2, 3, size, size)
    torch._dynamo.reset()
    fast = compile_rest(model, backend=count)
    infer(fast, images)
    made.clear()
    assert relative_error(infer(fast, images), infer(model, images)) <= 1e-5
    attentions = sum(made[name] for name in made if "scaled_dot_product_attention" in name)
    convs = sum(made[name] for name in made if "conv2d" in name)
    assert (convs, attentions) == (num_convs, num_attentions)


def test_the_twin_shares_weights_and_nothing_else() -> None:
    model = sparsevit.sparsify(Wrapper(make_dense()), 0.5)
    before = copy.deepcopy(model)
    images = torch.randn(1, 3, 64, 64)
    torch._dynamo.reset()
    fast = compile_rest(model, backend="eager")
    fast.sparsity = 0.0
    assert model.sparsity == before.sparsity
    with torch.no_grad():
        model.stem.bias.add_(1.0)
        model.body["net"].layers[0].blocks[0].mlp.fc2.bias.add_(1.0)
    fast.sparsity = model.sparsity
    assert not torch.equal(infer(model, images), infer(before, images))
    assert relative_error(infer(fast, images), infer(model, images)) <= 1e-5
    assert not any("forward" in module.__dict__ for module in model.modules())
