"""What a scene's pixels can show, and the colours of the label map."""

import numpy as np

CLASS_NAMES: tuple[str, ...] = (
    *("Sky", "Building", "Pole", "Road", "Pavement", "Tree"),
    *("Sign", "Fence", "Car", "Pedestrian", "Bicyclist", "void"),
)
SKY, BUILDING, POLE, ROAD, PAVEMENT, TREE, SIGN, FENCE, CAR, PEDESTRIAN, BICYCLIST, VOID = range(12)

# Classes that touch differ in lightness as well as hue, so the map also reads without colour.
_HEX = "9bd0f5 b07a5c f0e442 545462 ccbbcc 00875f e66100 663c14 005ab5 dc267f ffb000 000000"
PALETTE = np.array([list(bytes.fromhex(colour)) for colour in _HEX.split()], dtype=np.uint8)
