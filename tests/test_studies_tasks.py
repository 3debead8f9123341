"""Studies of a network of several tasks: each is measured on the truth of one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from studies_support import load_toy
from three_tasks_support import TASKS, FoundPictures, load_three_tasks

from sparsevit.data.labelled import DataError
from sparsevit.data.photos import PhotoFolder
from sparsevit.evaluation import evaluate_sizes
from sparsevit.networks import ModelError
from sparsevit.networks.segmenter import save_segmenter
from sparsevit.package.units import HEADLINES
from sparsevit.search import FrontierError
from sparsevit.studies.measure import score_variants
from sparsevit.studies.registry import draw_study, run_study
from sparsevit.studies.subject import StudyError, Subject, load_rival, make_pruned, make_subject
from sparsevit.studies.uniform import compare_with_uniform


def make_task_subject(task: str) -> Subject:
    """The network of three tasks for one of them, on its own pictures."""
    loaded = load_three_tasks().for_task(task)
    return make_subject(loaded, FoundPictures(task), pictures=3, rounds=1, seeds=(0,))


@pytest.mark.parametrize("task", TASKS)
def test_accuracy_is_that_of_eval_on_all_pictures_and_without_each(task: str):
    subject = make_task_subject(task)
    (found,) = score_variants(subject, [make_pruned(subject.loaded, 0.2, "sparse", "a")])
    chosen = subject.list_indices()
    data = FoundPictures(task)
    for accuracy, left_out in zip(found.accuracies, (None, *chosen), strict=True):
        data.samples = [subject.data[i] for i in chosen if i != left_out]
        data.names = [sample.name for sample in data.samples]
        (report,) = evaluate_sizes(subject.loaded, data, [0.2], (None,))
        assert accuracy == report["results"][0][HEADLINES[task]]
    assert len(set(found.accuracies)) > 1


def test_a_study_says_what_it_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "three.safetensors"
    save_segmenter(load_three_tasks().module, path)
    document = run_study("adaptation", make_task_subject("boxes3d"), "noise", "", against=path)
    assert json.loads(json.dumps(document)) == document
    assert (document["task"], document["metric"]) == ("boxes3d", "3D AP")
    assert "points of 3D AP" in document["finding"]
    labels = []

    def note_label(figure: Any, *_: object) -> bytes:
        labels.append(figure.axes[0].get_ylabel())
        return b""

    monkeypatch.setattr("sparsevit.draw.curves.save_figure", note_label)
    draw_study("adaptation", document)
    assert labels == ["3D AP, %"]


def test_too_few_pictures_with_something_to_find_are_named():
    subject = make_task_subject("boxes3d")
    data = FoundPictures("boxes3d", 2)
    sample = data[1]
    assert sample.things is not None
    data.samples[1] = replace(sample, things=replace(sample.things, things=()))
    alone = make_subject(subject.loaded, data, pictures=2)
    with pytest.raises(StudyError, match="in a few of the pictures"):
        score_variants(alone, [make_pruned(alone.loaded, 0.2, "sparse", "a")])


def test_what_is_of_another_task_is_refused(tmp_path: Path):
    subject = make_task_subject("instance")
    path = tmp_path / "toy.safetensors"
    save_segmenter(load_toy().module, path)
    with pytest.raises(ModelError, match="does semantic, not 'instance'"):
        load_rival(subject, path)
    with pytest.raises(FrontierError, match="No frontier of three for instance is shipped"):
        compare_with_uniform(subject)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(b"")
    with pytest.raises(DataError, match="without truth, so it tells no mask AP"):
        make_subject(subject.loaded, PhotoFolder(tmp_path / "photos"), pictures=2)
