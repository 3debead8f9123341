"""The tab Pruned windows."""
