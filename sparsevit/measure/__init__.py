"""Latency, memory and arithmetic, and the one rule for the dense rival."""
