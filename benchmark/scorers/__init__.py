"""Scorers: what is measured of a block of explanations."""
