"""Colours of pictures, and the style rules that turn pictures inside a page dark where the reader's screen is."""

from __future__ import annotations

from collections.abc import Mapping

PALETTE = ("#2b6cb0", "#d1603d", "#3a7d44", "#8e5572", "#b7791f", "#4a5568")
"""Line colours: distinct in hue and in lightness, so that they survive colour blindness and printing."""

REFERENCE_COLOUR = "#9aa5b1"
CURRENT_COLOUR = "#2b6cb0"
HIGHLIGHT_COLOUR = "#d1603d"

INK_ON_DEEP = "#fefefe"
"""Text on the deep end of a scale; another value than paper, which turns dark."""

PALE, DEEP = "#fffaf0", "#9b2c14"
"""Ends of the colour scale, for 0 and 1."""

DARK_PALE, DARK_DEEP = "#27303a", "#f0875c"

N_COLOURS = 20
"""Steps of the colour scale."""

DARK: Mapping[str, str] = {
    "#ffffff": "#1a2129",
    "#fefefe": "#14181e",
    "#1a202c": "#e6ebf1",
    "#4a5568": "#a9b5c3",
    "#a0aec0": "#5d6b7a",
    "#718096": "#8b99a8",
    "#6b7280": "#98a3b0",
    "#edf0f3": "#2a333d",
    "#e2e8f0": "#333e4a",
    "#cbd5e0": "#4b5866",
    "#f7fafc": "#202831",
    "#f4f6f8": "#202831",
    "#9aa5b1": "#768391",
    "#2b6cb0": "#6ea8e5",
    "#d1603d": "#ee8661",
    "#3a7d44": "#6cc07a",
    "#8e5572": "#cf93b2",
    "#b7791f": "#dfa94f",
    "#2f7d4f": "#5fbf87",
    "#c2410c": "#f0885f",
}
"""Colour on a dark page by the colour in the picture, which is that on paper."""


def mixed(share: float, pale: str = PALE, deep: str = DEEP) -> str:
    """Return the colour at a share in [0, 1] of the way from one colour to another.

    Examples
    --------
    >>> mixed(0.0), mixed(1.0), mixed(0.5, "#000000", "#ffffff")
    ('#fffaf0', '#9b2c14', '#808080')
    """
    ends = ((int(pale[place : place + 2], 16), int(deep[place : place + 2], 16)) for place in (1, 3, 5))
    return "#" + "".join(f"{round(low + share * (high - low)):02x}" for low, high in ends)


def dark_rules(more: Mapping[str, str] | None = None) -> str:
    """Return style rules that exchange the colours of pictures inside a page; they outrank the pictures' own.

    Parameters
    ----------
    more
        Dark colour by colour, of what a page adds to the pictures' own.
    """
    scale = (index / N_COLOURS for index in range(N_COLOURS + 1))
    steps = {mixed(share): mixed(share, DARK_PALE, DARK_DEEP) for share in scale}
    return "\n".join(
        f'svg[{paint}="{colour}"], svg [{paint}="{colour}"] {{ {paint}:{dark} }}'
        for colour, dark in {**DARK, **steps, **(more or {})}.items()
        for paint in ("fill", "stroke")
    )
