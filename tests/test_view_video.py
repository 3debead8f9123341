"""What the tab Video is told: the messages, against the network's own masks."""

import base64
import json

import cv2
import numpy as np
import pytest
from app_support import schedule

from app.engine.records import Settings
from app.tabs.video.clip import Clip, FrameRunner, Tally, make_example
from app.tabs.video.view import make_begun, make_done, make_frame, make_opening, make_problem


def decode(uri: str) -> np.ndarray:
    """(h, w, 3) uint8 RGB of a JPEG data URI."""
    start, data = uri.split(",")
    assert start == "data:image/jpeg;base64"
    encoded = np.frombuffer(base64.b64decode(data), np.uint8)
    return cv2.cvtColor(cv2.imdecode(encoded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


@pytest.fixture(scope="module")
def frame(engine):
    pixels = next(make_example(engine.first.photo.pixels).frames)
    settings = Settings("small", schedule([[0.6], [0.3], [0.2, 0.5], [0]]), short_side=256)
    return FrameRunner(engine).run(pixels, settings)


def test_a_frame_holds_picture_output_masks_and_numbers(frame):
    tally = Tally()
    tally.add(frame)
    message = json.loads(make_frame(3, 1, frame, tally))
    assert (message["kind"], message["run"], message["number"]) == ("frame", 3, 1)
    picture = decode(message["picture"])
    assert picture.shape == (480, 960, 3)
    assert np.abs(picture.astype(int) - frame.pixels).mean() < 12  # noise, as a JPEG
    drawn = frame.task.draw(frame.pixels, frame.prediction)
    assert np.abs(decode(message["output"]).astype(int) - drawn).mean() < 12
    for block, trace in zip(message["blocks"], frame.blocks, strict=True):
        assert block["keep"] == "".join("01"[int(k)] for k in trace.keep_mask[0].flatten())
        assert (block["rows"], block["cols"]) == trace.keep_mask.shape[1:]
        assert block["kept"] == block["keep"].count("1")
        assert block["total"] == len(block["keep"])
    assert message["blocks"][1]["name"] == "Stage 1 · block 2 · shifted"
    assert message["kept"] == sum(b["kept"] for b in message["blocks"])
    assert message["agreement"] == f"{100 * frame.agreement:.1f} %"
    assert message["stats"]["fps"]["dense"] == pytest.approx(1e3 / frame.dense_ms)
    assert message["stats"]["compared"] == 1


def test_a_picture_the_page_has_is_not_sent_back(frame):
    tally = Tally()
    tally.add(frame)
    message = json.loads(make_frame(3, 1, frame, tally, with_picture=False))
    assert message["picture"] is None
    assert decode(message["output"]).shape == (480, 960, 3)


def test_the_other_messages():
    poster = np.zeros((960, 1920, 3), np.uint8)
    opening = json.loads(make_opening(poster, (256, 384), 300))
    assert decode(opening["poster"]).shape == (480, 960, 3)
    assert (opening["sides"], opening["most_frames"]) == ([256, 384], 300)
    begun = json.loads(make_begun(2, Clip(iter(()), 10.0, 4, "Cut.")))
    assert begun == {"kind": "begun", "run": 2, "rate": 10, "count": 4, "note": "Cut."}
    assert json.loads(make_done(2, Tally())) == {"kind": "done", "run": 2, "stats": None}
    problem = json.loads(make_problem(2, "No."))
    assert problem == {"kind": "problem", "run": 2, "message": "No."}
