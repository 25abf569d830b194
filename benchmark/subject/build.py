"""Construction of a subject from a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmark.errors import BenchmarkError
from benchmark.files.checkpoint import (
    TOKENIZER_FILES,
    Files,
    LocalFiles,
    fetch_weights,
    needed,
    read_json,
)
from benchmark.files.hub import HubFiles
from benchmark.files.reading import first_line
from benchmark.subject import huggingface, native, tl_legacy
from benchmark.subject.batching import ForwardPasses, first_batch_tokens
from benchmark.subject.fast_paths import mlps_of, with_fast_paths
from benchmark.subject.fingerprint import tokenizer_fingerprint, weights_fingerprint
from benchmark.subject.mlp_units import MlpUnits, site_of
from benchmark.subject.output_path import output_path_of
from benchmark.subject.packed_linear import pack_linears
from benchmark.subject.prefix_cache import KeyValues
from benchmark.subject.site_reader import SiteReader
from benchmark.subject.subject import Subject
from benchmark.subject.tokenizer import (
    BUILTIN_BOS,
    bos_of,
    builtin_tokenizer,
    for_bridge,
    load_tokenizer,
)
from benchmark.subject.units import LoadedModel, layers_with_units, units_of
from benchmark.terminal.quiet import quiet

NATIVE = "TransformerLensNative"


@dataclass(frozen=True)
class Loaded:
    """A checkpoint in memory: the bridge, the plain module with the same weights, the tokenizer.

    `has_unembedding` is false where the checkpoint has none and random numbers stand in its place.
    """

    bridge: Any
    plain: nn.Module
    tokenizer: Any
    bos: int
    has_unembedding: bool = True


def assemble(
    *,
    kind: str,
    name: str,
    source: str | Path,
    revision: str | None,
    device: torch.device,
    dtype: torch.dtype,
    unit: Mapping[str, Any] | None = None,
) -> Subject:
    """Load a subject from a folder or a repository; see `load_subject`."""
    files = files_of(source, revision)
    config = read_json(needed(files, "config.json"), files.source)
    if kind == "local":
        kind = guess_kind(config, files.source)
    loaded = _LOADERS[kind](files, config, device, dtype)
    pack_linears(loaded.plain)
    cfg = loaded.bridge.cfg
    output_path = output_path_of(loaded.bridge, loaded.plain)
    site, paths = site_of(loaded.bridge, files.source)
    modules = [loaded.plain.get_submodule(path) for path in paths]
    d_mlp = checked_width(loaded, MlpUnits(site, modules, 0), files.source, device)
    units = units_of(
        unit,
        LoadedModel(
            source=files.source,
            bridge=loaded.bridge,
            plain=loaded.plain,
            tokenizer=loaded.tokenizer,
            bos=loaded.bos,
            device=device,
            dtype=dtype,
            output_path=output_path,
            mlp=MlpUnits(site, modules, d_mlp, output_path),
        ),
    )
    layers = layers_with_units(units, len(modules))
    without_outputs = None
    if output_path is None:
        without_outputs = "the way from its neurons to its logits is not known"
    elif not loaded.has_unembedding:
        without_outputs = "its checkpoint has no unembedding"
    attentions = None if kind == "transformers" else native.native_attentions(loaded.plain)
    key_values: KeyValues | None = None
    if kind == "transformers":
        key_values = huggingface.CachedKeyValues()
    elif attentions is not None:
        key_values = native.NativeKeyValues(attentions)
    return Subject(
        name=name,
        source=files.source,
        revision=files.revision,
        fingerprint=weights_fingerprint(
            loaded.plain, config, kind=kind, site=units.site, units=units.fingerprint
        ),
        n_layers=len(modules),
        n_ctx=int(cfg.n_ctx),
        d_vocab=int(cfg.d_vocab),
        bos=loaded.bos,
        tokenizer=loaded.tokenizer,
        tokenizer_fingerprint=tokenizer_fingerprint(loaded.tokenizer, loaded.bos),
        dtype=dtype,
        model=loaded.bridge,
        reader=with_fast_paths(
            SiteReader(loaded.plain, units),
            layers[-1],
            mlps_of(loaded.bridge, loaded.plain),
            attentions,
            key_values,
            trial_tokens(loaded.bos, cfg, device),
        ),
        passes=ForwardPasses(
            device,
            first_batch_tokens(
                width=max(d_mlp, *(units.n_units(layer) for layer in layers)),
                d_model=int(cfg.d_model),
                n_ctx=int(cfg.n_ctx),
                n_heads=int(cfg.n_heads),
                device=device,
                kept=sum(units.n_units(layer) for layer in layers),
            ),
        ),
        has_unembedding=loaded.has_unembedding,
        output_path=output_path,
        without_outputs=without_outputs,
    )


def files_of(source: str | Path, revision: str | None, what: str = "model") -> Files:
    """Return the files of a folder, or of a repository, old aliases of which are resolved."""
    if isinstance(source, Path):
        return LocalFiles(source, _folder_name(source))
    from transformer_lens.supported_models import get_official_model_name

    repository = source
    with suppress(ValueError):  # not an alias that TransformerLens knows
        repository = str(get_official_model_name(source))
    return HubFiles(repository, revision, what)


def _folder_name(folder: Path) -> str:
    """Return a folder as results name it: one inside this package by its place there."""
    package = Path(__file__).parents[2]
    return folder.relative_to(package).as_posix() if package in folder.parents else str(folder)


def guess_kind(config: dict[str, Any], source: str) -> str:
    """Return which loader a config.json is for.

    Raises:
        BenchmarkError: for none of them.
    """
    if config.get("architecture") == NATIVE:
        return "builtin"
    if "model_type" in config:
        return "transformers"
    if {"d_mlp", "d_vocab", "act_fn"} <= config.keys():
        return "tl_legacy"
    raise BenchmarkError(
        f"config.json of '{source}' is not that of a language model: "
        "it has no model_type (Hugging Face) and no d_mlp (TransformerLens)."
    )


def checked_width(loaded: Loaded, units: MlpUnits, source: str, device: torch.device) -> int:
    """Run a few tokens through all layers, plain and by TransformerLens; return `d_mlp`.

    Raises:
        BenchmarkError: the site is not reached, its width differs between layers, or the plain
            module does not compute what TransformerLens computes.
    """
    layers, site = range(len(units.modules)), units.site
    cfg = loaded.bridge.cfg
    if int(cfg.n_ctx) < 2:
        raise BenchmarkError(
            f"config.json of '{source}' allows contexts of {cfg.n_ctx} tokens "
            "(max_position_embeddings, n_positions or n_ctx); a context has at least 2."
        )
    tokens = trial_tokens(loaded.bos, cfg, device)
    try:
        found = SiteReader(loaded.plain, units).read(tokens, layers, torch.Tensor.float)
    except (RuntimeError, ValueError, IndexError, KeyError, TypeError) as error:
        raise BenchmarkError(f"'{source}' cannot be run: {first_line(error)}.") from error
    check_finite(loaded.plain, found, source)
    widths = {activations.shape[-1] for activations in found.values()}
    if len(widths) > 1:
        raise BenchmarkError(f"the layers of '{source}' have different widths: {sorted(widths)}.")
    reference: dict[str, torch.Tensor] = {}
    hooks = [
        (name, lambda value, hook: reference.update({hook.name: value.float()}))
        for name in (hook_name(site, layer) for layer in layers)
    ]
    try:
        with torch.no_grad(), quiet():
            loaded.bridge.run_with_hooks(tokens, fwd_hooks=hooks, return_type=None)
    except Exception as error:
        raise BenchmarkError(
            f"TransformerLens cannot run '{source}': {first_line(error)}: this architecture is not "
            "supported."
        ) from error
    # Explicit and fused attention round differently; anything structural is far larger.
    tolerance = 0.01 if next(loaded.plain.parameters()).dtype == torch.float32 else 0.2
    for layer in layers:
        expected = reference[hook_name(site, layer)].reshape(found[layer].shape)
        allowed = tolerance * float(expected.abs().max())
        difference = float((expected - found[layer]).abs().max())
        if not difference <= allowed:
            raise BenchmarkError(
                f"layer {layer} of '{source}' computes something else in PyTorch than in "
                f"TransformerLens (by {difference:.3g}): this architecture is not supported."
            )
    return int(widths.pop())


def check_finite(model: nn.Module, found: Mapping[int, torch.Tensor], source: str) -> None:
    """Check that a model computes numbers; where it does not, name the weights that are none.

    Raises:
        BenchmarkError: an activation is NaN or infinite.
    """
    bad = [
        layer for layer, activations in sorted(found.items()) if not activations.isfinite().all()
    ]
    if not bad:
        return
    for name, parameter in model.named_parameters():
        if not parameter.isfinite().all():
            raise BenchmarkError(
                f"the weights of '{source}' are damaged: {name} holds NaN or infinite numbers."
            )
    raise BenchmarkError(
        f"the activations of layer {bad[0]} of '{source}' are not finite: its weights are too "
        f"large for {next(model.parameters()).dtype}."
    )


def trial_tokens(bos: int, cfg: Any, device: torch.device) -> torch.Tensor:
    """Return a context of a few tokens, to see whether a model computes what it should."""
    tokens = torch.tensor([[bos, 1, 2, 3, 4, 5]], device=device) % int(cfg.d_vocab)
    return tokens[:, : int(cfg.n_ctx)]


def hook_name(site: str, layer: int) -> str:
    """Return TransformerLens's canonical name of a site's hook."""
    return site.format(layer=layer).replace("mlp.hook_post", "mlp.out.hook_in")


def _load_builtin(
    files: Files, config: dict[str, Any], device: torch.device, dtype: torch.dtype
) -> Loaded:
    from safetensors.torch import load_file

    weights = needed(files, "model.safetensors")
    tokenizer_file = needed(files, "tokenizer.json")
    with quiet():
        try:
            state = load_file(weights)
        except Exception as error:
            raise BenchmarkError(
                f"the weights {weights} cannot be read: {first_line(error)}"
            ) from error
        architecture = {key: value for key, value in config.items() if key != "bos_token"}
        tokenizer = builtin_tokenizer(tokenizer_file, config.get("bos_token", BUILTIN_BOS))
        try:
            bridge = native.boot_native(
                architecture, for_bridge(tokenizer), device, dtype, files.source
            )
        except (TypeError, ValueError, KeyError) as error:
            raise BenchmarkError(
                f"config.json of '{files.source}' cannot be used: {first_line(error)}"
            ) from error
        native.fill(bridge, state, files.source)
    bos = bos_of(tokenizer, config, int(bridge.cfg.d_vocab), files.source)
    return Loaded(bridge, native.plain_native(bridge), tokenizer, bos)


def _load_tl_legacy(
    files: Files, config: dict[str, Any], device: torch.device, dtype: torch.dtype
) -> Loaded:
    bridge_config = tl_legacy.read_config(files)
    if bridge_config.attn_only:
        raise BenchmarkError(
            f"'{files.source}' is attention-only: it has no MLP neurons to explain."
        )
    if bridge_config.tokenizer_name is None:
        raise BenchmarkError(f"config.json of '{files.source}' names no tokenizer_name.")
    tokenizer_source = str(bridge_config.tokenizer_name)
    folder = Path(tokenizer_source)
    place = folder if folder.is_dir() else tokenizer_source
    tokenizer_files = files_of(place, None, what="tokenizer")
    _fetch_tokenizer(tokenizer_files)
    weights = tl_legacy.fetch_weights(files)
    with quiet():
        tokenizer = load_tokenizer(tokenizer_files.folder, tokenizer_source)
        bos = bos_of(tokenizer, config, bridge_config.d_vocab, tokenizer_source)
        bridge = tl_legacy.boot(files, weights, bridge_config, for_bridge(tokenizer), device, dtype)
    return Loaded(bridge, native.plain_native(bridge), tokenizer, bos)


def _load_transformers(
    files: Files, config: dict[str, Any], device: torch.device, dtype: torch.dtype
) -> Loaded:
    fetch_weights(files)
    _fetch_tokenizer(files)
    with quiet():
        model, complete = huggingface.load_plain(files.folder, files.source, device, dtype)
        tokenizer = load_tokenizer(files.folder, files.source)
        bridge, plain = huggingface.boot(model, files.source, for_bridge(tokenizer), device, dtype)
    bos = bos_of(tokenizer, config, int(bridge.cfg.d_vocab), files.source)
    return Loaded(bridge, plain, tokenizer, bos, complete)


def _fetch_tokenizer(files: Files) -> None:
    for name in TOKENIZER_FILES:
        files.optional(name)


_LOADERS = {
    "builtin": _load_builtin,
    "tl_legacy": _load_tl_legacy,
    "transformers": _load_transformers,
}
