"""Explainers whose explanations say of themselves whether their text is complete."""

from __future__ import annotations

from typing import ClassVar

import torch

from benchmark.interface import Failure


class Constant:
    """One number everywhere, in words on `lines` lines."""

    text_is_complete = True

    def __init__(self, value, lines=1):
        self.value, self.lines = value, lines

    def simulate(self, tokens):
        return torch.full(tokens.shape, self.value)

    def describe(self):
        return "\n".join([f"always {self.value!r}", *["whatever the text"] * (self.lines - 1)])

    def to_dict(self):
        return {"value": self.value, "lines": self.lines}

    @classmethod
    def from_dict(cls, data):
        return cls(data["value"], data["lines"])

    @classmethod
    def from_text(cls, text, vocabulary):
        first, *others = text.splitlines() or [""]
        for number, line in enumerate(others, start=2):
            if line != "whatever the text":
                raise ValueError(f"line {number}, '{line}', is not 'whatever the text'.")
        return cls(cls.number(first), 1 + len(others))

    @staticmethod
    def number(line):
        if not line.startswith("always "):
            raise ValueError(f"line 1, '{line}', does not begin with 'always'.")
        return float(line.removeprefix("always "))


class Means:
    """The mean of each neuron; `lines` of a neuron are its number in the block, and one."""

    evidence = "exemplars"
    explanation_class: ClassVar[type] = Constant

    def explain(self, evidence, subject):
        means = evidence.mean_activation.tolist()
        return [self.one(mean, row) for row, mean in enumerate(means)]

    def one(self, mean, row):
        return self.explanation_class(mean, row + 1)


def explaining(kind):
    return type(f"Explains{kind.__name__}", (Means,), {"explanation_class": kind})


class Partly(Constant):
    """Complete where it is one line."""

    @property
    def text_is_complete(self):
        return self.lines == 1


class Incomplete(Constant):
    text_is_complete = False


class SaysYes(Constant):
    text_is_complete = "yes"


class CannotBeRead(Constant):
    from_text = None


class CannotTell(Constant):
    @property
    def text_is_complete(self):
        raise KeyError("whether")


class CannotDescribe(Constant):
    """Breaks where it is more than one line."""

    def describe(self):
        if self.lines > 1:
            raise SystemExit("no words")
        return super().describe()


class DescribesNothing(Constant):
    def describe(self):
        return None if self.lines > 1 else ""


class ReadsLess(Constant):
    """Reads another number than it says."""

    @staticmethod
    def number(line):
        return 0.5 * Constant.number(line)


class ReadsNothing(Constant):
    @staticmethod
    def number(line):
        raise ValueError(f"line 1, '{line}', is too much.")


MeansLess, MeansNoText = explaining(ReadsLess), explaining(ReadsNothing)
MeansPartly, MeansIncomplete = explaining(Partly), explaining(Incomplete)
MeansYes, MeansUnread = explaining(SaysYes), explaining(CannotBeRead)
MeansUntold, MeansUndescribed = explaining(CannotTell), explaining(CannotDescribe)
MeansNothing = explaining(DescribesNothing)


class FailsOnSecond(Means):
    def one(self, mean, row):
        return Failure("the second") if row == 1 else super().one(mean, row)
