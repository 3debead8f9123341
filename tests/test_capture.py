"""What a forward records, for whom and for how long; threads and the host's own form."""

import threading

import pytest
import torch
from oracle import SCHEDULE, describe, infer, kept_of, make_dense, make_images, relative_error
from torch import Tensor

import sparsevit
from sparsevit.patch import find_stages, host_form


def expect_nothing(trace: sparsevit.Trace) -> None:
    """An empty trace never looks like a success."""
    with pytest.raises(RuntimeError, match="Nothing was recorded"):
        _ = trace.blocks


def test_only_a_sparsified_model_can_be_captured() -> None:
    with (
        pytest.raises(ValueError, match="needs a sparsified model"),
        sparsevit.capture(make_dense()),
    ):
        pass


def test_threads_do_not_meet() -> None:
    model = sparsevit.sparsify(make_dense(), SCHEDULE)
    inputs = [make_images(1), make_images(2), make_images(3)]
    expected = []
    for images in inputs:
        with torch.no_grad(), sparsevit.capture(model) as trace:
            expected.append((model(images), kept_of(trace)))
    model = sparsevit.sparsify(make_dense(), SCHEDULE)  # the caches are cold again
    errors: list[str] = []
    start = threading.Barrier(len(inputs))

    def work(number: int) -> None:
        start.wait()
        for turn in range(4):
            with torch.no_grad():
                if (number + turn) % 2:
                    with sparsevit.capture(model) as trace:
                        out = model(inputs[number])
                    if kept_of(trace) != expected[number][1]:
                        errors.append(f"thread {number} recorded other windows")
                else:
                    out = model(inputs[number])
            if relative_error(out, expected[number][0]) > 1e-5:
                errors.append(f"thread {number} computed something else")

    threads = [threading.Thread(target=work, args=(n,)) for n in range(len(inputs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


def test_capture_hears_its_own_model_and_thread_only() -> None:
    model, other, images = (
        sparsevit.sparsify(make_dense(), SCHEDULE),
        sparsevit.sparsify(make_dense(), SCHEDULE),
        make_images(),
    )
    with sparsevit.capture(model) as trace:
        expect_nothing(trace)
        infer(other, images)
        thread = threading.Thread(target=infer, args=(model, images))
        thread.start()
        thread.join()
        expect_nothing(trace)
        with sparsevit.capture(model) as inner, sparsevit.capture(other) as foreign:
            infer(model, images)
        assert kept_of(inner) == kept_of(trace) != {}
        expect_nothing(foreign)
        infer(model, images[:1])
        assert trace.blocks[0].keep_mask.shape[0] == 1
        assert inner.blocks[0].keep_mask.shape[0] == 2
    infer(model, images)
    assert trace.blocks[0].keep_mask.shape[0] == 1


def test_capture_ends_when_its_body_raises() -> None:
    model = sparsevit.sparsify(make_dense(), SCHEDULE)
    with pytest.raises(KeyError), sparsevit.capture(model) as trace:
        raise KeyError
    infer(model, make_images())
    expect_nothing(trace)


def test_the_latest_forward_wins_whole() -> None:
    """A forward that stops early must not be mixed with what an earlier one left behind."""
    model, images = sparsevit.sparsify(make_dense(), SCHEDULE), make_images()
    with torch.no_grad(), sparsevit.capture(model) as trace:
        model(images)
        model.forward_intermediates(images[:1], indices=[0], stop_early=True)
    assert {record.keep_mask.shape[0] for record in trace.blocks} == {1}
    assert {record.stage for record in trace.blocks} == {0}


def test_records_outlive_the_forward() -> None:
    model, images = sparsevit.sparsify(make_dense(), SCHEDULE), make_images()
    with torch.no_grad(), sparsevit.capture(model) as trace:
        model(images)
    blocks = trace.blocks
    copies = [(record.scores.clone(), record.keep_mask.clone()) for record in blocks]
    infer(model, -images)
    for record, (scores, keep_mask) in zip(blocks, copies, strict=True):
        assert torch.equal(record.scores, scores)
        assert torch.equal(record.keep_mask, keep_mask)


@pytest.mark.parametrize("fused", [False, True])
def test_host_form_is_the_host_itself(fused: bool) -> None:
    dense, model, images = make_dense(), sparsevit.sparsify(make_dense(), SCHEDULE), make_images()
    pruned, host = infer(model, images), infer(dense, images)
    with sparsevit.capture(model) as trace, host_form(model, fused=fused):
        out = infer(model, images)
        results: list[Tensor] = []
        thread = threading.Thread(target=lambda: results.append(infer(model, images)))
        thread.start()
        thread.join()
    expect_nothing(trace)
    assert relative_error(out, host) <= 1e-5
    assert fused or torch.equal(out, host)
    assert torch.equal(results[0], pruned)
    assert torch.equal(infer(model, images), pruned)
    assert describe(sparsevit.densify(model)) == describe(dense)


def test_a_forward_that_ends_midway_shows_no_block_of_an_earlier_one() -> None:
    model, images = sparsevit.sparsify(make_dense(), SCHEDULE), make_images()

    def fail(*_: object) -> None:
        raise RuntimeError("midway")

    with sparsevit.capture(model) as trace:
        infer(model, images)
        assert len({block.stage for block in trace.blocks}) > 1
        handle = find_stages(model)[1].register_forward_pre_hook(fail)
        with pytest.raises(RuntimeError, match="midway"):
            infer(model, images)
        handle.remove()
    assert {block.stage for block in trace.blocks} == {0}
