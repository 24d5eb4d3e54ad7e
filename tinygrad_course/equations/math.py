"""Equations as LaTeX and as MathML, which browsers show as they show text."""
from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from tinygrad_course.graph.roles import split_name
from tinygrad_course.equations.expressions import Expression
from tinygrad_course.equations.from_graph import Equation
from tinygrad_course.equations.text import ATOM, GREEK_LETTERS, JOINED, POSTFIX, UnicodeWriter, Writer, Written

NUMBERED = re.compile(r"([A-Za-z])_?(\d+)")  # T1, x_2


def parts_of(name: str) -> tuple[bool, str, str]:
    """dW[2] as True, "W", "2": whether it is a gradient, its letter, its layer."""
    base, layer = split_name(name)
    gradient = len(base) > 1 and base[0] == "d" and (
        len(base) < 4 or base[1].isupper() or base[1:] in GREEK_LETTERS)
    return gradient, base[1:] if gradient else base, layer


class MathWriter(Writer):
    """What LaTeX and MathML have in common: fractions, and the layer as a superscript, W^[2]."""

    def __init__(self, sizes: dict[int, Expression] | None = None):
        super().__init__(sizes)
        self.plain = UnicodeWriter(sizes)

    def quotient(self, above: str, below: str, below_level: int = ATOM) -> Written:
        return self.fraction(above, below), JOINED

    def small_quotient(self, above: str, below: str, below_level: int = ATOM) -> Written:
        return self.fraction(above, below), JOINED

    def numerator(self, text: str, level: int) -> str: return text  # the bar holds it together
    def fraction(self, above: str, below: str) -> str: raise NotImplementedError
    def superscribed(self, name: str, mark: str) -> str: raise NotImplementedError

    def symbol(self, name: str) -> str: return self.superscribed(name, "")

    def write_power(self, x: Expression) -> Written:
        base, exponent = x.args
        if base.head == "symbol" and split_name(base.content)[1] and not (
                exponent.is_number() and exponent.content < 0):  # (A^[1])^2: there is a superscript already
            return self.raised(self.parenthesised(self(base)), self(exponent)), POSTFIX
        return super().write_power(x)

    def transposed(self, x: Expression) -> str:
        return self.superscribed(x.content, "T") if x.head == "symbol" else self.raised(self(x, ATOM), "T")

    def write_sqrt(self, x: Expression) -> Written: return self.root(self(x.args[0])), ATOM
    def root(self, text: str) -> str: raise NotImplementedError


class LatexWriter(MathWriter):
    r"""`dW^{[2]} = \frac{1}{m} \, dZ^{[2]} \, A^{[1]T}`."""

    def superscribed(self, name: str, mark: str) -> str:
        gradient, base, layer = parts_of(name)
        above = (f"[{layer}]" if layer else "") + mark
        return ("d" if gradient else "") + self.letter(base) + (f"^{{{above}}}" if above else "")

    def letter(self, name: str) -> str:
        if name == "y_hat":
            return r"\hat{y}"
        if name in GREEK_LETTERS:
            return "\\lambda" if name.startswith("lambd") else f"\\{name}"
        numbered = NUMBERED.fullmatch(name)
        if numbered:
            return f"{numbered[1]}_{{{numbered[2]}}}"
        return name if re.fullmatch("[A-Za-z]", name) else rf"\mathrm{{{latex_text(name)}}}"

    def parenthesised(self, text: str) -> str: return rf"\left({text}\right)"
    def negative(self, text: str) -> str: return f"-{text}"
    def times(self, factors: list[str]) -> str: return r" \odot ".join(factors)
    def joined(self, a: str, b: str) -> str: return rf"{a} \, {b}"
    def raised(self, base: str, exponent: str) -> str: return f"{{{base}}}^{{{exponent}}}"
    def fraction(self, above: str, below: str) -> str: return rf"\frac{{{above}}}{{{below}}}"
    def root(self, text: str) -> str: return rf"\sqrt{{{text}}}"
    def bars(self, text: str) -> str: return rf"\left|{text}\right|"
    def listed(self, items: list[str]) -> str: return rf"\left[{', '.join(items)}\right]"
    def indexed(self, text: str, index: str) -> str: return rf"{text}{{[}}\mathrm{{{latex_text(index)}}}{{]}}"

    def plus(self, left: str, sign: str, right: str) -> str:
        return f"{left} {'=' if sign == '==' else sign} {right}"

    def function(self, name: str, args: list[str], options: list[str]) -> str:
        named = (rf"\{name}" if name in ("log", "exp", "tanh", "max", "min") else r"\sigma" if name == "sigmoid" else
                 r"\sum" if name == "np.sum" and not options else rf"\mathrm{{{latex_text(name)}}}")
        plain = [rf"\mathrm{{{latex_text(option)}}}" for option in options]
        return named + self.parenthesised(r",\; ".join([*args, *plain]))

    def derivative(self, layer: str) -> str:
        return (f"g^{{{layer}\\prime}}" if layer else "g'") + self.parenthesised(self.symbol(f"Z{layer}"))


class MathMLWriter(MathWriter):
    """Presentation MathML, the part of it that all browsers know."""

    def superscribed(self, name: str, mark: str) -> str:
        gradient, base, layer = parts_of(name)
        above = f"<mo>[</mo><mn>{layer}</mn><mo>]</mo>" if layer else ""
        above += f"<mi>{mark}</mi>" if mark else ""
        letter = self.letter(base)
        if above:
            letter = f"<msup>{letter}<mrow>{above}</mrow></msup>"
        return f"<mrow><mi>d</mi>{letter}</mrow>" if gradient else letter

    def letter(self, name: str) -> str:
        numbered = NUMBERED.fullmatch(name)
        if numbered:
            return f"<msub><mi>{numbered[1]}</mi><mn>{numbered[2]}</mn></msub>"
        return f"<mi>{xml_text('ŷ' if name == 'y_hat' else GREEK_LETTERS.get(name, name))}</mi>"

    def row(self, *parts: str) -> str: return f"<mrow>{''.join(parts)}</mrow>"
    def operator(self, sign: str) -> str: return f"<mo>{escape(sign)}</mo>"
    def number(self, text: str) -> str: return f"<mn>{text}</mn>"
    def parenthesised(self, text: str) -> str: return self.row(self.operator("("), text, self.operator(")"))
    def negative(self, text: str) -> str: return self.row('<mo form="prefix">−</mo>', text)
    def times(self, factors: list[str]) -> str: return self.row(self.operator("⊙").join(factors))
    def joined(self, a: str, b: str) -> str: return self.row(a, '<mspace width="0.25em"/>', b)
    def fraction(self, above: str, below: str) -> str: return f"<mfrac>{above}{below}</mfrac>"
    def root(self, text: str) -> str: return f"<msqrt>{text}</msqrt>"
    def bars(self, text: str) -> str: return self.row(self.operator("|"), text, self.operator("|"))
    def listed(self, items: list[str]) -> str: return self.row("<mo>[</mo>", "<mo>,</mo>".join(items), "<mo>]</mo>")
    def indexed(self, text: str, index: str) -> str: return self.row(text, f"<mtext>[{xml_text(index)}]</mtext>")

    def raised(self, base: str, exponent: str) -> str:
        return f"<msup>{base}{'<mi>T</mi>' if exponent == 'T' else exponent}</msup>"

    def plus(self, left: str, sign: str, right: str) -> str:
        return self.row(left, self.operator({"-": "−", "==": "="}.get(sign, sign)), right)

    def function(self, name: str, args: list[str], options: list[str]) -> str:
        named = {"np.sum": "Σ", "sigmoid": "σ"}.get(name, name)
        plain = [f"<mtext>{xml_text(option)}</mtext>" for option in options]
        return self.row(f"<mi>{xml_text(named)}</mi>", self.parenthesised('<mo>,</mo>'.join([*args, *plain])))

    def derivative(self, layer: str) -> str:
        above = (f"<mo>[</mo><mn>{escape(layer[1:-1])}</mn><mo>]</mo>" if layer else "") + "<mo>′</mo>"
        return self.row(f"<msup><mi>g</mi><mrow>{above}</mrow></msup>", self.parenthesised(self.symbol(f"Z{layer}")))


LATEX_SIGNS = {"\\": r"\backslash ", "^": r"\wedge ", "~": r"\sim ", "−": "-", "\n": " ",
               **{sign: f"\\{sign}" for sign in "#$%&_{}"}}


def latex_text(text: str) -> str:
    """Any text, as it may stand in mathematics: TeX's own signs escaped."""
    return "".join(LATEX_SIGNS.get(sign, sign) for sign in text)


def xml_text(text: str) -> str:
    """Any text, as it may stand in XML: <, > and & escaped, control characters, which XML has not, left out."""
    return escape("".join(sign for sign in text if sign.isprintable()))


def in_latex(forward: Sequence[Equation], backward: Sequence[Equation], write: LatexWriter, bare: bool = False) -> str:
    """Two `align*` environments; bare: only the lines, aligned at their equals signs."""
    passes = [" \\\\\n".join(f"{write.symbol(equation.name)} &= {write(equation.expression)}" for equation in equations)
              for equations in (forward, backward)]
    if bare:
        return " \\\\\n".join(passes)
    return "\n".join(f"\\begin{{align*}}\n{lines}\n\\end{{align*}}" for lines in passes if lines)


def in_mathml(forward: Sequence[Equation], backward: Sequence[Equation], write: MathMLWriter,
              meaning: str) -> str:
    """Two tables of equations with captions, in one <div>. meaning: what dT stands for."""
    return '<div class="equations" style="overflow: auto hidden; padding-bottom: 1em">\n' + "".join(
        f"<p><strong>{heading}</strong>{more}</p>\n{_table(equations, write)}\n"
        for heading, more, equations in (("Forward", "", forward), ("Backward", f" ({meaning})", backward))
        if equations) + "</div>"


def _table(equations: Sequence[Equation], write: MathMLWriter) -> str:
    left, right = 'style="text-align: right"', 'style="text-align: left"'
    rows = [f"<mtr><mtd {left}>{write.symbol(equation.name)}</mtd><mtd><mo>=</mo></mtd>"
            f"<mtd {right}>{write(equation.expression)}</mtd></mtr>" for equation in equations]
    body = "\n".join(rows)
    return (f'<math xmlns="http://www.w3.org/1998/Math/MathML" display="block"><mtable displaystyle="true">\n{body}\n'
            "</mtable></math>")
