"""The tab Latency."""
