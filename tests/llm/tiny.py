"""Tiny checkpoints of a language model whose tokens are single bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

N_CTX = 512
BOS, EOS = 0, 1
TEMPLATE = (
    "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant] {% endif %}"
)
WITHOUT_SYSTEM = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}" + TEMPLATE
)


def tiny_checkpoint(
    folder: Path,
    kind: str = "llama",
    template: str | None = None,
    n_ctx: int = N_CTX,
    ends: Sequence[int] = (EOS,),
    merged: Sequence[tuple[str, str]] = (),
) -> Path:
    """A checkpoint with random weights, of the kind `llama` or `gpt2`.

    Where more tokens end an answer, its answers are short. `merged` are pairs of letters that are
    one token, besides the tokens of single bytes.
    """
    import transformers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = {"<bos>": BOS, "<eos>": EOS, **{letter: i + 2 for i, letter in enumerate(alphabet)}}
    words |= {"".join(pair): len(words) + i for i, pair in enumerate(merged)}
    tokenizer = Tokenizer(models.BPE(vocab=words, merges=list(merged)))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", BOS)]
    )
    special: dict[str, Any] = {"bos_token": "<bos>", "eos_token": "<eos>"}
    if template is not None:
        special["chat_template"] = template
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(tokenizer.to_str(), encoding="utf-8")
    config = {"tokenizer_class": "PreTrainedTokenizerFast", **special}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    shape: dict[str, Any] = {"vocab_size": len(words), "bos_token_id": BOS, "eos_token_id": EOS}
    if kind == "gpt2":
        chosen: Any = transformers.GPT2Config(
            n_embd=32, n_layer=2, n_head=4, n_positions=n_ctx, **shape
        )
    else:
        chosen = transformers.LlamaConfig(
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=n_ctx,
            **shape,
        )
    model = transformers.AutoModelForCausalLM.from_config(chosen)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    model.generation_config.eos_token_id = list(ends)
    model.save_pretrained(folder)
    return folder
