"""timm's Swin V2-CR, TinyViT, SAM and MaxViT: windows are pruned, what is between them is not."""

import copy
import io
import pickle
from typing import Any

import pytest
import timm
import torch
from oracle import describe, infer, kept_of, relative_error, sort_kept
from timm_hosts_support import CASES, make_sam, scramble
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

import sparsevit
from sparsevit.core import block, stream
from sparsevit.hosts import base
from sparsevit.measure.cost import count_fixed_macs, count_macs
from sparsevit.schedule import SparsitySchedule

SIZES = [(name, size) for name, case in CASES.items() for size in case.sizes]
HOSTS = ["Swin V2-CR", "TinyViT", "SAM", "MaxViT"]


@pytest.fixture(scope="module")
def networks() -> dict[str, Any]:
    return {name: scramble(case.make()) for name, case in CASES.items()}


@pytest.mark.parametrize(("name", "size"), SIZES, ids=str)
def test_sparsity_zero_is_the_host(
    networks: dict[str, Any], name: str, size: tuple[int, int]
) -> None:
    """In 32 bits the two differ by the order of sums; in 64 bits by nothing that matters."""
    dense = networks[name]
    images = torch.randn(2, 3, *size)
    for dtype, tolerance in ((torch.float32, 1e-5), (torch.float64, 1e-12)):
        host = copy.deepcopy(dense).to(dtype)
        sparse = sparsevit.sparsify(copy.deepcopy(host))
        for grad in (False, True):
            with torch.set_grad_enabled(grad):
                got = sparse.forward_features(images.to(dtype))
                expected = host.forward_features(images.to(dtype))
            assert relative_error(got, expected) <= tolerance


@pytest.mark.parametrize(("name", "size"), SIZES, ids=str)
def test_equals_the_oracle(networks: dict[str, Any], name: str, size: tuple[int, int]) -> None:
    dense, case = networks[name], CASES[name]
    sparse = sparsevit.sparsify(copy.deepcopy(dense), case.schedule)
    images = torch.randn(2, 3, *size)
    with torch.no_grad():
        expected, kept = case.oracle(dense, images, case.schedule)
    for grad in (False, True):
        with torch.set_grad_enabled(grad), sparsevit.capture(sparse) as trace:
            features = sparse.forward_features(images)
        assert kept_of(trace) == sort_kept(kept)
        assert relative_error(features, expected) <= 1e-5


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_the_oracle_s(networks: dict[str, Any], name: str) -> None:
    case = CASES[name]
    images = torch.randn(2, 3, *case.sizes[-1]).double()
    plain = copy.deepcopy(networks[name]).double()
    sparse = sparsevit.sparsify(copy.deepcopy(plain), case.schedule)
    case.oracle(plain, images, case.schedule)[0].square().mean().backward()
    sparse.forward_features(images).square().mean().backward()
    expected = {name: p.grad for name, p in plain.named_parameters() if p.grad is not None}
    found = {name: p.grad for name, p in sparse.named_parameters() if p.grad is not None}
    assert found.keys() == expected.keys()
    largest = max(float(gradient.abs().max()) for gradient in expected.values())
    for key, gradient in expected.items():
        assert float((found[key] - gradient).abs().max()) <= 1e-10 * largest


@pytest.mark.parametrize("name", HOSTS)
def test_the_path_a_gpu_takes(
    networks: dict[str, Any], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same results, and no shape or decision that needs a tensor's values."""
    case = CASES[name]
    sparse = sparsevit.sparsify(copy.deepcopy(networks[name]), case.schedule)
    images = torch.randn(2, 3, *case.sizes[1])
    expected = infer(sparse, images)
    for module in (stream, block, base):
        monkeypatch.setattr(module, "may_sync", lambda tensor: False)
    assert relative_error(infer(sparse, images), expected) <= 1e-5
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        assert infer(sparse, mode.from_tensor(images)).shape == expected.shape


@pytest.mark.parametrize("name", HOSTS)
def test_can_be_exported(networks: dict[str, Any], name: str) -> None:
    case = CASES[name]
    sparse = sparsevit.sparsify(copy.deepcopy(networks[name]), case.schedule)
    images = torch.randn(1, 3, *case.sizes[1])
    expected = infer(sparse, images)
    with torch.no_grad():
        exported = torch.export.export(sparse, (images,)).module()
        assert relative_error(exported(images), expected) <= 1e-5


@pytest.mark.parametrize("name", HOSTS)
def test_bf16_is_as_good_as_the_host_s(networks: dict[str, Any], name: str) -> None:
    images = torch.randn(1, 3, *CASES[name].sizes[1])
    reference = networks[name]
    low = copy.deepcopy(reference).bfloat16()
    expected = infer(reference, images)
    host = infer(low, images.bfloat16()).float()
    got = infer(sparsevit.sparsify(copy.deepcopy(low)), images.bfloat16()).float()
    assert (got - expected).abs().max() <= 2 * (host - expected).abs().max()


@pytest.mark.parametrize("name", HOSTS)
def test_can_be_undone_copied_and_pickled(networks: dict[str, Any], name: str) -> None:
    case = CASES[name]
    model = copy.deepcopy(networks[name])
    images = torch.randn(1, 3, *case.sizes[0])
    before, keys, expected = describe(model), list(model.state_dict()), infer(model, images)
    sparsevit.sparsify(model)
    sparsevit.sparsify(model, case.schedule)  # again
    assert list(model.state_dict()) == keys
    pruned = infer(model, images)
    assert not torch.equal(pruned, expected)
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    for twin in (
        copy.deepcopy(model),
        pickle.loads(pickle.dumps(model)),
        torch.load(file, weights_only=False),
    ):
        assert twin.sparsity == model.sparsity
        assert torch.equal(infer(twin, images), pruned)
    sparsevit.densify(model)
    assert describe(model) == before
    assert torch.equal(infer(model, images), expected)


@pytest.mark.parametrize("name", HOSTS)
def test_inside_another_network(networks: dict[str, Any], name: str) -> None:
    host = nn.Sequential(nn.Conv2d(3, 3, 1), copy.deepcopy(networks[name]))
    images = torch.randn(1, 3, *CASES[name].sizes[0])
    sparse = sparsevit.sparsify(copy.deepcopy(host))
    assert relative_error(infer(sparse, images), infer(host, images)) <= 1e-5
    sparse.sparsity = CASES[name].schedule
    assert sparse.sparsity == SparsitySchedule.parse(
        CASES[name].schedule, sparsevit.patch.get_depths(sparse)
    )


@pytest.mark.parametrize("name", HOSTS)
def test_two_backbones_are_refused(networks: dict[str, Any], name: str) -> None:
    pair = nn.ModuleList([copy.deepcopy(networks[name]), copy.deepcopy(networks[name])])
    with pytest.raises(sparsevit.UnsupportedModelError, match="2 backbones"):
        sparsevit.sparsify(pair)


@pytest.mark.parametrize("name", HOSTS)
def test_checkpointing_changes_nothing(networks: dict[str, Any], name: str) -> None:
    images = torch.randn(1, 3, *CASES[name].sizes[0])
    plain = sparsevit.sparsify(copy.deepcopy(networks[name]), CASES[name].schedule)
    saving = copy.deepcopy(plain)
    saving.set_grad_checkpointing(True)
    for model in (plain, saving):
        # timm's TinyViT, outside of training, keeps its position bias with the graph it came from.
        model.train(name == "TinyViT")
        model(images).square().mean().backward()
    for one, other in zip(plain.parameters(), saving.parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None)
        assert one.grad is None or relative_error(other.grad, one.grad) <= 1e-4


@pytest.mark.parametrize("name", HOSTS)
def test_macs_are_those_pytorch_counts(networks: dict[str, Any], name: str) -> None:
    """Dense blocks and the rest add up to the whole; grids without padding count to the unit."""
    size = {"TinyViT": (96, 96), "SAM": (96, 144)}.get(name, (64, 64))
    sparse = sparsevit.sparsify(copy.deepcopy(networks[name]))
    fixed = count_fixed_macs(sparse, size)
    dense = count_macs(sparse, size, sparse.sparsity, fixed)
    assert 0 < fixed < dense.dense_gmacs * 1e9
    assert dense.sparse_gmacs == dense.dense_gmacs
    no_windows = sum(
        module.weight[0].numel() * _count_places(sparse, module, size) * module.out_channels
        for module in sparse.modules()
        if isinstance(module, nn.Conv2d)
    )
    rest = fixed - no_windows  # of what is not a convolution: head, and attention that is global
    if name == "TinyViT":
        assert rest == sparse.head.fc.in_features * sparse.head.fc.out_features
    else:
        assert rest > 0


def _count_places(model: nn.Module, conv: nn.Conv2d, size: tuple[int, int]) -> int:
    """Tokens a convolution gives for one picture."""
    seen: list[int] = []
    handle = conv.register_forward_hook(lambda _, __, out: seen.append(out[0, 0].numel()))
    infer(model, torch.randn(1, 3, *size))
    handle.remove()
    return sum(seen)


def test_pruned_windows_of_sam_pass_bit_identical(networks: dict[str, Any]) -> None:
    sparse = sparsevit.sparsify(copy.deepcopy(networks["SAM"]), 0.5)
    between = sparse.forward_intermediates(torch.randn(2, 3, 96, 144))[1]
    with torch.no_grad(), sparsevit.capture(sparse) as trace:
        between = sparse.forward_intermediates(torch.randn(2, 3, 96, 144))[1]
    after = [between[1], between[4]]  # of the second block with windows of each run
    before = [between[0], between[3]]
    for record, x, y in zip((trace.blocks[1], trace.blocks[3]), before, after, strict=True):
        for image in range(2):
            pruned = ~record.token_mask(image)
            assert pruned.any()
            assert torch.equal(x[image][:, pruned], y[image][:, pruned])


@pytest.mark.parametrize(
    "options",
    [{}, {"indices": [1, 4]}, {"indices": 2, "norm": True}, {"indices": [0], "stop_early": True}],
    ids=str,
)
def test_what_is_between_sam_s_blocks(networks: dict[str, Any], options: dict[str, Any]) -> None:
    dense = networks["SAM"]
    images = torch.randn(1, 3, 96, 144)
    sparse = sparsevit.sparsify(copy.deepcopy(dense))
    with torch.no_grad():
        expected = dense.forward_intermediates(images, intermediates_only=True, **options)
        got = sparse.forward_intermediates(images, intermediates_only=True, **options)
    assert len(got) == len(expected)
    for ours, host in zip(got, expected, strict=True):
        assert relative_error(ours, host) <= 1e-5


def test_sam_prunes_however_it_is_called(networks: dict[str, Any]) -> None:
    sparse = sparsevit.sparsify(copy.deepcopy(networks["SAM"]), 0.5)
    images = torch.randn(1, 3, 96, 144)
    with torch.no_grad():
        last, between = sparse.forward_intermediates(images)
        assert torch.equal(last, sparse.forward_features(images))
        assert torch.equal(sparse.neck(between[-1]), last)
        other = copy.deepcopy(sparse)
        assert torch.equal(other.forward_intermediates(images)[0], last)
    getter = scramble(make_sam(features_only=True, out_indices=(1, 5)))
    images = torch.randn(1, 3, 96, 144)
    dense = infer(getter, images)
    assert not torch.equal(infer(sparsevit.sparsify(getter, 0.5), images), dense)


def test_windows_of_sam_are_ranked_anew_behind_global_blocks(networks: dict[str, Any]) -> None:
    sparse = sparsevit.sparsify(copy.deepcopy(networks["SAM"]), [[0.0, 0.5]])
    with torch.no_grad(), sparsevit.capture(sparse) as trace:
        sparse(torch.randn(1, 3, 96, 144))
    assert [block.scored_block for block in trace.blocks] == [0, 1, 2, 2]


def test_what_a_hook_holds_is_not_overwritten(networks: dict[str, Any]) -> None:
    for name in HOSTS:
        for part in ("local_conv.bn", "local_conv", "blocks.0", "conv", "attn_block", "norm1"):
            model = sparsevit.sparsify(copy.deepcopy(networks[name]), 0.5)
            held: list[tuple[Tensor, Tensor]] = []

            def hold(_: Any, given: tuple[Tensor, ...], output: Tensor) -> None:
                held.extend((t, t.clone()) for t in (*given[:1], output))  # noqa: B023

            for key, module in model.named_modules():
                if key.endswith(f".{part}"):
                    module.register_forward_hook(hold)
            infer(model, torch.randn(1, 3, *CASES[name].sizes[0]))
            assert all(torch.equal(now, then) for now, then in held)


@pytest.mark.parametrize(
    "name", ["coatnet_0_rw_224", "maxxvitv2_nano_rw_256", "maxvit_tiny_pm_256", "hiera_tiny_224"]
)
def test_networks_without_windows_to_skip_are_refused(name: str) -> None:
    with torch.device("meta"):
        model = timm.create_model(name)
    with pytest.raises(sparsevit.UnsupportedModelError, match="no supported blocks"):
        sparsevit.sparsify(model)
