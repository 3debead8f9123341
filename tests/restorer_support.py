"""A tiny restorer whose head matters; shared by the tests."""

import torch

from sparsevit.networks.restorer import Restorer
from sparsevit.networks.restorer_config import RestorerConfig

CONFIG = RestorerConfig(dim=16, depths=(2, 2), num_heads=2)


def make_restorer(config=CONFIG, seed=0):
    """In evaluation mode; random weights large enough to see every branch in the output."""
    torch.manual_seed(seed)
    model = Restorer(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" not in name:
                parameter.normal_(0, 0.15)
    return model
