"""Proposers: likely substitutes for a place of a context, from the subject or a masked model."""

from explainers.proposers.choosing import MASKED_MODEL, PROPOSERS, Proposers
from explainers.proposers.proposal import Proposal, Proposer, Span

__all__ = [
    "MASKED_MODEL",
    "PROPOSERS",
    "Proposal",
    "Proposer",
    "Proposers",
    "Span",
]
