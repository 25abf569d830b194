"""Checks of what an explainer looks at and what it costs.

What cannot be noticed: text that is copied into the explainer or read by a library in C or Rust,
a copy of the subject's weights that is run, and questions about a few held-out tokens.
"""

from __future__ import annotations

from benchmark.conformance.files import opened_files
from benchmark.conformance.results import WrongError
from benchmark.conformance.trial import Trial
from benchmark.conformance.watching import Seen, windows


def no_held_out(trial: Trial) -> str:
    """Check that neither explaining nor simulating reads held-out text or the truth."""
    setting = trial.setting
    taken = {
        run
        for asked in (trial.first, trial.again)
        for context in asked.seen.contexts
        for run in windows(context, setting.width)
    } & setting.held_out
    if taken:
        raise WrongError(
            f"explain asked the subject about held-out text ({len(taken)} runs of "
            f"{setting.width} tokens that occur nowhere else); an explanation is scored on text "
            "that it has not seen: use the contexts of the evidence."
        )
    seen, opened_meanwhile = _simulating(trial)
    opened = setting.closed.among(
        [*trial.opened_preparing, *trial.first.opened, *trial.again.opened, *opened_meanwhile]
    )
    if opened:
        raise WrongError(
            f"a file of the corpus or of the measured truth was opened: {opened[0]}; all that an "
            "explainer may see is in the evidence."
        )
    if (seen.contexts or seen.around) and not setting.control:
        raise WrongError(
            "simulate asks the subject, which knows the truth of the held-out text; an "
            "explanation predicts from what it was told. Only a control (control: true) may ask."
        )
    asks = "; as a control it asks the subject while simulating" if seen.contexts else ""
    return f"no held-out context was queried, no corpus or truth file opened{asks}"


def honest_count(trial: Trial) -> str:
    """Check that every forward pass is counted by the subject, and that the count repeats."""
    for seen in (trial.first.seen, trial.again.seen, _simulating(trial)[0]):
        if seen.around:
            raise WrongError(
                f"a part of the subject ({seen.around[0]}) was run around the counter; ask "
                "subject.activations, whose tokens are counted, and never subject.model."
            )
        if seen.counted != seen.tokens:
            raise WrongError(
                f"the subject ran {seen.tokens} tokens of queries and its counter went up by "
                f"{seen.counted}; leave subject.tokens_run alone."
            )
    first, again = trial.first.seen.tokens, trial.again.seen.tokens
    if first != again:
        raise WrongError(
            f"explaining cost {first} subject tokens, and {again} the next time; keep no answers "
            "of the subject outside the explainer object, or its cost depends on what ran before."
        )
    return f"{first:,} subject tokens asked while explaining, all of them counted"


def _simulating(trial: Trial) -> tuple[Seen, list[str]]:
    """Return the queries of the subject, and the files opened, while explanations simulate."""
    texts = trial.setting.texts
    with trial.setting.subject.watching() as seen, opened_files() as opened:
        for _, one in trial.explanations:
            trial.simulated(one, texts)
        trial.jointly([one for _, one in trial.explanations], texts)
    return seen, opened
