"""Plots for papers, all in one style."""
