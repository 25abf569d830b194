"""An explainer that keeps to the interface, and one that breaks each part of it."""

from __future__ import annotations

import os
import random
import sys
import sysconfig
from pathlib import Path
from typing import ClassVar

import torch

from benchmark.interface import Explained, Failure, Prediction, TextLine


class Strengths:
    """A strength for each of some tokens, zero on others."""

    def __init__(self, strengths, words=""):
        self.strengths = strengths
        self.words = words

    def simulate(self, tokens):
        found = torch.zeros(tokens.shape)
        for token, strength in self.strengths:
            found[tokens == token] = strength
        return found

    def describe(self):
        return f"fires on {len(self.strengths)} tokens"

    def to_dict(self):
        return {"strengths": [list(pair) for pair in self.strengths], "words": self.words}

    @classmethod
    def from_dict(cls, data):
        return cls([tuple(pair) for pair in data["strengths"]], data["words"])


class Sound:
    """What a neuron does at the anchors of its exemplars; asks the subject about one of them."""

    evidence = "exemplars+sample"
    explanation_class: ClassVar[type] = Strengths

    def explain(self, evidence, subject):
        tokens = evidence.exemplars.tokens
        if not tokens.shape[1]:
            return [Failure("no exemplars")] * len(tokens)
        for row in range(len(tokens)):
            subject.activations(tokens[row, :1], evidence.layer, evidence.neurons[[row]])
        return [self.one(evidence, row, subject) for row in range(len(tokens))]

    def one(self, evidence, row, subject):
        return self.explanation_class(self.strengths(evidence, row))

    def strengths(self, evidence, row):
        exemplars = evidence.exemplars
        at = exemplars.anchors[row][:, None]
        tokens = exemplars.tokens[row].gather(1, at)[:, 0].tolist()
        strengths = exemplars.activations[row].gather(1, at)[:, 0].tolist()
        return sorted(dict(zip(tokens, strengths, strict=True)).items())

    def simulate_block(self, explanations, tokens):
        return torch.stack([one.simulate(tokens) for one in explanations], -1)


def saying(**methods):
    """A `Sound` explainer whose explanations have other methods."""
    kind = type("Other", (Strengths,), methods)
    return type("Says", (Sound,), {"explanation_class": kind})


# answers


class GivesFewer(Sound):
    def explain(self, evidence, subject):
        return super().explain(evidence, subject)[1:]


class GivesText(Sound):
    def one(self, evidence, row, subject):
        return "it fires on numbers"


class GivesNothing(Sound):
    def explain(self, evidence, subject):
        return None


class Raises(Sound):
    def explain(self, evidence, subject):
        raise ValueError("no\nluck")


class Exits(Sound):
    def explain(self, evidence, subject):
        raise SystemExit(3)


class Interrupts(Sound):
    def explain(self, evidence, subject):
        raise KeyboardInterrupt


class GivesWithoutEnd(Sound):
    def explain(self, evidence, subject):
        yield from super().explain(evidence, subject)
        while True:
            yield Failure("one more")


class ChangesTheDefaultDtype(Sound):
    def explain(self, evidence, subject):
        answers = super().explain(evidence, subject)
        torch.set_default_dtype(torch.float64)
        return answers


class ChangesTheFolder(Sound):
    def explain(self, evidence, subject):
        os.chdir("/")
        return super().explain(evidence, subject)


class LosesTheHub(Sound):
    def explain(self, evidence, subject):
        raise ConnectionError("no route to the hub")


class OnlyFails(Sound):
    def one(self, evidence, row, subject):
        return Failure("too hard")


class FailsWithoutReason(Sound):
    def one(self, evidence, row, subject):
        return super().one(evidence, row, subject) if row else Failure(" ")


# shapes and numbers

OneNumber = saying(simulate=lambda self, tokens: torch.ones(3))
WholeNumbers = saying(simulate=lambda self, tokens: tokens * 0)
AList = saying(simulate=lambda self, tokens: [[0.0]])
NeedsContexts = saying(
    simulate=lambda self, tokens: torch.zeros(tokens.shape) + Strengths.simulate(self, tokens).max()
)
ChangesTokens = saying(
    simulate=lambda self, tokens: Strengths.simulate(self, tokens.add_(1).sub_(2))
)
NotANumber = saying(
    simulate=lambda self, tokens: Strengths.simulate(self, tokens) / (tokens != 5).float() * 0 + 1
)


Sparse = saying(simulate=lambda self, tokens: Strengths.simulate(self, tokens).to_sparse())
OnMeta = saying(simulate=lambda self, tokens: torch.empty(tokens.shape, device="meta"))


def ending(self, tokens):
    raise SystemExit(0)


EndsWhileSimulating = saying(simulate=ending)


def closing(self, tokens):
    sys.stdout.close()
    return Strengths.simulate(self, tokens)


ClosesTheOutput = saying(simulate=closing)


class JointOfAnotherShape(Sound):
    def simulate_block(self, explanations, tokens):
        return super().simulate_block(explanations, tokens).permute(2, 0, 1)


# words

SaysNothing = saying(describe=lambda self: " \n ")
SaysTooMuch = saying(describe=lambda self: "word\n" * 200)
SaysOneEndlessLine = saying(describe=lambda self: "word " * 5000)
SaysNumbers = saying(describe=lambda self: 5)
CannotSay = saying(describe=lambda self: {}["words"])


# saving


class Rounds(Strengths):
    def to_dict(self):
        return {"strengths": [[t, round(s, 1)] for t, s in self.strengths], "words": self.words}


class KeysAreNumbers(Strengths):
    def to_dict(self):
        return {"strengths": dict(self.strengths)}

    @classmethod
    def from_dict(cls, data):
        return cls([(token, strength) for token, strength in data["strengths"].items()])


class ForgetsWords(Strengths):
    def __init__(self, strengths, words="known"):
        super().__init__(strengths, words)

    def describe(self):
        return f"fires on {self.words}"

    @classmethod
    def from_dict(cls, data):
        return cls([tuple(pair) for pair in data["strengths"]], "something")

    def to_dict(self):
        return {"strengths": [list(pair) for pair in self.strengths]}


class HidesInShown(Strengths):
    def to_dict(self):
        return {
            "words": self.words,
            "shown": {"strengths": [list(each) for each in self.strengths]},
        }

    @classmethod
    def from_dict(cls, data):
        return cls([tuple(pair) for pair in data.get("shown", {}).get("strengths", [])])


class NeedsShown(HidesInShown):
    @classmethod
    def from_dict(cls, data):
        return cls([tuple(pair) for pair in data["shown"]["strengths"]])


class HoldsTensors(Strengths):
    def to_dict(self):
        return {"strengths": torch.tensor(self.strengths)}


class SavesOtherwiseLater(Strengths):
    def simulate(self, tokens):
        self.words = "simulated"
        return super().simulate(tokens)


class CannotSaveLater(SavesOtherwiseLater):
    def to_dict(self):
        if self.words:
            raise SystemExit(0)
        return super().to_dict()


SavesLate = type("SavesLate", (Sound,), {"explanation_class": SavesOtherwiseLater})
SavesTooLate = type("SavesTooLate", (Sound,), {"explanation_class": CannotSaveLater})
RoundsWhenSaving = type("RoundsWhenSaving", (Sound,), {"explanation_class": Rounds})
SavesKeys = type("SavesKeys", (Sound,), {"explanation_class": KeysAreNumbers})
SavesNoWords = type("SavesNoWords", (Sound,), {"explanation_class": ForgetsWords})
Hides = type("Hides", (Sound,), {"explanation_class": HidesInShown})
NeedsWhatIsShown = type("NeedsWhatIsShown", (Sound,), {"explanation_class": NeedsShown})
SavesTensors = type("SavesTensors", (Sound,), {"explanation_class": HoldsTensors})


# texts that are the whole explanation


class InFull(Strengths):
    """A line for each token, its strength in all digits."""

    text_is_complete = True

    def describe(self):
        return "\n".join(f"{token} {strength!r}" for token, strength in self.strengths)

    @classmethod
    def from_text(cls, text, vocabulary):
        return cls([cls.line(line) for line in text.splitlines()])

    @staticmethod
    def line(text):
        try:
            token, strength = text.split()
            return int(token), float(strength)
        except ValueError:
            raise ValueError(f"'{text}' is no token and its strength.") from None


class Long(InFull):
    """More than one screen, all of which is needed."""

    def describe(self):
        return f"{super().describe()}{chr(10) * 90}"

    @classmethod
    def from_text(cls, text, vocabulary):
        return cls([cls.line(line) for line in text.splitlines() if line])


class StrongAlone(InFull):
    """Says the strongest token alone, and knows that this is not all."""

    @property
    def text_is_complete(self):
        return len(self.strengths) == 1

    def describe(self):
        return f"{self.strengths[0][0]} {self.strengths[0][1]!r}"


def in_full(**methods):
    """A `Sound` explainer whose explanations say that they are complete, with other methods."""
    kind = type("Other", (InFull,), methods)
    return type("SaysInFull", (Sound,), {"explanation_class": kind})


SoundInFull, LongInFull, SoundInPart = (
    type("Sound", (Sound,), {"explanation_class": kind}) for kind in (InFull, Long, StrongAlone)
)
NeverReadBack = saying(text_is_complete=True)
SaysAWord = in_full(text_is_complete="no")
SaysByAMethod = in_full(text_is_complete=lambda self: True)
CannotSayWhether = in_full(text_is_complete=property(lambda self: {}["whether"]))
SaysLess = in_full(
    describe=lambda self: "\n".join(f"{token} {0.999 * at!r}" for token, at in self.strengths)
)
SaysHalf = in_full(describe=lambda self: InFull.describe(self).partition("\n")[0])
SaysWhatLinesDo = in_full(
    lines=lambda self: [TextLine(line) for line in self.describe().splitlines()],
    deciding_lines=lambda self, tokens: tokens % len(self.strengths),
)
LinesOfAnother = in_full(
    lines=lambda self: [TextLine("another")],
    deciding_lines=lambda self, tokens: tokens * 0,
)
DecidesByNoLine = in_full(
    lines=SaysWhatLinesDo.explanation_class.lines,
    deciding_lines=lambda self, tokens: tokens * 0 + len(self.strengths),
)
ReadsAnything = in_full(
    from_text=classmethod(
        lambda cls, text, vocabulary: cls(
            [cls.line(one) for one in text.splitlines() if one[:1].isdigit()]
        )
    )
)
IgnoresTheEnd = in_full(
    from_text=classmethod(
        lambda cls, text, vocabulary: cls(
            [cls.line(one) for one in text.partition("\n‹")[0].splitlines()]
        )
    )
)


def looking_up(text):
    if text[0] == "‹":
        raise KeyError(text[0])
    return InFull.line(text)


BreaksOnNonsense = in_full(line=staticmethod(looking_up))
CannotReadItself = in_full(line=staticmethod(lambda text: InFull.line(text.replace(".", "?"))))
ReadsALid = in_full(from_text=classmethod(lambda cls, text, vocabulary: text.splitlines()))


def drifting(self):
    self.times = getattr(self, "times", 0) + 1
    return InFull.describe(self) + " " * self.times


DescribesOtherwiseLater = in_full(describe=drifting)


class SaysInHashOrder(InFull):
    """Saves the same everywhere, and says it in the order of a set of text."""

    def describe(self):
        return "\n".join({f"{token} {strength!r}" for token, strength in self.strengths})


SoundInHashOrder = type("Sound", (Sound,), {"explanation_class": SaysInHashOrder})


class KeepsMore(InFull):
    """Knows its words, which its text does not say."""

    @classmethod
    def from_text(cls, text, vocabulary):
        read = super().from_text(text, vocabulary)
        read.words = "read"
        return read


class JointUsesMore(Sound):
    explanation_class = KeepsMore

    def simulate_block(self, explanations, tokens):
        found = super().simulate_block(explanations, tokens)
        return found + 1 if any(one.words for one in explanations) else found


# simulating together


class AlmostJoint(Sound):
    def simulate_block(self, explanations, tokens):
        return super().simulate_block(explanations, tokens) * (1 + 1e-6)


def centred(self, tokens):
    found = Strengths.simulate(self, tokens)
    return found - found.mean() if found.numel() else found


CentresTheBatch = saying(simulate=centred)


def counting(self, tokens):
    self.calls = getattr(self, "calls", 0) + 1
    return Strengths.simulate(self, tokens) + self.calls


CountsCalls = saying(simulate=counting)


class JointCentresTheBatch(Sound):
    def simulate_block(self, explanations, tokens):
        found = super().simulate_block(explanations, tokens)
        return found - found.mean() if found.numel() else found


# explaining again, in another order, in another block


class DrawsAtRandom(Sound):
    def strengths(self, evidence, row):
        noise = random.random()
        return [(token, strength + noise) for token, strength in super().strengths(evidence, row)]


class Remembers(Sound):
    def __init__(self):
        self.blocks = 0

    def strengths(self, evidence, row):
        self.blocks += row == 0
        return [(t, s + self.blocks) for t, s in super().strengths(evidence, row)]


class HashesText(Sound):
    def strengths(self, evidence, row):
        noise = hash("text") % 1000
        return [(token, strength + noise) for token, strength in super().strengths(evidence, row)]


class CountsRows(Sound):
    """Alone every neuron would have row 0: the order and the block are both noticed."""

    def strengths(self, evidence, row):
        return [(token, strength + row) for token, strength in super().strengths(evidence, row)]


class ScalesByTheBlock(Sound):
    def strengths(self, evidence, row):
        largest = float(evidence.max_activation.max())
        return [(token, strength / largest) for token, strength in super().strengths(evidence, row)]


class ScalesByTheBlockAndSaysSo(ScalesByTheBlock):
    needs_block = True


# neurons that nothing can be said about


class DividesByTheMaximum(Sound):
    def strengths(self, evidence, row):
        maximum = evidence.max_activation[row]
        pairs = super().strengths(evidence, row)
        return [(token, float(strength / maximum)) for token, strength in pairs]


class BreaksOnTheDead(Sound):
    def strengths(self, evidence, row):
        if evidence.max_activation[row] == 0:
            raise ZeroDivisionError("a dead neuron")
        return super().strengths(evidence, row)


class NeedsExemplars(Sound):
    def explain(self, evidence, subject):
        return [
            self.one(evidence, row, subject)
            for row in range(evidence.n_neurons)
            if evidence.exemplars.tokens[row, 0].numel()
        ]


# looking where it must not

HELD_OUT: list[torch.Tensor] = []  # the tests put the held-out contexts here


class AsksAboutHeldOut(Sound):
    def one(self, evidence, row, subject):
        subject.activations(HELD_OUT[0][:1, :20], evidence.layer, evidence.neurons)
        return super().one(evidence, row, subject)


class ReadsTheCorpus(Sound):
    def one(self, evidence, row, subject):
        text = (Path(sysconfig.get_paths()["stdlib"]) / "argparse.py").read_text()
        assert text
        return super().one(evidence, row, subject)


class ReadsTheCorpusWhilePreparing(Sound):
    evidence = "exemplars+text"

    def prepare(self, text, storage):
        assert (Path(sysconfig.get_paths()["stdlib"]) / "argparse.py").read_text()


class LearnsFromText(Sound):
    """Keeps to the interface: the commonest token of the text is what it adds."""

    evidence = "exemplars+sample+text"

    def prepare(self, text, storage):
        self.commonest = int(text.tokens.flatten().mode().values)

    def strengths(self, evidence, row):
        return [*super().strengths(evidence, row), (self.commonest, 0.5)]


class AsksWhileSimulating(Strengths):
    subject = None

    def simulate(self, tokens):
        if tokens.numel():
            type(self).subject.activations(tokens, 0, [0])
        return super().simulate(tokens)


class KnowsTheTruth(Sound):
    explanation_class = AsksWhileSimulating

    def one(self, evidence, row, subject):
        AsksWhileSimulating.subject = subject
        return super().one(evidence, row, subject)


# what it costs


class LooksForWeights(Sound):
    def one(self, evidence, row, subject):
        subject.model(evidence.exemplars.tokens[row, :1])
        return super().one(evidence, row, subject)


# What is not handed over, for the classes that get hold of it all the same.
WHOLE: list = []


class RunsTheModel(Sound):
    def one(self, evidence, row, subject):
        WHOLE[0].model(evidence.exemplars.tokens[row, :1])
        return super().one(evidence, row, subject)


class ReadsTheUnits(Sound):
    def one(self, evidence, row, subject):
        WHOLE[0].reader.read(evidence.exemplars.tokens[row, :1], [0], lambda found: found)
        return super().one(evidence, row, subject)


class TurnsTheCounterBack(Sound):
    def explain(self, evidence, subject):
        answers = super().explain(evidence, subject)
        WHOLE[0].passes.tokens_run = 0
        return answers


class KeepsAnswers(Sound):
    known: ClassVar[set] = set()

    def one(self, evidence, row, subject):
        key = (evidence.layer, int(evidence.neurons[row]))
        if key not in self.known:
            subject.activations(evidence.exemplars.tokens[row], evidence.layer)
            self.known.add(key)
        return super().one(evidence, row, subject)


# the evidence


class SpoilsTheEvidence(Sound):
    def one(self, evidence, row, subject):
        answer = super().one(evidence, row, subject)
        evidence.exemplars.activations[row] /= 2
        return answer


class SpoilsItLater(Strengths):
    aliased = None

    def simulate(self, tokens):
        type(self).aliased.zero_()
        return super().simulate(tokens)


class KeepsTheEvidence(Sound):
    explanation_class = SpoilsItLater

    def one(self, evidence, row, subject):
        SpoilsItLater.aliased = evidence.mean_activation
        return super().one(evidence, row, subject)


class Costs(Sound):
    """Says what each explanation cost."""

    costs: ClassVar[dict] = {"usd": 0.5, "llm_tokens": 3}

    def one(self, evidence, row, subject):
        return Explained(super().one(evidence, row, subject), self.costs)


class EarnsMoney(Costs):
    costs: ClassVar[dict] = {"usd": -0.5}


class CostsNowAndThen(Costs):
    explained = 0

    def explain(self, evidence, subject):
        CostsNowAndThen.explained += 1
        self.costs = {"usd": 1} if CostsNowAndThen.explained > 1 else {}
        return super().explain(evidence, subject)


class IsDown(Sound):
    def one(self, evidence, row, subject):
        return Failure("the endpoint is down", transient=True)


class Words:
    """Strengths that do not simulate themselves."""

    def __init__(self, strengths):
        self.inner = Strengths(strengths)

    def describe(self):
        return self.inner.describe()

    def to_dict(self):
        return self.inner.to_dict()

    @classmethod
    def from_dict(cls, data):
        return cls([tuple(pair) for pair in data["strengths"]])


class SoundInWords(Sound):
    explanation_class: ClassVar[type] = Words
    simulate_block = None


class ReadsWords:
    """Simulates what `Words` say, on the first contexts alone."""

    def simulate(self, explanations, tokens):
        values = torch.stack([one.inner.simulate(tokens) for one in explanations])
        return Prediction(values, torch.arange(len(tokens)) < 4)


class ReadsAtRandom(ReadsWords):
    def __init__(self):
        self.calls = 0

    def simulate(self, explanations, tokens):
        self.calls += 1
        prediction = super().simulate(explanations, tokens)
        return Prediction(prediction.values + self.calls, prediction.predicted)


class ReadsOthers(ReadsWords):
    def simulate(self, explanations, tokens):
        prediction = super().simulate(explanations, tokens)
        return Prediction(prediction.values + len(explanations), prediction.predicted)


class GivesNoPrediction(ReadsWords):
    def simulate(self, explanations, tokens):
        return super().simulate(explanations, tokens).values
