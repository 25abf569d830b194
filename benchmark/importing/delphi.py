"""Results of delphi: a folder with a file of JSON for each latent and each scorer."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmark.errors import BenchmarkError
from benchmark.importing.entries import Entry
from benchmark.importing.fields import Fields, number_of
from benchmark.importing.files import read_value
from benchmark.token_text import one_line

EXPLANATIONS, SCORES, CONFIG = "explanations", "scores", "run_config.json"
METHOD = "delphi"
_NAME = re.compile(r"(?P<site>.+)_(?:latent|feature)(?P<index>\d{1,9})")
_LAYER = re.compile(r"(?<![A-Za-z0-9])(\d{1,9})(?![A-Za-z0-9])")


def files_of(folder: Path) -> list[Path]:
    """Return the files of explanations of a folder of results, or of its one `explanations`.

    Raises:
        BenchmarkError: there are none.
    """
    place = folder if folder.name == EXPLANATIONS else folder / EXPLANATIONS
    found = sorted(place.glob("*.txt")) if place.is_dir() else []
    if not found:
        raise BenchmarkError(
            f"'{one_line(folder)}' is no folder of delphi's results: it has no "
            f"{EXPLANATIONS}/<hook point>_latent<number>.txt."
        )
    return found


def score_files(file: Path) -> list[Path]:
    """Return the files of scores that belong to a file of an explanation, by scorer."""
    return sorted((file.parent.parent / SCORES).glob(f"*/{_escaped(file.name)}"))


def subject_of(folder: Path) -> str:
    """Return the model that `run_config.json` names, empty without that file."""
    base = folder.parent if folder.name == EXPLANATIONS else folder
    if not (base / CONFIG).is_file():
        return ""
    config = Fields(read_value(base / CONFIG), f"'{one_line(base / CONFIG)}'")
    return config.text("model", "").rpartition("/")[2]


def entry_of(file: Path) -> Entry:
    """Return the explanation of a file, with what its scorers recorded.

    Raises:
        BenchmarkError: a file is not what delphi writes.
    """
    where = f"'{one_line(file)}'"
    named = _NAME.fullmatch(file.stem)
    layers = [] if named is None else _LAYER.findall(named["site"])
    if named is None or not layers:
        raise BenchmarkError(
            f"{where} does not say which latent it is about: its name must end with "
            "_latent<number> and name a layer."
        )
    text = read_value(file)
    if not isinstance(text, str):
        raise BenchmarkError(f"{where} is no explanation: a text in quotes is due.")
    scores: dict[str, float] = {}
    for path in score_files(file):
        scores |= {
            f"{path.parent.name}_{name}": value
            for name, value in _scores(read_value(path), f"'{one_line(path)}'").items()
        }
    return Entry(
        int(layers[0]),
        int(named["index"]),
        text,
        METHOD,
        where,
        site=_LAYER.sub("*", named["site"], count=1),
        scores=scores,
    )


def _scores(data: object, where: str) -> dict[str, float]:
    """Return what a list of judged contexts says; nothing of a scorer of another kind."""
    if not isinstance(data, list):
        raise BenchmarkError(f"{where} is no list of a scorer's answers.")
    if not data or not all(isinstance(one, dict) and "activating" in one for one in data):
        return {}
    return judged_scores([Fields(one, f"{where}[{at}]") for at, one in enumerate(data)])


def judged_scores(rows: Sequence[Fields]) -> dict[str, float]:
    """Return balanced accuracy, F1 and AUC of judged contexts, and the share without an answer.

    Contexts whose answer could not be read count in that share alone. AUC needs probabilities.
    """
    active = np.array([bool(row.value("activating")) for row in rows])
    said = np.array([_answer(row) for row in rows])
    probability = np.array([row.number("probability") for row in rows])
    known = ~np.isnan(said)
    yes, positive = said[known] >= 0.5, active[known]
    rates = [_mean(yes[positive]), _mean(~yes[~positive])]
    found = {"balanced_accuracy": sum(rates) / 2, "f1": _f1(yes, positive)}
    found["unreadable"] = 1 - float(known.mean())
    given = ~np.isnan(probability)
    if given.any():
        found["auc"] = _auc(active[given], probability[given])
    return found


def _answer(row: Fields) -> float:
    value = row.value("prediction")
    return float(value) if isinstance(value, bool) else number_of(value, row.where)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else math.nan


def _f1(yes: np.ndarray, positive: np.ndarray) -> float:
    both = int((yes & positive).sum())
    named = int(yes.sum()) + int(positive.sum())
    return 2 * both / named if positive.any() else math.nan


def _auc(positive: np.ndarray, probability: np.ndarray) -> float:
    """Return the share of pairs that are ordered right, ties counting half; NaN without pairs."""
    if positive.all() or not positive.any():
        return math.nan
    from scipy.stats import mannwhitneyu

    above = mannwhitneyu(probability[positive], probability[~positive]).statistic
    return float(above / (positive.sum() * (~positive).sum()))


def _escaped(name: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", name)
