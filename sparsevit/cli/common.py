"""What the commands share: their options, how they read them, and how they end on an error."""

from __future__ import annotations

import inspect
import json
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from tqdm import tqdm

from sparsevit.networks import default_device, load_model, timm_list
from sparsevit.package.extras import MissingPackageError

if TYPE_CHECKING:
    from sparsevit.networks import LoadedModel

EXIT_BAD_INPUT = 2
EXIT_SOME_FAILED = 1

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
ModelName = Annotated[
    str, typer.Option("--model", "-m", help="A name from 'sparsevit models', or a .safetensors.")
]
TaskName = Annotated[
    str | None,
    typer.Option(
        "--task",
        help="Of a network that does several: semantic, instance or boxes3d; restoration or "
        "enhancement. [default: its first]",
    ),
]
Device = Annotated[str | None, typer.Option(help="cpu, cuda or cuda:N. [default: a GPU if any]")]
Threads = Annotated[int | None, typer.Option(min=1, help="CPU threads. [default: all]")]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
Checkpoint = Annotated[
    Path | None, typer.Option(help="Weights for a timm architecture, instead of its download.")
]


def takes_options(command: Callable[[Any], None]) -> Callable[..., None]:
    """Make a command whose one parameter is a dataclass: each field is an option of it.

    A field is annotated as typer reads a function's parameters; its default is the option's.
    """
    (options,) = inspect.signature(command, eval_str=True).parameters.values()

    @wraps(command)
    def run(**values: Any) -> None:
        command(options.annotation(**values))

    # Which typer reads in place of what run itself takes.
    vars(run)["__signature__"] = inspect.signature(options.annotation, eval_str=True)
    return run


def load(
    name: str,
    device: str | None,
    checkpoint: Path | None = None,
    *,
    random_weights: bool = False,
    seed: int = 0,
) -> LoadedModel:
    """Load what ``--model`` names; what was taken of a checkpoint is said on standard error.

    Args:
        name: of a network, or a file.
        device: None for the usual one.
        checkpoint: weights for a timm architecture.
        random_weights: instead of a download, where the name is a timm architecture's.
        seed: of random weights.
    """
    loaded = load_model(
        name,
        device=device or default_device(),
        checkpoint=checkpoint,
        random_weights=random_weights and timm_list.is_known(name),
        seed=seed,
    )
    if loaded.note:
        typer.echo(loaded.note, err=True)
    return loaded


def choose_data(given: str | None, default: str, loaded: LoadedModel) -> str:
    """What ``--data`` names, or else the default.

    Raises:
        DataError: none was given, and the default is nothing for the network.
    """
    from sparsevit.data.pictures import DataError
    from sparsevit.tasks.restoration import RestorationTask

    if given is None and isinstance(loaded.task, RestorationTask):
        raise DataError(f"{loaded.name} is measured on photos of yours: --data FOLDER.")
    return given or default


def read_size(text: str) -> int | None:
    """Short side in pixels, None for "native"; ends the command if it is neither."""
    if text == "native":
        return None
    if not text.isdigit() or not 64 <= int(text) <= 4096:
        raise fail(ValueError(f"size is 64 to 4096 pixels or 'native', not {text!r}."))
    return int(text)


def read_sizes(text: str) -> list[int | None]:
    """Short sides with commas, each once; ends the command if one is none."""
    return [read_size(part) for part in dict.fromkeys(map(str.strip, text.split(",")))]


def split_schedules(text: str) -> list[str]:
    """Split at the commas outside brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "[") - (letter == "]")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def write_json(data: Any, out: Path | None, to_stdout: bool) -> None:
    """Write JSON to a file, whose folder is made, or on standard output, or both."""
    text = json.dumps(data, indent=2)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text + "\n", encoding="utf-8")
    if to_stdout:
        typer.echo(text)


@contextmanager
def report_errors() -> Iterator[None]:
    """End the command with one sentence for every error a user can cause.

    What data warns of is one sentence too, and is said once.
    """
    said: set[str] = set()

    def say(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
        from sparsevit.data.pictures import DataWarning

        if not issubclass(category, DataWarning):
            show(message, category, *rest, **more)
        elif str(message) not in said:
            said.add(str(message))
            tqdm.write(f"Warning: {message}", file=sys.stderr)  # above a bar, if there is one

    with warnings.catch_warnings():
        show, warnings.showwarning = warnings.showwarning, say
        try:
            yield
        except Exception as error:
            raise fail(error) from error


def fail(error: Exception) -> typer.Exit:
    """Print the one sentence, and give what ends the command with the exit code of bad input."""
    typer.echo(f"Error: {explain(error)}", err=True)
    return typer.Exit(EXIT_BAD_INPUT)


def explain(error: Exception) -> str:
    """One sentence for an error that a user can cause; any other goes on as it is."""
    from sparsevit.hosts.registry import UnsupportedModelError
    from sparsevit.measure.memory import is_out_of_memory
    from sparsevit.training import TrainingError

    if is_out_of_memory(error):
        return "Out of memory; try a smaller --size or --batch."
    expected = (ValueError, TrainingError, UnsupportedModelError, MissingPackageError, OSError)
    if isinstance(error, expected):
        return " ".join(str(error).split()) or type(error).__name__
    raise error
