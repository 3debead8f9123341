"""The tab Outputs."""
