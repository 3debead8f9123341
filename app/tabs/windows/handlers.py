"""What the tab Pruned windows calls."""

from __future__ import annotations

from dataclasses import dataclass, replace

import gradio as gr

from app.engine.protocol import Engine
from app.engine.records import Result, Settings
from app.page.events import Changes, PageActions
from app.page.session import Session
from app.page.worth import WorthMemory, recall_worth
from app.tabs.windows.view import make_windows
from app.tabs.windows.worth import describe_left, make_worth, refuse_worth
from sparsevit.data.transforms import Size
from sparsevit.inspect.worth import join_worth


@dataclass
class FreeMemory:
    """The last result without windows painted by hand, to hold one with them against.

    Attributes:
        of: its photo's key, its settings and its size; None at first.
        agreement: with dense, in [0, 1].
    """

    of: tuple[str, Settings, Size] | None = None
    agreement: float = 1.0


def draw_windows(engine: Engine, session: Session, result: Result) -> str:
    """The masks; where windows were painted, also what that changed."""
    memory, size = session.recall(FreeMemory), result.analysis.prepared.input_size
    settings = replace(result.settings, painted=())
    of = result.photo.key, settings, size
    if memory.of != of:
        is_free = not result.settings.painted
        free = result if is_free else engine.analyze(result.photo, settings)
        memory.of, memory.agreement = of, free.analysis.agreement["agreement"]
    return make_windows(result, memory.agreement)


class WindowsHandlers:
    """Measures what windows are worth.

    Args:
        page: handlers of the whole page.
    """

    def __init__(self, page: PageActions) -> None:
        self._page = page

    def ask_worth(self, session: Session, event: gr.SelectData) -> Changes:
        """Measure what windows are worth: of every block, and one of them left out.

        Args:
            session: of the user.
            event: ``index`` of a block, and as ``value`` the number of its window, or none.
        """
        result, window = self._page.get_result(session), event.value
        self._page.note_use(session)
        try:
            memory = recall_worth(self._page.engine, session, result)
            if window is not None:
                self._leave_out(result, memory, int(event.index), int(window))
        except Exception as error:
            self._page.tell(error)
            return {"worth": refuse_worth(result, "What windows are worth is not known here.")}
        return {"worth": make_worth(result, memory)}

    def _leave_out(self, result: Result, memory: WorthMemory, index: int, window: int) -> None:
        block = memory.blocks[index % len(memory.blocks)]
        part = join_worth(memory.blocks)[block.stage, block.shifted]
        window %= block.grid.num_windows
        place = divmod(window, block.grid.cols)
        mine = block.stage, block.shifted
        alike = [one.block for one in memory.blocks if (one.stage, one.shifted) == mine]
        left = self._page.engine.leave_out(result, block.stage, alike, place)
        memory.left = describe_left(
            *(left, block, window, part.worth, len(alike)), task=result.task.name
        )
