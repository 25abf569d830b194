"""Subjects under their real repository ids, from a stand-in for the hub, with and without it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.config.catalogue import find
from benchmark.errors import BenchmarkError
from benchmark.subject import load_subject
from tests.hub import Hub
from tests.subject import by_hand, checkpoints
from tests.subject.checkpoints import DIGITS_TOKENIZER, NEOX_TOKENIZER

TOKENS = [[0, 5, 9, 3, 3, 17, 2, 8], [0, 22, 1, 1, 4, 6, 7, 19]]

# Loads the subjects named in the arguments; prints a line of JSON for each, with its activations
# at the last layer, or the message of the error.
LOAD = """
import json, sys, torch
from benchmark.errors import BenchmarkError
from benchmark.subject import load_subject
torch.set_num_threads(1)
config = json.loads(sys.argv[1])
for name, model in config["models"].items():
    try:
        subject = load_subject(model, device="cpu")
    except BenchmarkError as error:
        print(json.dumps({"name": name, "error": str(error)}))
        continue
    found = subject.activations(torch.tensor(config["tokens"]), subject.n_layers - 1)
    print(json.dumps({
        "name": name, "activations": found.tolist(), "fingerprint": subject.fingerprint,
        "tokenizer": subject.tokenizer_fingerprint, "source": subject.source,
        "revision": subject.revision, "site": subject.site, "bos": subject.bos,
    }))
"""


def model_config(name: str) -> dict[str, Any]:
    return dict(find("model", name).config)


def load(hub: Hub, models: dict[str, Any], **env: str) -> tuple[dict[str, Any], str]:
    """What loading gives for each model, and what was written to stderr."""
    arguments = json.dumps({"models": models, "tokens": TOKENS})
    result = hub.python(LOAD, arguments, env=env)
    assert result.returncode == 0, result.stderr
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [answer["name"] for answer in answers] == list(models)
    return {answer.pop("name"): answer for answer in answers}, result.stderr


def old_weights(n_layers: int) -> checkpoints.Weights:
    return checkpoints.legacy_weights(n_layers, affine_norms=False, mid_norms=False, seed=n_layers)


def test_known_subjects_load_and_then_from_the_cache_alone(hub: Hub, tmp_path: Path) -> None:
    new = {
        "solu-8l": ("NeelNanda/SoLU_8L1024W_C4_Code", "solu_ln", 8),
        "gelu-1l": ("NeelNanda/GELU_1L512W_C4_Code", "gelu", 1),
    }
    expected = {}
    tokens = torch.tensor(TOKENS)
    for name, (repo_id, act_fn, n_layers) in new.items():
        weights = checkpoints.legacy_weights(n_layers, mid_norms=act_fn == "solu_ln")
        config = checkpoints.legacy_config(n_layers, act_fn)
        hub.add_model(repo_id, checkpoints.legacy_files(weights, config, "model"))
        expected[name] = by_hand.legacy(weights, tokens, n_layers - 1, act_fn)
    # The old layouts: all matrices face left, only the positions do, nothing does; and in none of
    # them has the LayerNorm inside the MLP any parameters.
    old = {"solu-6l-pile": ("v13", 6), "solu-8l-old": ("v21", 8), "solu-10l-pile": ("v22", 10)}
    for name, (version, n_layers) in old.items():
        weights = old_weights(n_layers)
        repo_id = f"NeelNanda/SoLU_{n_layers}L_{version}_old"
        hub.add_model(repo_id, checkpoints.old_files(weights, n_layers, "SoLU"))
        expected[name] = by_hand.legacy(weights, tokens, n_layers - 1, "solu_ln")
    hub.add_model(DIGITS_TOKENIZER, dict(checkpoints.tokenizer_files()))
    hub.add_model(NEOX_TOKENIZER, dict(checkpoints.tokenizer_files(model_max_length=99)))
    neox = checkpoints.huggingface_folder(tmp_path / "neox", "gpt_neox")
    pythia = hub.add_model("EleutherAI/pythia-70m", neox, names=["main", "step3"])

    models = {name: model_config(name) for name in [*expected, "pythia-70m"]}
    models["by id"] = {"name": "local", "kind": "local", "source": new["solu-8l"][0]}
    models["by alias"] = {"name": "local", "kind": "local", "source": "solu-8l"}
    models["by revision"] = {
        "kind": "local",
        "source": "EleutherAI/pythia-70m",
        "revision": "step3",
    }

    online, stderr = load(hub, models)
    for name, neurons in expected.items():
        found = torch.tensor(online[name]["activations"]).double()
        torch.testing.assert_close(found, neurons, rtol=1e-4, atol=1e-5)
        assert online[name]["source"] == models[name]["source"]
        site = "hook_post" if name.startswith("gelu") else "ln.hook_in"
        assert online[name]["site"] == f"blocks.{{layer}}.mlp.{site}"
        assert online[name]["bos"] == 0
    assert online["by id"] == online["by alias"] == online["solu-8l"]
    assert online["by revision"] == online["pythia-70m"]
    assert online["pythia-70m"]["revision"] == pythia
    assert len({online[name]["fingerprint"] for name in [*expected, "pythia-70m"]}) == 6
    assert "Warning" not in stderr
    assert "warn" not in stderr.lower()
    assert not hub.asked("00100.pth")  # no checkpoint but the last

    hub.stop()
    n_requests = len(hub.requests)
    offline, stderr = load(hub, models)
    assert offline == online
    assert stderr == ""
    assert len(hub.requests) == n_requests
    told_so, _ = load(hub, {"solu-8l": models["solu-8l"]}, HF_HUB_OFFLINE="1")
    assert told_so["solu-8l"] == online["solu-8l"]


WARM = """
import sys, torch
from transformer_lens.model_bridge import TransformerBridge
from transformers import AutoModelForCausalLM, AutoTokenizer
TransformerBridge.boot_tl_legacy("NeelNanda/GELU_2L512W_C4_Code", device="cpu")
AutoModelForCausalLM.from_pretrained("openai-community/gpt2")
AutoTokenizer.from_pretrained("openai-community/gpt2")
"""


def test_a_cache_that_the_libraries_filled_is_enough(hub: Hub, tmp_path: Path) -> None:
    weights = checkpoints.legacy_weights(2, mid_norms=False)
    config = checkpoints.legacy_config(2, "gelu")
    hub.add_model(
        "NeelNanda/GELU_2L512W_C4_Code", checkpoints.legacy_files(weights, config, "GELU_2L")
    )
    hub.add_model(DIGITS_TOKENIZER, dict(checkpoints.tokenizer_files()))
    gpt2 = checkpoints.huggingface_folder(tmp_path / "gpt2", "gpt2")
    hub.add_model("openai-community/gpt2", gpt2)
    warm = hub.python(WARM)
    assert warm.returncode == 0, warm.stderr
    hub.stop()
    answers, stderr = load(hub, {name: model_config(name) for name in ("gelu-2l", "gpt2-small")})
    expected = by_hand.legacy(weights, torch.tensor(TOKENS), 1, "gelu")
    found = torch.tensor(answers["gelu-2l"]["activations"]).double()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert "activations" in answers["gpt2-small"]
    assert stderr == ""


def test_what_the_hub_refuses(hub: Hub, tmp_path: Path) -> None:
    weights = checkpoints.legacy_weights(1)
    files = checkpoints.legacy_files(weights, checkpoints.legacy_config(1, "solu_ln"), "SoLU")
    neox = checkpoints.huggingface_folder(tmp_path / "neox", "gpt_neox")
    no_weights = {name: (neox / name).read_bytes() for name in ("config.json", "tokenizer.json")}
    hub.add_model("NeelNanda/SoLU_1L512W_C4_Code", files)  # whose tokenizer is not there
    hub.add_model("shut/gated", files, gated=True)
    hub.add_model("some/text", {"README.md": "no model"})
    hub.add_model("some/weightless", dict(no_weights))
    hub.add_model("some/model", neox)
    models: dict[str, Any] = {
        "no tokenizer": model_config("solu-1l"),
        "gated": {"kind": "local", "source": "shut/gated"},
        "absent": {"kind": "local", "source": "no/such-model"},
        "no config": {"kind": "local", "source": "some/text"},
        "no weights": {"kind": "local", "source": "some/weightless"},
        "no revision": {"kind": "local", "source": "some/model", "revision": "v9"},
    }
    answers, stderr = load(hub, models)
    errors = {name: answer["error"] for name, answer in answers.items()}
    assert f"the tokenizer repository '{DIGITS_TOKENIZER}' does not exist" in errors["no tokenizer"]
    assert "the model repository 'shut/gated' is gated" in errors["gated"]
    assert "the model repository 'no/such-model' does not exist" in errors["absent"]
    assert "the model repository 'some/text' has no config.json" in errors["no config"]
    assert "the model repository 'some/weightless' has no weights" in errors["no weights"]
    assert "the model repository 'some/model' has no revision 'v9'" in errors["no revision"]
    assert stderr == ""


def test_out_of_reach_and_not_cached(hub: Hub, tmp_path: Path) -> None:
    hub.add_model("some/half", {"config.json": json.dumps({"model_type": "gpt2"})})
    weights = checkpoints.legacy_weights(1)
    files = checkpoints.legacy_files(weights, checkpoints.legacy_config(1, "solu_ln"), "SoLU")
    hub.add_model("NeelNanda/SoLU_1L512W_C4_Code", files)
    assert hub.python(
        "from huggingface_hub import hf_hub_download\n"
        "hf_hub_download('some/half', 'config.json')\n"
        "hf_hub_download('NeelNanda/SoLU_1L512W_C4_Code', 'config.json')\n"
    ).returncode == 0  # fmt: skip
    hub.stop()
    models = {
        "model": model_config("solu-8l"),
        "tokenizer": model_config("solu-1l"),
        "weights": {"kind": "local", "source": "some/half"},
    }
    answers, stderr = load(hub, models)
    missing = {
        "model": "the model repository 'NeelNanda/SoLU_8L1024W_C4_Code'",
        "tokenizer": f"the tokenizer repository '{DIGITS_TOKENIZER}'",
        "weights": "weights (model.safetensors or pytorch_model.bin) of the model repository",
    }
    for name, what in missing.items():
        error = answers[name]["error"]
        assert what in error
        assert "is not in the local cache" in error
        assert "cannot be reached" in error
        assert "model=solu-tiny works offline" in error
        assert "\n" not in error
    assert stderr == ""


def test_a_mirror_that_says_not_found_without_the_hubs_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import httpx
    from huggingface_hub.errors import HfHubHTTPError

    from benchmark.files.hub import HubFiles

    def fetch(status: int) -> None:
        response = httpx.Response(status, request=httpx.Request("HEAD", "http://mirror/a/b"))
        raise HfHubHTTPError("no", response=response)

    files = HubFiles("a/b")
    monkeypatch.setattr(files, "_fetch", lambda _: fetch(404))
    assert files.optional("merges.txt") is None
    assert "the model repository 'a/b' has no merges.txt" in str(files.missing("merges.txt"))
    monkeypatch.setattr(files, "_fetch", lambda _: fetch(503))
    with pytest.raises(BenchmarkError, match="the hub cannot be reached"):
        files.optional("config.json")


@pytest.mark.parametrize("source", ["a//b", "a/b/c/d", "https://example.org/x/y", "x y"])
def test_a_source_that_is_neither_folder_nor_repository(source: str) -> None:
    with pytest.raises(BenchmarkError, match="no such folder, and it is not a repository id"):
        load_subject({"kind": "local", "source": source})
