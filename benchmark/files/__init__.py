"""Files on disk and on the hub: read safely, written atomically."""
