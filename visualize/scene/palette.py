"""How the colours of a picture look on light and on dark paper.

Pictures name the role of a colour, such as "ink" or "parameter"; a palette is a dict from roles to CSS colours.
"""
from __future__ import annotations

from collections.abc import Mapping

# Distinguishable by the colour-blind (Okabe and Ito 2008, lightened where text stands on them).
LIGHT: Mapping[str, str] = {
    "ink": "#1b1f24", "muted": "#6b7280", "line": "#9aa1ab", "paper": "#ffffff", "panel": "#f4f5f7",
    "parameter": "#fbe3b5", "input": "#cfe6f7", "step": "#ffffff", "operation": "#e9ebee", "cost": "#f7d0bf",
    "gradient": "#dff0e6", "warning": "#c2410c", "error": "#b91c1c", "positive": "#0072b2", "negative": "#d55e00",
}
DARK: Mapping[str, str] = {
    "ink": "#e6e8eb", "muted": "#9aa1ab", "line": "#6b7280", "paper": "#15181c", "panel": "#1f2329",
    "parameter": "#5c4512", "input": "#173f5c", "step": "#15181c", "operation": "#2b3037", "cost": "#5f2c17",
    "gradient": "#1c4630", "warning": "#fb923c", "error": "#f87171", "positive": "#56b4e9", "negative": "#e69f00",
}


def colour(palette: Mapping[str, str], name: str) -> str:
    """How a palette shows a colour: a role, "role@0.35" (35 % of the role over the paper) or a colour as it is."""
    role, _, part = name.partition("@")
    full = palette.get(role, role)
    if not part:
        return full
    share = min(1.0, max(0.0, float(part)))
    paper = palette["paper"]
    if full[:1] == paper[:1] == "#" and len(full) == len(paper) == 7:
        mixed = (round(share * int(full[i:i + 2], 16) + (1 - share) * int(paper[i:i + 2], 16)) for i in (1, 3, 5))
        return "#" + "".join(f"{value:02x}" for value in mixed)
    return f"color-mix(in srgb, {full} {share * 100:.0f}%, {paper})"  # such as var(--ink), which only browsers know
