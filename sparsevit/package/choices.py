"""What commands and library calls take one of, by name."""

from typing import Literal

#: Parts of labelled pictures.
Split = Literal["train", "val", "test", "all"]

#: How a search proposes schedules.
Sampler = Literal["evolutionary", "random", "grid"]

#: Arithmetic of a training step.
Precision = Literal["fp32", "bf16"]
