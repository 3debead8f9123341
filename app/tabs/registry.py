"""The tabs of the page, in order: a new one is a folder beside this file, and a line here."""

from __future__ import annotations

from app.page.tab import Tab
from app.tabs.compare.tab import CompareTab
from app.tabs.latency.tab import LatencyTab
from app.tabs.learn.tab import LearnTab
from app.tabs.lens.tab import LensTab
from app.tabs.outputs.tab import OutputsTab
from app.tabs.search.tab import SearchTab
from app.tabs.takeaway.tab import TakeawayTab
from app.tabs.tradeoff.tab import TradeoffTab
from app.tabs.video.tab import VideoTab
from app.tabs.windows.tab import WindowsTab

#: The page opens with the first.
TABS: tuple[Tab, ...] = (
    WindowsTab(),
    OutputsTab(),
    LensTab(),
    CompareTab(),
    LatencyTab(),
    TradeoffTab(),
    SearchTab(),
    LearnTab(),
    VideoTab(),
    TakeawayTab(),
)
