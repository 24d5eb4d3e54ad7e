"""exp, expm1, log, log1p and tanh of whole vectors of doubles, as LLVM IR text for the compiled training step.

A call of the C library takes one number at a time; these take 1, 2, 4, 8, ... numbers through the same few dozen
instructions. They have no branch and no table, at most one division, and are within 2 ulp of the true value for every
double (an ulp is the distance to the next double): infinities, NaN, signed zeros and denormals included. float32
callers extend to double, call, and truncate.

The steps are the textbook ones (J.-M. Muller, "Elementary Functions", 3rd ed., chapter 11; the logarithm as in
FreeBSD's msun, e_log.c and s_log1p.c):

- exp: x = n ln2 + r with |r| <= ln2 / 2, then e^x = 2^n e^r, and e^r is a polynomial. n ln2 is subtracted in two parts,
  the first with so few bits that its product with n is exact (Cody and Waite);
- expm1: 2^n (e^r - 1) + (2^n - 1), with the same polynomial for e^r - 1;
- tanh: |x| or 1, whichever is less, plus a correction made of e^(2|x|) - 1;
- log: x = 2^k (1 + f) with sqrt(1/2) <= 1 + f < sqrt(2). With s = f / (2 + f), log(1 + f) is 2 atanh(s), and that is
  s times a polynomial in s^2;
- log1p: log of 1 + x, with f = 2^-k x + (2^-k - 1), which is rounded once though 1 + x is rounded too.

`llvm.fmuladd` is one instruction where the machine has one and a product and a sum elsewhere: both are accurate enough.
No fast-math flag may be set on these instructions: several differences below are zero in exact arithmetic.
"""

from __future__ import annotations

import math
import struct
import sys
from collections.abc import Callable, Iterable, Sequence

# The polynomials minimise the largest relative error: linear programming on 801 Chebyshev points at 200 bits, each
# coefficient rounded to double before the next ones were fitted again.
# (e^r - 1 - r) / r^2 for |r| <= ln2 / 2; error of e^r - 1: 2^-55.6 of its value.
EXP = (0.5000000000000006, 0.1666666666666665, 0.041666666666576306, 0.008333333333360464, 0.0013888888931375477,
       0.00019841269769311235, 2.4801505629743026e-05, 2.7557370430316176e-06, 2.7625880170113544e-07,
       2.5063713830238825e-08)
# (2 atanh(s) / s - 2) / s^2 in z = s^2 for |s| <= 3 - sqrt(8); error of 2 atanh(s): 2^-59.5 of its value.
LOG = (0.6666666666666734, 0.39999999999416586, 0.2857142874205384, 0.22222198601182896, 0.18183563109568332,
       0.15314076914199745, 0.14795724930939613)

# ln2 in two parts: the first has 32 bits, so that its product with any exponent (11 bits) is exact.
LN2_HIGH = float.fromhex("0x1.62e42feep-1")
LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")

ROUND = 1.5 * 2.0 ** 52  # y + ROUND has y, rounded to an integer, in its low bits: AVX2 cannot convert double to int64
EXPONENT_BIAS = 1023
LARGEST = sys.float_info.max
SIGN = 1 << 63
EXPONENT_MASK = 0x7FF << 52
MANTISSA_MASK = (1 << 52) - 1
ONE = EXPONENT_BIAS << 52  # bits of 1.0
TWO_52 = (EXPONENT_BIAS + 52) << 52  # bits of 2^52
SQRT_HALF = 0x3FE6A09E667F3BCD  # bits of sqrt(1/2)


def bits_of(number: float) -> int:
    """The 64 bits of a double, as an unsigned integer."""
    return int(struct.unpack("<Q", struct.pack("<d", number))[0])


class Body:
    """Writes the instructions of one function. Its methods take names of values, or numbers, and return a new name."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.double = f"<{width} x double>"
        self.int64 = f"<{width} x i64>"
        self.lines: list[str] = []

    def value(self, operand: str | float | int) -> str:
        """A name as it is; a float or an integer as the vector that repeats it."""
        if isinstance(operand, str):
            return operand
        one = f"double 0x{bits_of(operand):016X}" if isinstance(operand, float) else f"i64 {operand}"
        return "<" + ", ".join([one] * self.width) + ">"

    def emit(self, instruction: str) -> str:
        name = f"%v{len(self.lines)}"
        self.lines.append(f"  {name} = {instruction}")
        return name

    def float_op(self, operation: str, a: str | float, b: str | float) -> str:
        return self.emit(f"{operation} {self.double} {self.value(a)}, {self.value(b)}")

    def add(self, a: str | float, b: str | float) -> str: return self.float_op("fadd", a, b)
    def sub(self, a: str | float, b: str | float) -> str: return self.float_op("fsub", a, b)
    def mul(self, a: str | float, b: str | float) -> str: return self.float_op("fmul", a, b)
    def div(self, a: str | float, b: str | float) -> str: return self.float_op("fdiv", a, b)

    def muladd(self, a: str | float, b: str | float, c: str | float) -> str:
        """a * b + c, rounded once or twice."""
        arguments = ", ".join(f"{self.double} {self.value(operand)}" for operand in (a, b, c))
        return self.emit(f"call {self.double} @{muladd_name(self.width)}({arguments})")

    def negate(self, a: str) -> str:
        return self.emit(f"fneg {self.double} {a}")

    def select(self, a: str | float, relation: str, b: str | float, then: str | float, otherwise: str | float) -> str:
        """`then` where `a relation b` holds. With an ordered relation (olt, ogt, oeq) a NaN takes `otherwise`."""
        condition = self.emit(f"fcmp {relation} {self.double} {self.value(a)}, {self.value(b)}")
        return self.emit(f"select <{self.width} x i1> {condition}, {self.double} {self.value(then)}, "
                         f"{self.double} {self.value(otherwise)}")

    def select_negative(self, a: str, then: str | float, otherwise: str | float) -> str:
        """`then` where the sign bit of `a` is set: x86 selects by it without a comparison."""
        condition = self.emit(f"icmp slt {self.int64} {self.bits(a)}, {self.value(0)}")
        return self.emit(f"select <{self.width} x i1> {condition}, {self.double} {self.value(then)}, "
                         f"{self.double} {self.value(otherwise)}")

    def at_most(self, a: str, limit: float) -> str: return self.select(a, "ogt", limit, limit, a)
    def at_least(self, a: str, limit: float) -> str: return self.select(a, "olt", limit, limit, a)

    def bits(self, a: str) -> str: return self.emit(f"bitcast {self.double} {a} to {self.int64}")
    def from_bits(self, a: str) -> str: return self.emit(f"bitcast {self.int64} {a} to {self.double}")

    def int_op(self, operation: str, a: str | int, b: str | int) -> str:
        """An operation on 64-bit integers: add, sub, and, or, xor, shl, lshr."""
        return self.emit(f"{operation} {self.int64} {self.value(a)}, {self.value(b)}")

    def horner(self, x: str, coefficients: Sequence[float]) -> str:
        """sum of coefficients[i] x^i, one multiply-add for each coefficient but the last."""
        result: str | float = coefficients[-1]
        for coefficient in coefficients[-2::-1]:
            result = self.muladd(x, result, coefficient)
        return str(result)

    def polynomial(self, x: str, square: str, coefficients: Sequence[float]) -> str:
        """sum of coefficients[i] x^i, even and odd ones apart: no more instructions than Horner, half the waiting."""
        return self.muladd(x, self.horner(square, coefficients[1::2]), self.horner(square, coefficients[::2]))

    def reduce(self, x: str, offset: int, unit: float = 1.0) -> tuple[str, str, str]:
        """x = n unit ln2 + r: an integer with n + offset as its low bits, n as a double, x - n unit LN2_HIGH (exact).

        `unit` is a power of two.
        """
        shifted = self.muladd(x, 1 / (unit * math.log(2)), ROUND + offset)
        n = self.sub(shifted, ROUND + offset)
        return self.bits(shifted), n, self.muladd(n, -unit * LN2_HIGH, x)

    def expm1_tail(self, n: str, high: str, unit: float = 1.0) -> str:
        """unit (e^(r / unit) - 1) - high for r = high - n unit LN2_LOW.

        high, the largest term, is exact: added last, it brings no rounding but that of the sum.
        """
        low = self.mul(n, -unit * LN2_LOW)
        r = self.add(high, low)
        square = self.mul(r, r)
        coefficients = [coefficient / unit ** (i + 1) for i, coefficient in enumerate(EXP)]
        return self.muladd(square, self.polynomial(r, square, coefficients), low)

    def power_of_two(self, biased: str) -> str:
        """2^n from an integer with n + 1023 in its 12 low bits; those above are shifted out."""
        return self.from_bits(self.int_op("shl", biased, 52))

    def magnitude(self, a: str) -> str:
        """|a|"""
        return self.from_bits(self.int_op("and", self.bits(a), SIGN - 1))

    def with_sign_of(self, x: str, magnitude: str) -> str:
        """`magnitude`, which has x's sign already or none, with the sign of x: -0 for -0."""
        sign = self.int_op("and", self.bits(x), SIGN)
        return self.from_bits(self.int_op("or", self.bits(magnitude), sign))

    def binary_exponent(self, x: str, bias: str | float) -> tuple[str, str]:
        """k, as a double, with sqrt(1/2) <= 2^-k x < sqrt(2); and the bits of x, moved: their exponent is k + 1023.

        bias: 2^52 + 1023, and what is to be taken from k besides.
        """
        word = self.int_op("add", self.bits(x), ONE - SQRT_HALF)
        # The exponent becomes a double by putting it into the low bits of 2^52.
        return self.sub(self.from_bits(self.int_op("or", self.int_op("lshr", word, 52), TWO_52)), bias), word

    def log_end(self, k: str, f: str) -> str:
        """k ln2 + log(1 + f) for sqrt(1/2) <= 1 + f < sqrt(2)."""
        s = self.div(f, self.add(f, 2.0))
        z = self.mul(s, s)
        # With R = 2 atanh(s) / s - 2, log(1 + f) = f - s (f - R): f, the largest term, is exact and is added late.
        tail = self.muladd(self.negate(z), self.polynomial(z, self.mul(z, z), LOG), f)
        low = self.muladd(self.negate(s), tail, self.mul(k, LN2_LOW))
        return self.muladd(k, LN2_HIGH, self.add(f, low))

    def log_edges(self, u: str, k: str) -> str:
        """k; where u is negative, zero, infinite or NaN, the logarithm of that, which k ln2 + log(1 + f) then is too.

        Done to k and not to the result, because the result is waited for.
        """
        k = self.select_negative(u, math.nan, k)
        return self.select(u, "olt", math.inf, self.select(u, "oeq", 0.0, -math.inf, k), u)


def muladd_name(width: int) -> str:
    return f"llvm.fmuladd.v{width}f64"


def write_exp(body: Body, x: str) -> str:
    # Beyond these limits the result is inf or 0 anyway.
    x = body.at_least(body.at_most(x, 710.0), -746.0)
    word, n, high = body.reduce(x, 2 * EXPONENT_BIAS)
    # 2^n may be no double where the result is one: a factor 2^64 or 2^-64 is left for the end.
    last = body.select_negative(x, 2.0 ** -64, 2.0 ** 64)
    scale = body.from_bits(body.int_op("sub", body.int_op("shl", word, 52), body.bits(last)))
    r = body.muladd(n, -LN2_LOW, high)
    square = body.mul(r, r)
    e = body.muladd(square, body.polynomial(r, square, EXP), r)
    return body.mul(body.muladd(scale, e, scale), last)


def write_expm1(body: Body, x: str) -> str:
    word, n, high = body.reduce(body.at_least(body.at_most(x, 710.0), -40.0), EXPONENT_BIAS - 1)
    # 2^(n - 1) is a double for every n that occurs; the doubling at the end overflows where it must.
    scale = body.power_of_two(word)
    half = body.muladd(scale, body.expm1_tail(n, high), body.muladd(scale, high, body.sub(scale, 0.5)))
    # That halving would lose the last bit of a denormal, and the sum the sign of -0.
    return body.select(body.magnitude(x), "olt", 2.0 ** -60, x, body.add(half, half))


def write_tanh(body: Body, x: str) -> str:
    # With h = (e^(2|x|) - 1) / 2, tanh|x| = h / (h + 1) = c + (h - c (h + 1)) / (h + 1) for any c. One near tanh|x|
    # makes the fraction small, so that its rounding errors hardly count. h = large + scale tail, where large is exact.
    magnitude = body.magnitude(x)
    c = body.at_most(magnitude, 1.0)
    word, n, high = body.reduce(body.at_most(magnitude, 22.0), EXPONENT_BIAS, unit=0.5)  # tanh(22) rounds to 1
    scale = body.power_of_two(word)
    large = body.muladd(scale, high, body.muladd(scale, 0.5, -0.5))
    tail = body.expm1_tail(n, high, unit=0.5)
    numerator = body.muladd(tail, body.mul(scale, body.sub(1.0, c)),
                            body.muladd(body.negate(c), large, body.sub(large, c)))
    fraction = body.div(numerator, body.muladd(tail, scale, body.add(large, 1.0)))
    return body.with_sign_of(x, body.add(c, fraction))


def write_log(body: Body, x: str) -> str:
    denormal = "olt", 2.0 ** -1022
    bias = body.select(x, *denormal, 2.0 ** 52 + EXPONENT_BIAS + 54, 2.0 ** 52 + EXPONENT_BIAS)
    k, word = body.binary_exponent(body.select(x, *denormal, body.mul(x, 2.0 ** 54), x), bias)
    m = body.from_bits(body.int_op("add", body.int_op("and", word, MANTISSA_MASK), SQRT_HALF))
    return body.log_end(body.log_edges(x, k), body.sub(m, 1.0))


def write_log1p(body: Body, x: str) -> str:
    u = body.add(x, 1.0)
    k, word = body.binary_exponent(u, 2.0 ** 52 + EXPONENT_BIAS)
    # f = 2^-k (1 + x) - 1 is rounded once: u's rounding does not enter. The exponent's bits, one less and inverted, are
    # those of 2^(2 - k); 2^-k itself is denormal for the largest x.
    four = body.from_bits(body.int_op("and", body.int_op("sub", (1 << 52) - 1, word), EXPONENT_MASK))
    power = body.mul(four, 0.25)
    f = body.muladd(body.at_most(x, LARGEST), power, body.sub(power, 1.0))
    return body.with_sign_of(x, body.log_end(body.log_edges(u, k), f))


WRITERS: dict[str, Callable[[Body, str], str]] = {
    "exp": write_exp, "expm1": write_expm1, "log": write_log, "log1p": write_log1p, "tanh": write_tanh}
FUNCTIONS = tuple(WRITERS)


def declarations(names: Iterable[str], width: int) -> set[str]:
    """The `declare` lines that `definitions(names, width)` needs; a set, because a module may have each only once."""
    vector = f"<{width} x double>"
    return {f"declare {vector} @{muladd_name(width)}({vector}, {vector}, {vector})"} if set(names) else set()


def definitions(names: Iterable[str], width: int) -> str:
    """LLVM IR of the functions `<width x double> @tgc_NAME(<width x double> %x)`, without the `declare` lines.

    They are `internal` and `alwaysinline`: inlining leaves nothing of them but their instructions in the caller's loop.

    Raises ValueError for a name that is not in FUNCTIONS.
    """
    texts = []
    for name in sorted(set(names)):
        if name not in WRITERS:
            raise ValueError(f"vector_math: no function {name!r}: there are {', '.join(FUNCTIONS)}")
        body = Body(width)
        result = WRITERS[name](body, "%x")
        texts.append(f"define internal {body.double} @tgc_{name}({body.double} %x) alwaysinline nounwind {{\n"
                     + "\n".join(body.lines) + f"\n  ret {body.double} {result}\n}}\n")
    return "\n".join(texts)
