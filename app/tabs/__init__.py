"""One folder a tab: what it shows, what happens on it, its scripts and styles."""
