"""Token lookup explanation: a number per token id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from benchmark.files.explanation_size import SHOWN
from explainers.float32 import decimals


@dataclass(frozen=True, eq=False)
class TokenLookupExplanation:
    """Mean activation per token id.

    Attributes:
        ids: token ids seen in the evidence, ascending, `[t]`.
        values: mean activation on each, raw units, float32, `[t]`.
        default: what is predicted for every other token, raw units.
        strongest: for a person, the tokens with the largest mean: id, text, and how often it was
            seen.
    """

    text_is_complete: ClassVar[bool] = False

    ids: Int[Tensor, " t"]
    values: Float[Tensor, " t"]
    default: float
    strongest: tuple[tuple[int, str, int], ...] = ()

    def simulate(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos"]:
        """Look every token up, `[batch, pos]`, raw units, on the tokens' device."""
        if not tokens.numel():
            return torch.zeros(tokens.shape, device=tokens.device)
        # One entry for every id up to the largest that is asked for.
        table = self.values.new_full((int(tokens.max()) + 1,), self.default, device=tokens.device)
        known = int(torch.searchsorted(self.ids, len(table)))
        table[self.ids[:known].to(tokens.device)] = self.values[:known].to(tokens.device)
        return table[tokens]

    def describe(self) -> str:
        """Show the strongest tokens with their mean activation and how often they were seen."""
        lines = [f"mean activation of {len(self.ids)} token ids; {self.default:.4g} on others"]
        if self.strongest:
            lines.append(f"{'mean':>10} {'seen':>7}  token")
        means = self.simulate(torch.tensor([[token for token, _, _ in self.strongest]]).long())
        for (_, text, count), mean in zip(self.strongest, means[0].tolist(), strict=True):
            lines.append(f"{mean:>10.4g} {count:>7}  {text}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return ids, values and the default, and under `shown` the strongest tokens."""
        return {
            "default": self.default,
            "ids": self.ids.tolist(),
            "values": decimals(self.values),
            SHOWN: {"strongest": [list(entry) for entry in self.strongest]},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TokenLookupExplanation:
        """Return the explanation that `to_dict` or an earlier version saved.

        Raises:
            ValueError: ids and values do not belong together, or an id is there twice.
        """
        ids = torch.tensor(data["ids"], dtype=torch.long)
        values = torch.tensor(data["values"], dtype=torch.float32)
        if ids.shape != values.shape or ids.ndim != 1:
            raise ValueError(f"{ids.numel()} token ids with {values.numel()} values")
        ids, order = ids.sort()
        if len(torch.unique(ids)) != len(ids) or (len(ids) and ids[0] < 0):
            raise ValueError("a token id is negative or there twice")
        strongest = tuple(
            (int(token), str(text), int(count))
            for token, text, count in data.get(SHOWN, data).get("strongest", ())
        )
        return cls(ids, values[order], float(data["default"]), strongest)
