"""What commands and library calls take one of, by name."""

from typing import Literal, get_args

#: Parts of labelled pictures.
Split = Literal["train", "val", "test", "all"]

#: How a search proposes schedules.
Sampler = Literal["evolutionary", "random", "grid"]

#: What a network is trained for.
TrainTask = Literal["segment", "sr", "jpeg"]

#: Arithmetic of a training step.
Precision = Literal["fp32", "bf16"]

#: Figures for a paper.
FigureFormat = Literal["svg", "pdf"]

#: What windows are ranked by.
Score = Literal["rms", "centred", "l2", "l1", "linf", "random", "gradient"]
SCORES: tuple[Score, ...] = get_args(Score)
