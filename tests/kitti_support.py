"""KITTI's files, small."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

#: Of KITTI's archive, where the fourth column is some centimetres times the focal length.
P2 = (721.5, 0, 609.5, 44.85, 0, 721.5, 172.8, 0.216, 0, 0, 1, 0.0027)

CAR = "Car 0.00 1 1.85 387.6 181.5 423.8 203.1 1.67 1.87 3.69 -16.53 2.39 58.49 1.57"


def write_kitti(root: Path, labels: dict[str, str], calibration: str | None = None) -> Path:
    """One grey picture of 400 x 1240 pixels for each text of labels; gives the folder."""
    for part in ("image_2", "calib", "label_2"):
        (root / part).mkdir(parents=True, exist_ok=True)
    text = "P0: 1 2 3\nP2: " + " ".join(map(str, P2)) + "\nR0_rect: 1 0 0\n"
    for name, lines in labels.items():
        cv2.imwrite(str(root / "image_2" / f"{name}.png"), np.full((400, 1240, 3), 9, np.uint8))
        (root / "calib" / f"{name}.txt").write_text(text if calibration is None else calibration)
        (root / "label_2" / f"{name}.txt").write_text(lines)
    return root
