"""The terminal: safe output, progress bars, streams that break without breaking the work."""
