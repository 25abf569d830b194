"""Folders: every kind is recognised, bad ones are refused in words, and nothing foreign runs."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from safetensors.torch import load_file, save_file

from benchmark.errors import BenchmarkError
from benchmark.subject import Subject, load_subject
from explainers.proposers.subject import SubjectProposer
from tests.subject import checkpoints

PROJECT = Path(__file__).parents[2]


def load(folder: Path, kind: str = "local") -> Subject:
    return load_subject({"name": "local", "kind": kind, "source": str(folder)}, device="cpu")


def test_the_kind_of_a_folder_is_found_from_its_config(tmp_path: Path) -> None:
    for kind, folder in {
        "builtin": checkpoints.builtin_folder(tmp_path / "a"),
        "tl_legacy": checkpoints.legacy_folder(tmp_path / "b"),
        "transformers": checkpoints.huggingface_folder(tmp_path / "c", "llama"),
    }.items():
        found, named = load(folder), load(folder, kind)
        assert found.fingerprint == named.fingerprint
        assert found.source == str(folder)
        assert found.revision is None
        assert found.name == folder.name  # two local models are not the same subject


def test_a_config_of_hydra_will_do(tmp_path: Path) -> None:
    folder = checkpoints.builtin_folder(tmp_path / "model")
    config = OmegaConf.create({"name": "x", "kind": "builtin", "source": str(folder)})
    assert load_subject(config, device="cpu").name == "x"  # type: ignore[arg-type]


def test_loading_leaves_the_random_numbers_alone(tmp_path: Path) -> None:
    folder = checkpoints.builtin_folder(tmp_path / "model")
    state = torch.random.get_rng_state()
    load(folder)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_the_weights_of_the_builtin_layout_are_those_of_the_file(tmp_path: Path) -> None:
    folder = checkpoints.builtin_folder(tmp_path / "model")
    saved = load_file(folder / "model.safetensors")
    for name, parameter in load(folder).reader.model.named_parameters():
        assert parameter.dtype == torch.float32
        assert torch.equal(parameter, saved[name].float())
        assert not parameter.requires_grad or torch.is_grad_enabled()


def test_both_names_of_the_package_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmark.subject import loading

    monkeypatch.setattr(loading, "BUILTIN_FOLDER", tmp_path)
    checkpoints.builtin_folder(tmp_path / "solu_tiny")
    subject = load_subject({"name": "solu-tiny", "kind": "builtin", "source": "solu_tiny"})
    assert (subject.name, subject.source) == ("solu-tiny", str(tmp_path / "solu_tiny"))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"kind": "tl_legcy", "source": "x"}, "'tl_legcy' is not known; did you mean 'tl_legacy'"),
        ({"name": "local", "kind": "local"}, "give model.source=<a folder or a repository id>"),
        (
            {"kind": "local", "source": "/no/such/folder"},
            "/no/such/folder: there is no such folder",
        ),
        ({"kind": "builtin", "source": "no_such"}, "no_such: there is no such folder"),
        ({"kind": "local", "source": __file__}, "is a file; give the folder"),
    ],
)
def test_bad_configs(config: dict[str, Any], message: str) -> None:
    with pytest.raises(BenchmarkError, match=message):
        load_subject(config)


def test_bad_devices_and_dtypes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = {"kind": "local", "source": str(checkpoints.builtin_folder(tmp_path / "model"))}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for device, dtype, message in (
        ("cuda", "float32", "PyTorch finds no CUDA device; use device=cpu"),
        ("tpu", "float32", "device 'tpu' is not known"),
        ("mps", "float32", "device 'mps' is not supported"),
        ("cpu", "float16", "dtype 'float16' needs a CUDA device"),
        ("cpu", "float23", "dtype 'float23' is not known; did you mean 'float32'"),
    ):
        with pytest.raises(BenchmarkError, match=message):
            load_subject(config, device=device, dtype=dtype)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(BenchmarkError, match=r"finds only 1 CUDA device\(s\)"):
        load_subject(config, device="cuda:1")


def test_the_default_device_is_cuda_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmark.subject.device import resolve_device, resolve_dtype

    for available, expected in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda found=available: found)
        assert resolve_device(None).type == expected
        assert resolve_device("cpu").type == "cpu"
    assert resolve_dtype("bfloat16", torch.device("cuda")) == torch.bfloat16


def broken(change: Callable[[Path], None], make: Callable[[Path], Path]) -> Callable[[Path], Path]:
    def build(folder: Path) -> Path:
        make(folder)
        change(folder)
        return folder

    return build


def cut(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-40])


def config_with(**changes: Any) -> Callable[[Path], None]:
    return lambda folder: checkpoints.edit_config(folder, **changes)


def gone(*names: str) -> Callable[[Path], None]:
    return lambda folder: [(folder / name).unlink() for name in names] and None


def text(name: str, content: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_text(content) and None


def without_tensor(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        state = load_file(folder / "model.safetensors")
        del state[name]
        save_file(state, folder / "model.safetensors", metadata={"format": "pt"})

    return change


def llama(folder: Path) -> Path:
    return checkpoints.huggingface_folder(folder, "llama")


BUILTIN, LEGACY = checkpoints.builtin_folder, checkpoints.legacy_folder
WEIGHTS, FINAL = "model.safetensors", "SoLU_final.pth"

BROKEN: dict[str, tuple[Callable[[Path], Path], str]] = {
    "empty": (lambda folder: checkpoints.write(folder, {"a.txt": ""}), "has no config.json"),
    "not json": (broken(text("config.json", "{"), BUILTIN), "config.json of .* is damaged"),
    "a list": (broken(text("config.json", "[]"), BUILTIN), "is not a JSON object"),
    "no model": (broken(text("config.json", "{}"), BUILTIN), "is not that of a language model"),
    "builtin weights gone": (broken(gone(WEIGHTS), BUILTIN), "has no model.safetensors"),
    "builtin weights cut": (broken(cut(WEIGHTS), BUILTIN), "weights .* cannot be read"),
    "builtin tokenizer gone": (broken(gone("tokenizer.json"), BUILTIN), "has no tokenizer.json"),
    "builtin tokenizer": (broken(text("tokenizer.json", "{}"), BUILTIN), "cannot be read"),
    "builtin width": (broken(config_with(d_mlp=8), BUILTIN), "do not fit its config.json: .*d?"),
    "builtin tensor": (
        broken(without_tensor("layers.1.mlp.ln.bias"), BUILTIN),
        "do not fit its config.json: no layers.1.mlp.ln.bias",
    ),
    "builtin activation": (broken(config_with(act_fn="x"), BUILTIN), "cannot be used: .*'x'"),
    "builtin attention only": (
        lambda folder: checkpoints.builtin_folder(folder, attn_only=True),
        "has no MLP in layer 0, so it has no neurons",
    ),
    "legacy key": (broken(config_with(n_heads="absent"), LEGACY), "has no 'n_heads'"),
    "legacy attention only": (
        broken(config_with(attn_only=True), LEGACY),
        "is attention-only: it has no MLP neurons",
    ),
    "legacy positions": (broken(config_with(shortformer_pos=True), LEGACY), "shortformer"),
    "legacy tokenizer": (
        broken(config_with(tokenizer_name=None), LEGACY),
        "names no tokenizer_name",
    ),
    "legacy heads": (broken(config_with(n_heads=2), LEGACY), "weights of .* cannot be loaded"),
    "legacy layers": (broken(config_with(n_layers=3), LEGACY), "weights of .* cannot be loaded"),
    "legacy weights cut": (broken(cut(FINAL), LEGACY), "if the file is damaged, delete it"),
    "legacy weights gone": (broken(gone(FINAL), LEGACY), r"has no weights \(\*final.pth\)"),
    "hf weights gone": (broken(gone(WEIGHTS), llama), "has no weights"),
    "hf weights cut": (broken(cut(WEIGHTS), llama), "cannot be loaded: .*if a file is damaged"),
    "hf tensor": (
        broken(without_tensor("model.layers.1.mlp.up_proj.weight"), llama),
        "1 tensors are missing, model.layers.1.mlp.up_proj.weight among them",
    ),
    "hf width": (broken(config_with(intermediate_size=8), llama), "9 tensors are misshapen"),
    "hf type": (broken(config_with(model_type="x"), llama), "cannot be loaded: .*`?x`?"),
    "hf tokenizer gone": (
        broken(gone("tokenizer.json", "tokenizer_config.json"), llama),
        "has no tokenizer: none of tokenizer.json",
    ),
    "hf tokenizer": (broken(text("tokenizer.json", "{}"), llama), "tokenizer of .* cannot be read"),
    "hf foreign code": (
        broken(config_with(model_type="x", auto_map={"AutoConfig": "x.X"}), llama),
        "needs code of its own, which the benchmark does not run",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_folder_is_refused_in_words(case: str, tmp_path: Path) -> None:
    build, message = BROKEN[case]
    folder = build(tmp_path / "model")
    with pytest.raises(BenchmarkError, match=message) as caught:
        load(folder)
    assert str(folder) in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_a_missing_unembedding_does_not_matter(tmp_path: Path) -> None:
    folder = llama(tmp_path / "model")
    expected = load(folder).activations(torch.tensor([[0, 3]]), 2)
    without_tensor("lm_head.weight")(folder)
    assert torch.equal(load(folder).activations(torch.tensor([[0, 3]]), 2), expected)


def test_without_an_unembedding_no_token_is_likely_next(tmp_path: Path) -> None:
    folder = llama(tmp_path / "model")
    whole = load(folder)
    assert whole.has_unembedding
    assert whole.likely_next(torch.tensor([[0, 3]]), 2).shape == (1, 2, 2)
    without_tensor("lm_head.weight")(folder)
    headless = load(folder)
    for tokens in (torch.tensor([[0, 3]]), torch.empty(0, 2, dtype=torch.long)):
        with pytest.raises(BenchmarkError, match="has no unembedding, so it cannot say"):
            headless.likely_next(tokens, 2)
    assert headless.tokens_run == 0
    with pytest.raises(BenchmarkError, match=r"use explainer\.proposer=none"):
        SubjectProposer(headless, 5)


def test_a_tied_unembedding_is_there(tmp_path: Path) -> None:
    import transformers

    config = transformers.LlamaConfig(
        vocab_size=checkpoints.D_VOCAB,
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        tie_word_embeddings=True,
    )
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    checkpoints.write(tmp_path, dict(checkpoints.tokenizer_files()))
    assert load(tmp_path).has_unembedding


def test_a_mixture_of_experts_is_refused(tmp_path: Path) -> None:
    import transformers

    config = transformers.MixtralConfig(
        vocab_size=checkpoints.D_VOCAB,
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        num_local_experts=2,
    )
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    checkpoints.write(tmp_path, dict(checkpoints.tokenizer_files()))
    with pytest.raises(BenchmarkError, match="mixture of experts"):
        load(tmp_path)


class _Malicious:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.target,)


@pytest.mark.parametrize("kind", ["transformers", "tl_legacy"])
@pytest.mark.parametrize("save", [lambda x, f: f.write_bytes(pickle.dumps(x)), torch.save])
def test_weights_run_no_code(kind: str, save: Any, tmp_path: Path) -> None:
    target = tmp_path / "target"
    if kind == "transformers":
        folder = llama(tmp_path / "model")
        (folder / WEIGHTS).unlink()
        file = folder / "pytorch_model.bin"
    else:
        folder = checkpoints.legacy_folder(tmp_path / "model")
        file = folder / FINAL
    save({"embed.W_E": torch.zeros(1), "x": _Malicious(target)}, file)
    with pytest.raises(BenchmarkError, match="cannot be loaded"):
        load(folder, kind)
    assert not target.exists()


def test_an_older_weight_file_is_read_safely(tmp_path: Path) -> None:
    folder = llama(tmp_path / "model")
    tokens = torch.tensor([[0, 3, 4]])
    expected = load(folder).activations(tokens, 2)
    torch.save(load_file(folder / WEIGHTS), folder / "pytorch_model.bin")
    (folder / WEIGHTS).unlink()
    assert torch.equal(load(folder).activations(tokens, 2), expected)


def test_weights_in_several_files(tmp_path: Path) -> None:
    folder = llama(tmp_path / "model")
    tokens = torch.tensor([[0, 3, 4]])
    whole = load(folder)
    state = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    parts = {name: f"model-0000{1 + i % 2}-of-00002.safetensors" for i, name in enumerate(state)}
    for part in set(parts.values()):
        held = {name: value for name, value in state.items() if parts[name] == part}
        save_file(held, folder / part, metadata={"format": "pt"})
    index = {"metadata": {}, "weight_map": parts}
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps(index))
    found = load(folder)
    assert found.fingerprint == whole.fingerprint
    assert torch.equal(found.activations(tokens, 2), whole.activations(tokens, 2))
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(BenchmarkError, match="has no model-00002-of-00002"):
        load(folder)


LIGHT = """
import sys
from benchmark.subject import load_subject
print([name for name in ("torch", "transformers", "huggingface_hub") if name in sys.modules])
load_subject({"kind": "local", "source": sys.argv[1]}, device="cpu")
"""


def test_importing_is_light_and_loading_is_quiet(tmp_path: Path) -> None:
    folder = checkpoints.huggingface_folder(tmp_path / "model", "gpt2")
    result = subprocess.run(
        [sys.executable, "-c", LIGHT, str(folder)], capture_output=True, text=True, cwd=PROJECT
    )
    assert (result.stdout, result.stderr) == ("[]\n", "")


def test_loading_restores_the_libraries_voice(tmp_path: Path) -> None:
    import logging
    import warnings

    from transformers.utils import logging as transformers_logging

    transformers_logging.enable_progress_bar()
    load(checkpoints.huggingface_folder(tmp_path / "model", "gpt2"))
    assert transformers_logging.is_progress_bar_enabled()
    assert logging.root.manager.disable < logging.WARNING
    with pytest.warns(UserWarning, match="heard"):
        warnings.warn("heard", stacklevel=1)
