"""The tab Where it errs."""
