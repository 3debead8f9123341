"""The tab A against B."""
