"""The criterion of a living neuron: a neuron that never matters is dead, a rare one is not."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file, save_file

from benchmark.evidence import LayerProfile, dead_neurons, relative_reach
from benchmark.evidence.selection import Selection
from benchmark.subject import load_subject
from tests.subject import checkpoints


def profile_of(activations):
    """The profile of activations `[tokens, d_mlp]`, all of them text."""
    n, d_mlp = activations.shape
    return LayerProfile(
        max_activation=activations.amax(0),
        mean_activation=activations.mean(0),
        mean_square=activations.square().mean(0),
        top_values=activations.topk(1, dim=0).values.T,
        top_contexts=torch.zeros(d_mlp, 1, dtype=torch.long),
        n_tokens=n,
    )


def ordinary(n_tokens=1000, d_mlp=50):
    return torch.randn(n_tokens, d_mlp, generator=torch.Generator().manual_seed(0)).abs()


def dead_of(activations, norms=None):
    norms = torch.ones(activations.shape[1]) if norms is None else norms
    return dead_neurons(profile_of(activations), norms).nonzero()[:, 0].tolist()


def test_ordinary_neurons_are_alive():
    assert dead_of(ordinary()) == []


def test_a_neuron_that_is_never_above_zero_is_dead():
    activations = ordinary()
    activations[:, 3] = 0
    activations[:, 4] = -activations[:, 4]
    assert dead_of(activations) == [3, 4]


def test_a_neuron_that_never_does_more_than_whisper_is_dead():
    """It fires as often as the others, a hundred times as weakly."""
    activations = ordinary()
    activations[:, 3] *= 0.01
    activations[:, 4] *= 0.1
    assert dead_of(activations) == [3]


def test_a_neuron_that_writes_nothing_is_dead_however_strong_it_is():
    norms = torch.ones(50)
    norms[[3, 4]] = torch.tensor([0.0, 0.01])
    activations = ordinary()
    assert dead_of(activations, norms) == [3, 4]
    activations[:, 4] *= 100
    assert dead_of(activations, norms) == [3]


def test_a_neuron_that_never_changes_is_dead():
    activations = ordinary()
    activations[:, 3] = 5
    assert dead_of(activations) == [3]


def test_a_neuron_that_fires_once_but_strongly_is_alive():
    activations = ordinary()
    activations[:, 3] = 0
    activations[17, 3] = 3
    assert dead_of(activations) == []


def test_giants_and_many_dead_neurons_do_not_move_the_criterion():
    activations = ordinary()
    activations[:, :2] *= 100
    activations[:, 10:] *= 1e-4
    assert dead_of(activations) == list(range(10, 50))


def test_a_layer_in_which_nothing_happens_is_dead_as_a_whole():
    assert dead_of(torch.zeros(10, 4)) == [0, 1, 2, 3]
    assert dead_of(torch.ones(10, 4)) == [0, 1, 2, 3]
    assert dead_of(ordinary(10, 4), torch.zeros(4)) == [0, 1, 2, 3]


def test_the_reach_is_a_part_of_the_average():
    activations, norms = ordinary(), torch.rand(50, generator=torch.Generator().manual_seed(1))
    reach = relative_reach(profile_of(activations), norms)
    by_hand = [
        float((activations[:, j].max() - activations[:, j].mean()) * norms[j]) for j in range(50)
    ]
    assert reach.tolist() == pytest.approx([one * 50 / sum(by_hand) for one in by_hand], rel=1e-5)
    # Units do not matter.
    again = relative_reach(profile_of(1e-8 * activations), 1e4 * norms)
    torch.testing.assert_close(again, reach, rtol=1e-4, atol=1e-6)


def test_named_neurons_that_are_dead_are_known():
    dead = torch.tensor([False, True, False, True])
    selection = Selection(0, torch.tensor([3, 0]), dead)
    assert (selection.n_dead, selection.dead_neurons) == (2, [3])


DOWN = {
    "gelu": "layers.1.mlp.fc_out.weight",
    "solu": "layers.1.mlp.fc_out.weight",
    "gpt2": "transformer.h.1.mlp.c_proj.weight",
    "llama": "model.layers.1.mlp.down_proj.weight",
}


@pytest.mark.parametrize("layout", DOWN)
def test_neurons_that_write_nothing_are_found_in_every_layout(layout, tmp_path):
    """But in a layer whose neurons are all alike in strength, no others are."""
    folder = tmp_path / layout
    if layout in ("gpt2", "llama"):
        checkpoints.huggingface_folder(folder, layout)
    else:
        checkpoints.builtin_folder(folder, act_fn={"solu": "solu_ln"}.get(layout, layout))
    weights = load_file(folder / "model.safetensors")
    down = weights[DOWN[layout]].float()
    down = down.T if layout != "gpt2" else down  # [d_mlp, d_model]
    silent = [2, 5, 11]
    down[silent] = 0
    if layout == "solu":
        # The norm before it takes the mean of all neurons from each: let that write nothing too.
        gain = weights["layers.1.mlp.ln.weight"].float()
        largest = int(gain.abs().argmax())
        assert largest not in silent
        down[largest] -= (gain @ down) / gain[largest]
    weights[DOWN[layout]] = (down.T if layout != "gpt2" else down).half().contiguous()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    subject = load_subject({"kind": "local", "source": str(folder)}, device="cpu")
    norms = subject.output_norms(1)
    assert (norms < 0.01 * norms.mean()).nonzero()[:, 0].tolist() == silent
    assert dead_of(ordinary(d_mlp=subject.n_units(0)), norms) == silent
