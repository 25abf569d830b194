"""Small random checkpoints in the layouts that the real models are published in."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor

from benchmark.builtin.recipe import BOS_TOKEN

D_VOCAB, D_MODEL, D_MLP, N_HEADS, D_HEAD, N_CTX = 23, 12, 20, 3, 4, 16
DIGITS_TOKENIZER = "NeelNanda/gpt-neox-tokenizer-digits"
NEOX_TOKENIZER = "EleutherAI/gpt-neox-20b"

Weights = dict[str, Tensor]


def tokenizer_json(bos: str = "<bos>") -> str:
    """A tokenizer of whole words; id 0 is BOS."""
    words = {bos: 0, "<unk>": 1, **{f"word{i}": i for i in range(2, D_VOCAB)}}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return str(tokenizer.to_str())


def tokenizer_files(**config: Any) -> dict[str, str]:
    """A tokenizer's repository. `bos_token=None` leaves the BOS out."""
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<bos>", **config}
    config = {key: value for key, value in config.items() if value is not None}
    return {"tokenizer.json": tokenizer_json(), "tokenizer_config.json": json.dumps(config)}


def legacy_weights(
    n_layers: int, *, affine_norms: bool = True, mid_norms: bool = True, seed: int = 0
) -> Weights:
    """Random weights under TransformerLens's own names and in its own shapes."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator) * 0.5

    def norm(name: str, width: int) -> Weights:
        return {f"{name}.w": 1 + draw(width), f"{name}.b": draw(width)}

    weights: Weights = {
        "embed.W_E": draw(D_VOCAB, D_MODEL),
        "pos_embed.W_pos": draw(N_CTX, D_MODEL),
        "unembed.W_U": draw(D_MODEL, D_VOCAB),
    }
    for layer in range(n_layers):
        block = f"blocks.{layer}"
        for name in "QKV":
            weights[f"{block}.attn.W_{name}"] = draw(N_HEADS, D_MODEL, D_HEAD)
            weights[f"{block}.attn.b_{name}"] = draw(N_HEADS, D_HEAD)
        weights[f"{block}.attn.W_O"] = draw(N_HEADS, D_HEAD, D_MODEL)
        weights[f"{block}.attn.b_O"] = draw(D_MODEL)
        weights[f"{block}.mlp.W_in"] = draw(D_MODEL, D_MLP)
        weights[f"{block}.mlp.b_in"] = draw(D_MLP)
        weights[f"{block}.mlp.W_out"] = draw(D_MLP, D_MODEL)
        weights[f"{block}.mlp.b_out"] = draw(D_MODEL)
        if affine_norms:
            weights |= norm(f"{block}.ln1", D_MODEL) | norm(f"{block}.ln2", D_MODEL)
        if mid_norms:
            weights |= norm(f"{block}.mlp.ln", D_MLP)
    if affine_norms:
        weights |= norm("ln_final", D_MODEL)
    return weights


def legacy_config(n_layers: int, act_fn: str, **changes: Any) -> dict[str, Any]:
    """The config.json of such a repository."""
    return {
        "d_model": D_MODEL,
        "n_layers": n_layers,
        "d_mlp": D_MLP,
        "d_head": D_HEAD,
        "n_heads": N_HEADS,
        "n_ctx": N_CTX,
        "d_vocab": D_VOCAB,
        "act_fn": act_fn,
        "attn_only": False,
        "normalization": "LN",
        "tokenizer_name": DIGITS_TOKENIZER,
        **changes,
    }


def legacy_files(weights: Weights, config: dict[str, Any], name: str) -> dict[str, bytes | str]:
    """A repository: config and a state dict, with an earlier checkpoint that must not be taken."""
    n_layers = config["n_layers"]
    buffers = {f"blocks.{i}.attn.mask": torch.ones(N_CTX, N_CTX).tril() for i in range(n_layers)}
    return {
        "config.json": json.dumps(config),
        f"{name}_final.pth": pickled({**weights, **buffers}),
        f"checkpoints/{name}_00100.pth": pickled({}),
    }


def old_files(weights: Weights, n_layers: int, name: str) -> dict[str, bytes | str]:
    """A repository in the `*_old` layout.

    Norms are called `norm`; up to 6 layers all matrices face left; up to 8 the positions do.
    """
    old = {}
    for key, value in weights.items():
        if n_layers <= 6 and "W_" in key and "W_pos" not in key:
            value = value.transpose(-2, -1).contiguous()
        if n_layers <= 8 and "W_pos" in key:
            value = value.T.contiguous()
        old[key.replace("ln_final.", "ln.").replace("ln", "norm")] = value
    config = legacy_config(
        n_layers, "solu_ln", normalization="LNPre", tokenizer_name=NEOX_TOKENIZER
    )
    return legacy_files(old, config, name)


def pickled(value: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def write(folder: Path, files: dict[str, bytes | str]) -> Path:
    """Write files into a folder, which is made."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def legacy_folder(folder: Path, act_fn: str = "solu_ln", **changes: Any) -> Path:
    """A folder with the files of such a repository and, inside it, its tokenizer's."""
    write(folder / "tokenizer", dict(tokenizer_files()))
    changes = {"tokenizer_name": str(folder / "tokenizer"), **changes}
    config = legacy_config(2, act_fn, **changes)
    weights = legacy_weights(2, mid_norms=act_fn == "solu_ln")
    return write(folder, legacy_files(weights, config, "SoLU"))


def edit_config(folder: Path, **changes: Any) -> None:
    """Change keys of a folder's config.json; the value `absent` takes a key out."""
    config = {**json.loads((folder / "config.json").read_text()), **changes}
    kept = {key: value for key, value in config.items() if value != "absent"}
    (folder / "config.json").write_text(json.dumps(kept))


BUILTIN = {
    "architecture": "TransformerLensNative",
    "act_fn": "solu_ln",
    "normalization_type": "LN",
    "positional_embedding_type": "rotary",
    "n_layers": 3,
    "d_model": D_MODEL,
    "d_mlp": D_MLP,
    "n_heads": N_HEADS,
    "d_head": D_HEAD,
    "n_ctx": N_CTX,
    "d_vocab": D_VOCAB,
}


def builtin_folder(folder: Path, seed: int = 0, **changes: Any) -> Path:
    """A checkpoint in the layout of the built-in subject: half-precision safetensors."""
    from transformer_lens.config import TransformerBridgeConfig
    from transformer_lens.model_bridge.sources.native import NativeModel

    config = {**BUILTIN, **changes}
    model = NativeModel(TransformerBridgeConfig(**config))
    folder.mkdir(parents=True, exist_ok=True)
    save_file(half(random_weights(model, seed)), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text(tokenizer_json(BOS_TOKEN))
    return folder


def half(weights: Weights) -> Weights:
    return {name: value.half().contiguous() for name, value in weights.items()}


def random_weights(model: torch.nn.Module, seed: int = 0) -> Weights:
    """Weights of an ordinary size for every parameter, so that no part of a model is idle."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(value.shape, generator=generator) * 0.5
        for name, value in model.state_dict().items()
    }


def huggingface_config(kind: str) -> Any:
    import transformers

    shape = {"vocab_size": D_VOCAB, "bos_token_id": 0, "eos_token_id": 0}
    if kind == "gpt2":
        return transformers.GPT2Config(
            n_embd=D_MODEL, n_layer=3, n_head=N_HEADS, n_positions=N_CTX, n_inner=D_MLP, **shape
        )
    shape |= {
        "hidden_size": D_MODEL,
        "num_hidden_layers": 3,
        "intermediate_size": D_MLP,
        "max_position_embeddings": N_CTX,
    }
    if kind == "gpt_neox":
        return transformers.GPTNeoXConfig(num_attention_heads=N_HEADS, rotary_pct=0.5, **shape)
    assert kind == "llama"
    return transformers.LlamaConfig(
        num_attention_heads=N_HEADS * 2, num_key_value_heads=N_HEADS, head_dim=D_HEAD, **shape
    )


def huggingface_folder(folder: Path, kind: str, seed: int = 0) -> Path:
    """A Hugging Face checkpoint with its tokenizer."""
    import transformers

    model = transformers.AutoModelForCausalLM.from_config(huggingface_config(kind))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.5)
    model.save_pretrained(folder)
    write(folder, dict(tokenizer_files()))
    return folder
