"""HTML from templates that escape by themselves; each lies beside the view that fills it in."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.ext import Extension

from app.page.units import say_agreement

_APP = Path(__file__).parent.parent


def render(name: str, **values: object) -> str:
    """HTML of a template.

    Args:
        name: of the file, from the folder ``app/``: "tabs/latency/latency.html".
        values: its variables; text among them is escaped.

    Raises:
        jinja2.TemplateError: there is no such file, or it names a variable that it was not given.
    """
    return _make_environment().get_template(name).render(values).strip()


@cache
def _make_environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_APP),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=[_OneLine],
        auto_reload=False,
    )
    environment.filters |= {"fixed": _fix, "percent": say_percent, "size": _say_size}
    environment.filters |= {"agreement": say_agreement, "signed": say_signed}
    return environment


class _OneLine(Extension):
    """A line break in a template is a space, as in HTML, also in what tests and programs read."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        return re.sub(r"\s*\n\s*", " ", source.strip())


def _fix(value: float, digits: int = 0) -> str:
    """2.5, 2 -> "2.50"."""
    return f"{value:.{digits}f}"


def say_percent(share: float, digits: int = 0) -> str:
    """0.905, 1 -> "90.5 %", which no line breaks."""
    return f"{100 * share:.{digits}f}\u00a0%"


def say_signed(value: float, digits: int = 0) -> str:
    """1.5, 1 -> "+1.5", and a true minus sign."""
    return f"{value:+.{digits}f}".replace("-", "\u2212")


def _say_size(sides: Iterable[int]) -> str:
    """(256, 512) -> "256 × 512"."""
    return " × ".join(str(side) for side in sides)
