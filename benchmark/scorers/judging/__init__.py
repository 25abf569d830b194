"""Judging: whether an explanation tells the contexts that activate its neuron from others."""
