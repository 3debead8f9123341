"""What a search ends with when it cannot go on."""


class SearchError(ValueError):
    """A search that cannot be run; the message is one sentence that says why."""
