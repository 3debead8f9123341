"""``python -m sparsevit`` is the ``sparsevit`` command."""

from sparsevit.cli import cli

cli(prog_name="sparsevit")
