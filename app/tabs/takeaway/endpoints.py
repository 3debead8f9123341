"""Files for programs and agents."""

from __future__ import annotations

from app.api import Api
from app.page.components import NamedBytes
from app.tabs.takeaway.interactive import make_interactive, name_interactive
from app.tabs.takeaway.view import make_filmstrip, name_filmstrip
from sparsevit.package.choices import FigureFormat
from sparsevit.schedule import ScheduleError

_FORMATS: dict[str, FigureFormat] = {"svg": "svg", "pdf": "pdf"}


class TakeawayApi(Api):
    """Each of its own methods is an endpoint of the same name; see :class:`app.api.Api`."""

    def export_html(
        self,
        photo: str,
        model: str,
        short_side: int,
        sparsity: str,
        task: str = "",
        focal_mm: float = 0,
    ) -> NamedBytes:
        """Analyze a photo and write the result as an interactive page in one HTML file.

        Args:
            photo: an uploaded picture.
            model: a name that the endpoint models lists.
            short_side: pixels of the shorter side fed to the network; 0 for the photo's own.
            sparsity: share pruned: below 1, JSON per stage or pair, or a preset as paper-35ms.
            task: one of the network's tasks, which the endpoint models lists; empty for its first.
            focal_mm: of the lens, in terms of 35 mm film, for 3D boxes; 0 for what the photo tells.

        Returns:
            The file, which opens in any browser without a server.
        """
        try:
            result = self._measure(self._run(photo, model, short_side, sparsity, task, focal_mm))
            return NamedBytes(name_interactive(result), make_interactive(result).encode())
        except Exception as error:
            raise self._refuse(error) from None

    def draw_filmstrip(
        self,
        photo: str,
        model: str,
        short_side: int,
        sparsity: str,
        stage: int,
        format: str,
        task: str = "",
    ) -> NamedBytes:
        """Draw what the blocks of a stage skipped of a photo, as a figure for a paper.

        Args:
            photo: an uploaded picture.
            model: a name that the endpoint models lists.
            short_side: pixels of the shorter side fed to the network; 0 for the photo's own.
            sparsity: share pruned: below 1, JSON per stage or pair, or a preset as paper-35ms.
            stage: number of the stage, from 1; 0 for all blocks.
            format: "svg" or "pdf".
            task: one of the network's tasks, which the endpoint models lists; empty for its first.

        Returns:
            The file.
        """
        try:
            kind = _FORMATS.get(format)
            if kind is None:
                raise ScheduleError(f'format must be svg or pdf, got "{format[:20]}".')
            result = self._run(photo, model, short_side, sparsity, task)
            data = make_filmstrip(result, stage, kind)
            return NamedBytes(name_filmstrip(result, stage, kind), data)
        except Exception as error:
            raise self._refuse(error) from None
