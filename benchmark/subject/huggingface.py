"""Loader of ordinary Hugging Face checkpoints, from a folder."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from transformer_lens.model_bridge import TransformerBridge

from benchmark.errors import BenchmarkError
from benchmark.files.reading import first_line
from benchmark.subject.prefix_cache import KeysValues


def load_plain(
    folder: Path, source: str, device: torch.device, dtype: torch.dtype
) -> tuple[nn.Module, bool]:
    """Return the PyTorch model of a folder, on a device, and whether it has its unembedding.

    Downloads nothing and runs no foreign code.

    Raises:
        BenchmarkError: the architecture is not known, or weights are damaged or incomplete.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    own = {"trust_remote_code": False, "local_files_only": True}
    try:
        config = AutoConfig.from_pretrained(folder, **own)
        # Tensors of another shape are found below, and named, instead of by the library.
        options: dict[str, Any] = {"dtype": dtype, "ignore_mismatched_sizes": True, **own}
        if getattr(config, "attn_logit_softcapping", None):
            options["attn_implementation"] = "eager"  # the fused kernel leaves the cap out
        model, found = AutoModelForCausalLM.from_pretrained(
            folder, config=config, output_loading_info=True, weights_only=True, **options
        )
    except Exception as error:
        text = _said(error)
        if "weights_only" in str(error):
            # The library goes on to advise that the file be opened all the same.
            text = (
                "its weights are a pickle that holds more than tensors, which the benchmark never "
                "opens; save them as model.safetensors"
            )
        if "trust_remote_code" in str(error):
            text = "it needs code of its own, which the benchmark does not run"
        raise BenchmarkError(
            f"'{source}' cannot be loaded: {text} (in {folder}; if a file is damaged, delete it "
            "and run again)"
        ) from error
    has_unembedding = _check_complete(model, found, source, folder)
    return cast(nn.Module, model.to(device).eval()), has_unembedding


def _said(error: Exception) -> str:
    """Return what a library says in one line; for a missing key, more than its name."""
    if isinstance(error, KeyError):
        return first_line(error)
    return " ".join(str(error).split())[:250] or type(error).__name__


def _check_complete(model: nn.Module, found: Mapping[str, Any], source: str, folder: Path) -> bool:
    """Refuse random numbers, which the library fills in for what a checkpoint lacks.

    Only the unembedding may be missing, since activations do not need it. Returns whether it is
    there.
    """
    complete = True
    head = cast(Any, model).get_output_embeddings()
    unneeded = {name for name, module in model.named_modules() if module is head}
    for keys, verb in ((found["missing_keys"], "missing"), (found["mismatched_keys"], "misshapen")):
        names = sorted(key if isinstance(key, str) else key[0] for key in keys)
        needed_names = [name for name in names if name.rpartition(".")[0] not in unneeded]
        complete = complete and needed_names == names
        if names := needed_names:
            raise BenchmarkError(
                f"the weights of '{source}' do not fit its config.json: {len(names)} tensors are "
                f"{verb}, {names[0]} among them (in {folder})."
            )
    return complete


def boot(
    model: nn.Module, source: str, tokenizer: Any, device: torch.device, dtype: torch.dtype
) -> tuple[Any, nn.Module]:
    """Return a TransformerBridge around a model, and the model as it was, sharing its weights.

    The bridge replaces the modules of the model that it is given by wrapped ones with explicit
    attention, which cost more; the plain one is what runs.
    """
    tensors = [*model.parameters(), *model.buffers()]
    plain: Any = copy.deepcopy(model, {id(tensor): tensor for tensor in tensors})
    plain.config.use_cache = False
    try:
        bridge = TransformerBridge.boot_transformers(
            source, hf_model=model, tokenizer=tokenizer, device=device, dtype=dtype
        )
    except Exception as error:
        raise BenchmarkError(f"TransformerLens cannot load '{source}': {_said(error)}") from error
    return bridge, plain


class CachedKeyValues:
    """Keys and values of earlier tokens, in the library's own cache."""

    def kept(self, run: Callable[[Mapping[str, Any]], object]) -> list[KeysValues]:
        """Return the keys and values of each layer that `run` reaches."""
        from transformers import DynamicCache

        cache = DynamicCache()
        run({"past_key_values": cache, "use_cache": True})
        return [(layer.keys, layer.values) for layer in cache.layers]

    @contextmanager
    def given(self, past: Sequence[KeysValues], _n_tokens: int, /) -> Iterator[Mapping[str, Any]]:
        """Let a call with these options continue after the tokens of `past`."""
        from transformers import DynamicCache

        cache = DynamicCache()
        for layer, (keys, values) in enumerate(past):
            cache.update(keys, values, layer)
        yield {"past_key_values": cache, "use_cache": True}
