"""Finished runs analysed: compared pair by pair, labelled, and their metrics tested."""
