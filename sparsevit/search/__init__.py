"""Latency-constrained search for layerwise sparsities (SparseViT, section 3.3)."""

from sparsevit.search.errors import SearchError
from sparsevit.search.frontier import (
    Frontier,
    FrontierError,
    FrontierPoint,
    find_pareto,
    name_network,
    name_shipped,
    read_frontier,
)
from sparsevit.search.judge import AgreementJudge, Judge, LabelledJudge
from sparsevit.search.predictor import LatencyPredictor
from sparsevit.search.run import search_steps
from sparsevit.search.settings import SearchProgress, SearchSettings

__all__ = [
    "AgreementJudge",
    "Frontier",
    "FrontierError",
    "FrontierPoint",
    "Judge",
    "LabelledJudge",
    "LatencyPredictor",
    "SearchError",
    "SearchProgress",
    "SearchSettings",
    "find_pareto",
    "name_network",
    "name_shipped",
    "read_frontier",
    "search_steps",
]
