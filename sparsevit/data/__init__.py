"""Data sets: scenes the project draws itself, and labelled folders."""
