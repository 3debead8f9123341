"""One photo in one network: what every block kept, step by step, at which sizes, how long."""
