"""How the colours of a picture look on light and on dark paper.

Pictures name the role of a colour, such as "ink" or "parameter"; a palette is a dict from roles to CSS colours.
"""
from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

CLASS = "tinygrad-picture"  # of pictures that follow the page which they stand in

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
    if name in palette:
        return palette[name]
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


def following(names: Iterable[str]) -> tuple[dict[str, str], str]:
    """A palette of these colours that is light on light pages and dark on dark ones, and the style sheet it needs.

    JupyterLab says by CSS's color-scheme whether it is dark, also to pictures that it shows as images; Colab, VS Code
    and the site's theme say it by an attribute or a class.
    """
    variables = {name: "--tgc-" + re.sub(r"\W+", "-", name).strip("-") for name in dict.fromkeys(names)}
    light = {variable: colour(LIGHT, name) for name, variable in variables.items()}
    dark = {variable: colour(DARK, name) for name, variable in variables.items()}
    rules = [
        "svg:root{color-scheme:light dark}",  # where it is a document by itself
        ":is([theme=dark],[data-theme=dark],.vscode-dark) ." + CLASS + "{color-scheme:dark}",
        ":is([theme=light],[data-theme=light],.vscode-light) ." + CLASS + "{color-scheme:light}",
        f".{CLASS}{{" + ";".join(f"{variable}:{value}" for variable, value in light.items()) + "}",
        "@supports (color:light-dark(red,red)){" + f".{CLASS}{{" + ";".join(
            f"{variable}:light-dark({value},{dark[variable]})" for variable, value in light.items()) + "}}"]
    return {name: f"var({variable})" for name, variable in variables.items()}, "".join(rules)
