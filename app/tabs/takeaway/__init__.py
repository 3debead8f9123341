"""The tab Take away."""
