"""Adapters, one per host library family: the only files tied to a host's internals."""
