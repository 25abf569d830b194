"""Runs: subject and corpus opened, neurons explained and scored, results recorded and reopened."""
