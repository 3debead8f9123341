"""The tab Trade-off."""
