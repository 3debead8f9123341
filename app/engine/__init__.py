"""What runs networks; nothing here knows of a page."""
