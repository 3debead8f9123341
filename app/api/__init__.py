"""Endpoints for programs and agents."""

from __future__ import annotations

from app.api.questions import QuestionApi
from app.api.runs import RunApi


class Api(RunApi, QuestionApi):
    """What a program can ask for; each method is an endpoint of the same name.

    Args:
        engine: runs the networks.
    """
