"""Planted subject: no weights, and neurons whose rules are known.

An explainer can be tested on it against the rules. Everything but the rules themselves (checks,
batches, counting, reading) is that of every other subject.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from benchmark.errors import BenchmarkError
from benchmark.subject import planted_rules
from benchmark.subject.batching import ForwardPasses, first_batch_tokens
from benchmark.subject.fingerprint import tokenizer_fingerprint
from benchmark.subject.mlp_units import MlpUnits
from benchmark.subject.planted_rules import Rule
from benchmark.subject.site_reader import SiteReader
from benchmark.subject.subject import Subject
from benchmark.subject.units import DEFAULT_KIND

SITE = "rules.{layer}"
N_CTX = 1024
BOS_TOKEN, PADDING, UNKNOWN = "<bos>", "<pad>", "<unk>"
# The commonest words and signs of the standard library's source files, commonest first. All others
# are unknown words.
COMMONEST = (
    ". ' ) ( , = \" : # - self > the if \\ [ ] is def return a None * to in LETTER 0 and 1 for not "
    "/ of LATIN % + s name < or else SMALL be CAPITAL from path import as raise Decimal WITH value "
    "with class that 2 context it n } text { data file other True line try os except an The b t "
    "False ` this by are i r sys ; x ! len type f filename object c list command on module If we 3 "
    "elif d This will append args can set key p default string code e A Return ValueError result "
    "no ? all 5 10 msg method which isinstance new int get @ bytes input use join used print read "
    "str when number should errors event header prefix error pass must any"
)
WORDS = COMMONEST.split()

RULES: tuple[Rule, ...] = (
    planted_rules.one_token("return"),
    planted_rules.one_token("the"),
    planted_rules.after("not", "if"),
    planted_rules.after("the", "of"),
    planted_rules.within_three("'", "'"),
    planted_rules.within_three('"', '"'),
    planted_rules.either_phrase(("is", "None"), ("in", "the")),
    planted_rules.either_phrase(("raise", "ValueError"), ("will", "be")),
    planted_rules.unless_preceded("self", "("),
    planted_rules.unless_preceded("None", "is"),
    planted_rules.repeated("import"),
    planted_rules.repeated("class"),
    planted_rules.at_start("the"),
    planted_rules.at_start("self"),
)
# Neurons differ in strength, so that raw units and parts of the maximum are not the same.
STRENGTHS = tuple(1 + neuron / 4 for neuron in range(len(RULES)))


class RuleModel(nn.Module):
    """Neurons that are rules, in one layer; it expects the commonest words everywhere."""

    likely: Tensor

    def __init__(self, planted: Sequence[Rule], vocabulary: Mapping[str, int], bos: int) -> None:
        super().__init__()
        self.neurons = nn.Identity()
        self._rules = [(rule, [vocabulary[word] for word in rule.words]) for rule in planted]
        self._bos = bos
        self.register_buffer("likely", -torch.arange(len(vocabulary), dtype=torch.float32))

    def forward(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos d_vocab"]:
        """Run the rules, which nothing follows from: the subject does not model language."""
        firing = [rule.holds(tokens, ids, self._bos) for rule, ids in self._rules]
        strengths = torch.tensor(STRENGTHS[: len(firing)], device=tokens.device)
        self.neurons(torch.stack(firing, dim=-1) * strengths)
        return self.likely.expand(*tokens.shape, -1)


def planted_tokenizer() -> Any:
    """Return a tokenizer of whole words and single signs; spaces are not kept."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: number for number, word in enumerate((BOS_TOKEN, PADDING, UNKNOWN, *WORDS))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(
        Regex(r"\w+|[^\w\s]"), behavior="removed", invert=True
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=BOS_TOKEN, unk_token=UNKNOWN, pad_token=PADDING
    )


def planted_subject(
    *,
    name: str,
    device: torch.device,
    dtype: torch.dtype,
    unit: Mapping[str, Any] | None = None,
) -> Subject:
    """Return the planted subject; neuron j of its one layer follows `RULES[j]`.

    Raises:
        BenchmarkError: units other than its neurons are asked for.
    """
    kind = (unit or {}).get("kind", DEFAULT_KIND)
    if kind != DEFAULT_KIND:
        raise BenchmarkError(
            f"subject '{name}' has no units of kind '{kind}', only its planted neurons; use "
            f"unit={DEFAULT_KIND}."
        )
    tokenizer = planted_tokenizer()
    vocabulary = dict(tokenizer.get_vocab())
    bos = vocabulary[BOS_TOKEN]
    model = RuleModel(RULES, vocabulary, bos).to(device)
    batch_tokens = first_batch_tokens(
        width=len(RULES), d_model=0, n_ctx=N_CTX, n_heads=0, device=device
    )
    return Subject(
        name=name,
        source="benchmark/subject/planted.py",
        revision=None,
        fingerprint=_fingerprint(),
        n_layers=1,
        n_ctx=N_CTX,
        d_vocab=len(vocabulary),
        bos=bos,
        tokenizer=tokenizer,
        tokenizer_fingerprint=tokenizer_fingerprint(tokenizer, bos),
        dtype=dtype,
        model=model,
        reader=SiteReader(model, MlpUnits(SITE, [model.neurons], len(RULES))),
        passes=ForwardPasses(device, batch_tokens),
        without_outputs="its neurons are rules, and nothing follows from them",
    )


def _fingerprint() -> str:
    """Return the SHA-256 of the rules, their code included."""
    written = [[rule.name, rule.words] for rule in RULES]
    text = json.dumps([written, STRENGTHS, WORDS]) + inspect.getsource(planted_rules)
    return hashlib.sha256(text.encode()).hexdigest()
