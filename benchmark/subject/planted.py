"""The planted subject: no weights, and neurons whose rules are known.

An explainer can be tested on it with the truth in hand. Everything but the rules themselves
(checks, batches, counting) is that of every other subject.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Collection, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from benchmark.subject import planted_rules
from benchmark.subject.batching import first_batch_tokens
from benchmark.subject.fingerprint import tokenizer_fingerprint
from benchmark.subject.planted_rules import Rule
from benchmark.subject.site import Sites
from benchmark.subject.subject import Subject

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


class RuleSites(Sites):
    """Neurons that are rules, in one layer, instead of a model's."""

    def __init__(self, planted: Sequence[Rule], vocabulary: dict[str, int], bos: int) -> None:
        super().__init__(_CommonestNext(len(vocabulary)), [nn.Identity()])
        self.without_outputs = "its neurons are rules, and nothing follows from them"
        self._rules = [(rule, [vocabulary[word] for word in rule.words]) for rule in planted]
        self._bos = bos

    def read(
        self,
        tokens: Int[Tensor, "batch pos"],
        layers: Collection[int],
        take: Callable[[Float[Tensor, "batch pos d_mlp"]], Tensor],
        *,
        last: bool = False,
        **_options: Any,
    ) -> dict[int, Tensor]:
        """What each rule does on the tokens."""
        firing = [rule.holds(tokens, ids, self._bos) for rule, ids in self._rules]
        strengths = torch.tensor(STRENGTHS[: len(firing)], device=tokens.device)
        neurons = torch.stack(firing, dim=-1) * strengths
        return {layer: take(neurons[:, -1:] if last else neurons) for layer in layers}


class _CommonestNext(nn.Module):
    """Expects the commonest words everywhere: a planted subject does not model language."""

    logits: Tensor

    def __init__(self, d_vocab: int) -> None:
        super().__init__()
        logits = -torch.arange(d_vocab, dtype=torch.float32)
        self.register_buffer("logits", logits)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.logits.expand(*tokens.shape, -1)


def planted_tokenizer() -> Any:
    """A tokenizer of whole words and single signs; spaces are not kept."""
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


def planted_subject(*, name: str, device: torch.device, dtype: torch.dtype) -> Subject:
    """The planted subject; neuron j of its one layer follows `RULES[j]`."""
    tokenizer = planted_tokenizer()
    vocabulary = dict(tokenizer.get_vocab())
    bos = vocabulary[BOS_TOKEN]
    sites = RuleSites(RULES, vocabulary, bos)
    sites.model.to(device)
    return Subject(
        name=name,
        source="benchmark/subject/planted.py",
        revision=None,
        site=SITE,
        sites=sites,
        n_ctx=N_CTX,
        d_vocab=len(vocabulary),
        d_mlp=len(RULES),
        bos=bos,
        tokenizer=tokenizer,
        device=device,
        dtype=dtype,
        batch_tokens=first_batch_tokens(
            d_mlp=len(RULES), d_model=0, n_ctx=N_CTX, n_heads=0, device=device
        ),
        fingerprint=_fingerprint(),
        tokenizer_fingerprint=tokenizer_fingerprint(tokenizer, bos),
        model=sites.model,
    )


def _fingerprint() -> str:
    """SHA-256 of the rules, their code included."""
    written = [[rule.name, rule.words] for rule in RULES]
    text = json.dumps([written, STRENGTHS, WORDS]) + inspect.getsource(planted_rules)
    return hashlib.sha256(text.encode()).hexdigest()
