"""Check of the keys of overrides, which names the key that a misspelt one may mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmark.config.catalogue import OF_CLASSES, find, groups, takes_any_option

CHECKED_BY_HYDRA = ("+", "~", "hydra.", "hydra/")


def check_keys(words: Sequence[str], chosen: Mapping[str, str]) -> list[str]:
    """Check that every `key=value` names a key of the configuration.

    Args:
        words: the overrides.
        chosen: the name that is chosen of each group.

    Returns:
        The overrides, with `++` before options that nobody lists: those of a plug-in, of a class
        that is named by `explainer._target_`, and of a language model of its own.

    Raises:
        BenchmarkError: a key is not known.
    """
    return [_checked(word, chosen) for word in words]


def _checked(word: str, chosen: Mapping[str, str]) -> str:
    from benchmark.config.run_config import config_keys, unknown_key

    key = word.partition("=")[0]
    if key in groups() or key.startswith(CHECKED_BY_HYDRA):
        return word
    group, _, inside = key.partition(".")
    if group not in groups():
        own = [known for known in config_keys() if known.split(".")[0] not in groups()]
        if key not in own:
            raise unknown_key(key, [*own, *groups()])
        return word
    entry = find(group, chosen[group])
    of_choice = {f"{group}.{known}" for known in _flat(entry.config)}
    if key in of_choice:
        return word
    own_model = inside.startswith("llm.") and "llm" in entry.config
    if inside and (own_model or takes_any_option(group, entry)):
        return f"++{word}"
    hint = f" These are the keys of {group} '{entry.name}'."
    if group in OF_CLASSES and inside:
        hint += f" Any other option of its class: +{word}"
    raise unknown_key(key, of_choice, hint)


def _flat(config: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for name, value in config.items():
        yield f"{above}{name}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
