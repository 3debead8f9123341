"""How a restorer is sparsified: timm's blocks in stages that keep their resolution."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from timm.models.swin_transformer import SwinTransformerBlock
from torch import Tensor, nn

from sparsevit.core.stage import PruningStage, runs_as_host
from sparsevit.core.windows import Size
from sparsevit.hosts.base import Host, ImageScoringEmbed
from sparsevit.hosts.timm_swin import HOST as TIMM_SWIN
from sparsevit.hosts.timm_swin import SparseSwinBlock
from sparsevit.networks.restorer import Restorer, RestorerStage, RestorerStem
from sparsevit.networks.restorer_config import TOKEN


class SparseRestorerStem(ImageScoringEmbed, RestorerStem):
    """The stem, which shows the pictures."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x if runs_as_host() else self.prepare_images(x))


class SparseRestorerStage(PruningStage, RestorerStage):
    """A stage that ranks its windows once."""

    def forward(self, x: Tensor) -> Tensor:
        if runs_as_host():
            return super().forward(x)
        return self.run_blocks(x)


class RestorerHost(Host):
    """Our own restorer."""

    name = "our Restorer"
    stage_class = RestorerStage
    sparse_classes = {  # noqa: RUF012
        SwinTransformerBlock: SparseSwinBlock,
        RestorerStage: SparseRestorerStage,
        RestorerStem: SparseRestorerStem,
    }
    sees_images = True

    def find_starts(self, stages: Sequence[Any]) -> list[Any]:
        return [stage for stage in stages if stage.is_first]

    def find_token_grids(self, model: nn.Module, image_size: Size) -> list[Size]:
        restorer = next(m for m in model.modules() if isinstance(m, Restorer))
        is_original = restorer.tasks == ("restoration",)
        window = restorer.config.window_size
        pixels = window * TOKEN * (restorer.config.scale if is_original else 1)
        grid = window * -(-image_size[0] // pixels), window * -(-image_size[1] // pixels)
        return [grid] * len(restorer.config.depths)

    def use_fused_attention(self, model: nn.Module, fused: bool) -> AbstractContextManager[None]:
        return TIMM_SWIN.use_fused_attention(model, fused)


HOST = RestorerHost()
