"""Pictures: masks over a photo, curves over an axis."""
