"""Settings every test shares."""

import pytest
import torch

torch.set_num_threads(1)  # the test networks are too small to share between threads


@pytest.fixture(autouse=True)
def _fixed_seed() -> None:
    torch.manual_seed(0)
