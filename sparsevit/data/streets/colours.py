"""Colours (0..255) that more than one kind of thing wears."""

import numpy as np

BRIGHT = ((176, 50, 44), (38, 84, 140), (222, 172, 60), (32, 106, 96), (110, 62, 92))
GLASS = np.array((70, 86, 104))
