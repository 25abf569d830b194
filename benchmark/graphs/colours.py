"""Colours: red for activating tokens, blue for context, grey for what is neither.

Boxes carry their own background and what stands beside them is of a middle grey, so that a
picture without a background can be read on a light page and on a dark one.
"""

from __future__ import annotations

LINES = "#8a8f98"
BESIDE = "#757b84"

_Colour = tuple[int, int, int]
_RED: tuple[_Colour, _Colour] = ((254, 236, 232), (190, 18, 28))
_BLUE: tuple[_Colour, _Colour] = ((236, 243, 253), (24, 90, 172))
_GREY: _Colour = (246, 246, 246)


def fill_of(kind: str, strength: float) -> str:
    """Return the colour of a box, paler for less activation or importance."""
    if kind in ("any", "more"):
        return _hex(_GREY)
    low, high = _RED if kind == "activating" else _BLUE
    red, green, blue = (round(a + (b - a) * strength) for a, b in zip(low, high, strict=True))
    return _hex((red, green, blue))


def text_on(fill: str) -> str:
    """Return black or white, whichever can be read better on a colour."""
    bright = brightness(fill)
    return "#ffffff" if 1.05 / (bright + 0.05) > (bright + 0.05) / 0.05 else "#000000"


def border_of(kind: str) -> str:
    """Return the colour of a box's edge."""
    if kind in ("any", "more"):
        return LINES
    return _hex((_RED if kind == "activating" else _BLUE)[1])


def brightness(colour: str) -> float:
    """Return the relative luminance, 0 to 1 (WCAG 2.1)."""
    parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _hex(colour: _Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
