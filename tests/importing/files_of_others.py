"""Files in the formats of others, written from the fields that these document."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np

TOKENS = [" the", " cat", "\n", "é", " sat", ".", " 10", "Ġ", "\x00", " on"]


def sequence(seed: int, length: int = 12, levels: bool = False, strength: float = 3.0) -> dict:
    """A recorded simulation of a sequence, its prediction near the truth."""
    generator = np.random.default_rng(seed)
    truth = np.maximum(0, generator.normal(size=length)) * strength
    predicted = truth + generator.normal(size=length) / 2
    if levels:
        predicted = np.clip(np.round(10 * truth / max(truth.max(), 1e-9)), 0, 10)
    return {
        "dataclass_name": "ScoredSequenceSimulation",
        "simulation": {
            "dataclass_name": "SequenceSimulation",
            "tokens": [TOKENS[at % len(TOKENS)] for at in range(length)],
            "expected_activations": predicted.tolist(),
            "activation_scale": "simulated_normalized_activations"
            if levels
            else "neuron_activations",
            "distribution_values": [],
            "distribution_probabilities": [],
            "uncalibrated_simulation": None,
        },
        "true_activations": truth.tolist(),
        "ev_correlation_score": float(np.corrcoef(truth, predicted)[0, 1]),
        "rsquared_score": 0.5,
        "absolute_dev_explained_score": 0.5,
    }


def openai_record(layer: int, neuron: int, n: int = 10, **options: Any) -> dict[str, Any]:
    """A neuron with an explanation and simulations, and the correlation over all of them."""
    records = [
        sequence(1000 * layer + 17 * neuron + at, strength=3.0 if at % 2 else 0.3, **options)
        for at in range(n)
    ]
    truth = np.concatenate([one["true_activations"] for one in records])
    predicted = np.concatenate([one["simulation"]["expected_activations"] for one in records])
    return {
        "dataclass_name": "NeuronSimulationResults",
        "neuron_id": {
            "dataclass_name": "NeuronId",
            "layer_index": layer,
            "neuron_index": neuron,
        },
        "scored_explanations": [
            {
                "dataclass_name": "ScoredExplanation",
                "explanation": f" words about cats {neuron}",
                "scored_simulation": {
                    "dataclass_name": "ScoredSimulation",
                    "scored_sequence_simulations": records,
                    "ev_correlation_score": float(np.corrcoef(truth, predicted)[0, 1]),
                    "rsquared_score": 0.25,
                    "absolute_dev_explained_score": float("nan"),
                },
            }
        ],
    }


def write_openai(folder: Path, neurons: list[tuple[int, int]], **options: Any) -> Path:
    for layer, neuron in neurons:
        path = folder / str(layer) / f"{neuron}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(openai_record(layer, neuron, **options)) + "\n")
    return folder


def neuronpedia_line(index: int, **further: Any) -> dict[str, Any]:
    return {
        "id": f"id{index}",
        "modelId": "gpt2-small",
        "layer": "5-res-jb",
        "index": str(index),
        "description": f"names of cities {index}",
        "authorId": "someone",
        "typeName": "oai_token-act-pair",
        "explanationModelName": "gpt-4o-mini",
        "notes": None,
        "embedding": [0.0, 1.0],
        "scores": [
            {
                "value": index / 10,
                "explanationScoreTypeName": "eleuther_fuzz",
                "explanationScoreModelName": "gpt-4o",
                "jsonDetails": "{}",
            }
        ],
        **further,
    }


def write_lines(path: Path, objects: list[dict[str, Any]]) -> Path:
    data = "".join(f"{json.dumps(one)}\n" for one in objects).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def write_delphi(folder: Path, latents: list[int], model: str | None = "org/tiny-llama") -> Path:
    """A folder of results with detection and fuzzing answers, some without one."""
    for name in ("explanations", "scores/detection", "scores/fuzz", "latents"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    if model is not None:
        (folder / "run_config.json").write_text(json.dumps({"model": model, "seed": 22}))
    for latent in latents:
        name = f"layers.3.mlp_latent{latent}.txt"
        (folder / "explanations" / name).write_text(json.dumps(f"things {latent}"))
        for scorer in ("detection", "fuzz"):
            (folder / "scores" / scorer / name).write_text(json.dumps(answers(latent, scorer)))
    return folder


def answers(latent: int, scorer: str) -> list[dict[str, Any]]:
    generator = np.random.default_rng(latent)
    rows = []
    for at in range(20):
        active = at < 10
        probability = float(np.clip(generator.normal(0.6 if active else 0.4, 0.2), 0, 1))
        said = None if at == 3 else probability >= 0.5
        rows.append(
            {
                "str_tokens": ["a", "b"],
                "activations": [0.0, 1.0],
                "distance": at % 10 if active else -1,
                "activating": active,
                "prediction": said,
                "probability": probability if scorer == "detection" else None,
                "correct": None if said is None else said == active,
            }
        )
    return rows


def transluce_record(layer: int, neuron: int, splits: tuple[str, ...], n: int = 2) -> dict:
    """Candidates of a neuron's positive sign with simulations by split, and none of the other."""

    def candidate(number: int) -> dict[str, Any]:
        simulations = {}
        for place, split in enumerate(splits):
            records = {str(at): sequence(100 * number + 10 * place + at) for at in range(3)}
            simulations[split] = {
                "simulation_data": records,
                "ev_correlation_score": 0.1 * number,
                "rsquared_score": None,
                "absolute_dev_explained_score": 0.0,
            }
        return {"explanation": f"candidate {number}", "simulations": simulations}

    return {
        "neuron_id": {"layer": layer, "neuron": neuron},
        "explanations": {"pos": [candidate(at) for at in range(n)], "neg": None},
        "explanation_generation_metadata": None,
    }
