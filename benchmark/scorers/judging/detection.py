"""Detection: a judge reads an explanation and says which windows activate the neuron."""

from __future__ import annotations

from benchmark.interface import Message
from benchmark.results.columns import DETECTION
from benchmark.scorers.judging.answers import Question
from benchmark.scorers.judging.judge import Case, Judge
from benchmark.scorers.judging.text import numbered, plain_text

SYSTEM = """\
You test explanations of single neurons of a language model. An explanation says in what kind of \
text a neuron becomes active. You read one explanation and a few numbered texts, cut out of longer \
ones. Decide for each text whether the neuron becomes active somewhere in it, taking the \
explanation at its word. It may do so in all of them, in some or in none.
Answer with one digit for each text, in their order and separated by commas: 1 if the neuron \
becomes active in it, 0 if it does not. Write nothing else."""


class Detection(Judge):
    """Which of some windows activate the neuron, by its explanation alone."""

    group, prefix, title = DETECTION, "judge_", "judged detection"
    system = SYSTEM

    def questions(self, case: Case) -> list[Question]:
        """Return requests about all items, both kinds mixed."""
        texts = [plain_text(case.tokenizer, tokens) for tokens in case.tokens]
        activating = case.items.activating.tolist()
        found: list[Question] = []
        if len(set(activating)) < 2:  # nothing could be told apart
            return found
        for places in self.batches(case, len(texts)):
            asked = f"Explanation: {case.explanation}\n\n{numbered([texts[one] for one in places])}"
            messages = (Message("system", SYSTEM), Message("user", asked))
            found.append(Question(messages, tuple(activating[one] for one in places)))
        return found
