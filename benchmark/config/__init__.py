"""The configuration of a run: its keys, the tree of named choices, and what composes them."""
