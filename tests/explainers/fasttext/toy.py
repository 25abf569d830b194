"""A small language of pieces of words, a subject with rules about it, and text of related words."""

from __future__ import annotations

import random

import torch

from benchmark.interface import ExplainText
from tests.explainers.rule_subject import RuleSubject, evidence_of

BOS = 0
# Two topics whose words stand among each other, and never among those of the other.
ANIMALS = ("cat", "dog", "cow", "hen", "fox")
COLOURS = ("red", "blue", "pink", "gray", "teal")
PIECES = (
    *(f" {word}" for word in (*ANIMALS, *COLOURS)),
    "s", "like", "ish", " the", " run", "ner", "ning", ".", "\n", "'", "t", " don", "cat",
)  # fmt: skip
VOCABULARY = ("<bos>", *PIECES)
IDS = {text: token for token, text in enumerate(VOCABULARY)}


class Tokenizer:
    """Longest piece first, as a byte-level tokenizer spells."""

    all_special_ids = (BOS,)

    def decode(self, ids):
        return "".join(VOCABULARY[token] for token in ids)

    def encode(self, text, add_special_tokens=False):
        assert not add_special_tokens
        ids = []
        while text:
            fits = [piece for piece in PIECES if text.startswith(piece)]
            if not fits:
                return []
            ids.append(IDS[max(fits, key=len)])
            text = text[len(VOCABULARY[ids[-1]]) :]
        return ids


def ids(text):
    return Tokenizer().encode(text)


def context(text, length):
    """BOS and a text, filled up with full stops."""
    tokens = [BOS, *ids(text)]
    assert len(tokens) <= length
    return tokens + [IDS["."]] * (length - len(tokens))


def word_ending(*words):
    """A rule: 2 on the last token of any of these words, whatever it is split into."""
    spelt = [tuple(ids(f" {word}")) for word in words]

    def rule(tokens):
        return 2.0 * any(tuple(tokens[-len(word) :]) == word for word in spelt)

    return rule


class Subject(RuleSubject):
    d_vocab = len(VOCABULARY)

    def __init__(self, *rules):
        super().__init__(*rules)
        self.tokenizer = Tokenizer()


def corpus_tokens(n=400, length=16, seed=0):
    """Contexts about one topic each, with plurals and a few words of no topic."""
    rng = random.Random(seed)
    rows = []
    for _ in range(n):
        topic = rng.choice((ANIMALS, COLOURS))
        text = "".join(
            f" {rng.choice(topic)}{rng.choice(('', '', 's', 'like'))}{rng.choice(('', ' the'))}"
            for _ in range(length)
        )
        rows.append([BOS, *ids(text)][:length])
    return torch.tensor(rows)


def explain_text(tokens=None):
    tokens = corpus_tokens() if tokens is None else tokens
    return ExplainText(tokens, BOS, Tokenizer(), len(VOCABULARY))


class Memory:
    """A storage in memory that counts."""

    def __init__(self):
        self.kept, self.reads, self.writes = {}, 0, 0

    def read(self, kind, determinants):
        self.reads += 1
        return self.kept.get((kind, repr(sorted(determinants.items()))))

    def write(self, kind, determinants, tensors):
        self.writes += 1
        self.kept[kind, repr(sorted(determinants.items()))] = dict(tensors)


def evidence(subject, *texts, length=16):
    return evidence_of(subject, [context(text, length) for text in texts])
