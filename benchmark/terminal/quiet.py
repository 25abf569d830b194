"""Silence: what libraries print while a model is loaded does not reach the user."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """Silence library warnings and bars for reading weights; downloads keep their progress bars.

    Downloads happen before, not inside.
    """
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled
    from transformers.utils import logging as transformers_logging

    silenced = logging.root.manager.disable
    bars = transformers_logging.is_progress_bar_enabled() and not are_progress_bars_disabled()
    logging.disable(max(silenced, logging.WARNING))
    transformers_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(silenced)
        if bars:
            transformers_logging.enable_progress_bar()
