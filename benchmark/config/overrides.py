"""Checks of overrides before Hydra sees them, and the overrides that follow from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmark.config.catalogue import CUSTOM, OF_CLASSES, default_names, find, groups, metric_names
from benchmark.config.keys import check_keys
from benchmark.config.values import quoted
from benchmark.errors import BenchmarkError

# Options of added scorers, of sbatch and of requests, which Hydra does not know beforehand.
FREE = (
    "scorers.",
    *(f"{group}.parameters{after}" for group in ("engine", "llm") for after in ".="),
)


def prepare_overrides(words: Sequence[str]) -> list[str]:
    """Return the overrides of one run that Hydra composes, from those that the user wrote.

    Names of groups and keys are checked; a model brings its own default corpus; a bare
    `explainer._target_=...` becomes the `custom` explainer, and so for a simulator;
    `metrics=[pearson,f1]` becomes the standard metrics with these names; an option of a class of
    somebody's own needs no `+`.

    Raises:
        BenchmarkError: a word is no override, or names something that is not there.
    """
    check_form(words)
    words = [f"++{word}" if word.startswith(FREE) else word for word in words]
    words = [word for given in words for word in _with_metrics(quoted(given, sweep=False))]
    chosen = {group: _choice(words, group) for group in groups()}
    for group, name in chosen.items():
        if name is not None:
            find(group, name)
    for group in OF_CLASSES:
        if chosen[group] is None and any(word.startswith(f"{group}._target_=") for word in words):
            words.insert(0, f"{group}={CUSTOM}")
            chosen[group] = CUSTOM
    if chosen["dataset"] is None and chosen["model"] is not None:
        chosen["dataset"] = default_dataset([chosen["model"]])
        words.insert(0, f"dataset={chosen['dataset']}")
    names = {group: name or default_names()[group] for group, name in chosen.items()}
    return check_keys(words, names)


def check_form(words: Iterable[str]) -> None:
    """Check that every word is `key=value`, or `~key`.

    Raises:
        BenchmarkError: one is not.
    """
    for word in words:
        key, separator, _ = word.partition("=")
        if not key or (not separator and not key.startswith("~")):
            raise BenchmarkError(
                f"'{word}' is not an override; write key=value, for example explainer=token_lookup."
            )


def last_choice(words: Iterable[str], group: str) -> str | None:
    """Return the name that a group is given, the last time it is; None where it is given none."""
    values = [word.partition("=")[2] for word in words if word.partition("=")[0] == group]
    return values[-1].strip(" '\"") if values else None


def default_dataset(models: Iterable[str]) -> str | None:
    """Return the corpus that models have by default, None for no models.

    Raises:
        BenchmarkError: a model is not known or has none, or they have different ones.
    """
    defaults = {name: find("model", name).config.get("dataset") for name in models}
    without = [name for name, dataset in defaults.items() if not dataset]
    if without:
        raise BenchmarkError(
            f"model '{without[0]}' has no corpus of its own; name one: dataset=stdlib, "
            "dataset=text dataset.path=<file or folder>, or dataset=hub dataset.repo=<hub id>."
        )
    if len(set(defaults.values())) > 1:
        listed = ", ".join(f"{name}: {dataset}" for name, dataset in defaults.items())
        raise BenchmarkError(
            f"these models have different corpora ({listed}); name one with dataset=..."
        )
    return next((str(dataset) for dataset in defaults.values()), None)


def _choice(words: Sequence[str], group: str) -> str | None:
    name = last_choice(words, group)
    if name is not None and "," in name:
        hint = f", or write a list as {group}=[{name}]" if group == "metrics" else ""
        raise BenchmarkError(
            f"{group}={name} names several; add -m to run one after another{hint}."
        )
    return name


def _with_metrics(word: str) -> list[str]:
    """Return `metrics=[pearson,f1]` as the standard set with these names; other words as given."""
    key, _, value = word.partition("=")
    names = metric_names(value) if key == "metrics" else None
    if names is None:
        return [word]
    return [f"metrics={default_names()['metrics']}", f"metrics.metrics=[{','.join(names)}]"]
