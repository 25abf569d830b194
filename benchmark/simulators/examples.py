"""Example neurons that prompts of simulators begin with, so that the model sees the format."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Example:
    """A neuron that was made up, with a short text.

    Attributes:
        explanation: what it looks for.
        tokens: the tokens of the text.
        levels: the level of each, 0 to 10.
        revealed: the first token whose level is told where a prompt hides some.
    """

    explanation: str
    tokens: tuple[str, ...]
    levels: tuple[int, ...]
    revealed: int

    def level(self, at: int, highest: int) -> int:
        """Return the level of a token on a scale that may end at 9."""
        return min(self.levels[at], highest)


def _example(explanation: str, revealed: int, text: str) -> Example:
    """Read a text whose tokens are parted by `|`; what is not 0 stands behind `^`."""
    pairs = [part.partition("^") for part in text.split("|")]
    return Example(
        explanation,
        tuple(token for token, _, _ in pairs),
        tuple(int(level or 0) for _, _, level in pairs),
        revealed,
    )


EXAMPLES = (
    _example(
        "words for rain and other wet weather",
        8,
        "After| a| dry| spring| the| rain^9| came| down| for| three| days|,| and| the| drizzle^7|"
        " that| followed| left| every| path| wet^3|.",
    ),
    _example(
        "the name of a function right after it is defined in program code",
        3,
        "def| read^8|_^5|lines^6|(|path|):|\\n|    |return| path|.|read|_|text|()|.|split|lines|()",
    ),
    _example(
        "numbers that tell a year",
        0,
        "The| mill| was| built| in| 18^6|74^10| and| sold| to| 3| brothers| in| 19^5|02^9|.",
    ),
)
