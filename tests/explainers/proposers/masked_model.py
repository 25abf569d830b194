"""A tiny masked language model in the layout of DistilBERT's repository."""

from __future__ import annotations

from pathlib import Path

WORDS = ["the", "List", "list", "Set", "Table", "cat", "dog", "sat", "##s", "12", "."]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def write(folder: Path, bias: dict[str, float]) -> Path:
    """Write a checkpoint that always expects the words with the largest bias."""
    import torch
    from transformers import DistilBertConfig, DistilBertForMaskedLM, DistilBertTokenizerFast

    folder.mkdir(parents=True)
    vocabulary = [*SPECIAL, *WORDS]
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    tokenizer = DistilBertTokenizerFast(vocab=str(folder / "vocab.txt"), do_lower_case=False)
    if len(tokenizer) != len(vocabulary):
        tokenizer = DistilBertTokenizerFast(
            vocab={word: at for at, word in enumerate(vocabulary)}, do_lower_case=False
        )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = DistilBertConfig(
        vocab_size=len(vocabulary), dim=8, n_layers=1, n_heads=2, hidden_dim=16,
        max_position_embeddings=32,
    )  # fmt: skip
    model = DistilBertForMaskedLM(config)
    with torch.no_grad():
        model.vocab_projector.bias.fill_(-100.0)
        for word, value in bias.items():
            model.vocab_projector.bias[vocabulary.index(word)] = value
    model.save_pretrained(folder)
    return folder
