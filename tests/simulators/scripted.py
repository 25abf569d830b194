"""A language model whose answers a test writes."""

from __future__ import annotations

from benchmark.interface import LabelReply, Reply, Usage


class ScriptedModel:
    """Answers requests by functions, and keeps what it was asked."""

    name = "scripted"

    def __init__(self, answer=None, labels=None):
        self.answer, self.labels = answer, labels
        self.asked, self.asked_labels = [], []

    @property
    def reads_labels(self):
        return self.labels is not None

    def ask(self, requests):
        self.asked += requests
        found = [self.answer(one) for one in requests]
        return [
            one if isinstance(one, Reply) else Reply(one, usage=Usage(10, 0, 2)) for one in found
        ]

    def read_labels(self, requests):
        self.asked_labels += requests
        return [LabelReply(self.labels(one), Usage(20)) for one in requests]
