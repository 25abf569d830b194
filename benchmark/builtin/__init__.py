"""The built-in subjects `solu-tiny` and `gelu-tiny`: architectures, training and weights."""
