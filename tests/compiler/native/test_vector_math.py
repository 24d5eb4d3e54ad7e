"""The vectorised functions against values with more digits: every kind of double, with and without fused steps."""
from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tinygrad_course.compiler.native import vector_math

Function = Callable[[np.ndarray], np.ndarray]
ENGINES: list[Any] = []  # a function lives as long as the engine that compiled it

LOOP = """
define void @loop_{name}(ptr noalias %in, ptr noalias %out, i64 %n) {{
entry:
  br label %loop
loop:
  %i = phi i64 [0, %entry], [%next, %loop]
  %from = getelementptr double, ptr %in, i64 %i
  %to = getelementptr double, ptr %out, i64 %i
  %x = load <{width} x double>, ptr %from, align 8
  %y = call <{width} x double> @tgc_{name}(<{width} x double> %x)
  store <{width} x double> %y, ptr %to, align 8
  %next = add i64 %i, {width}
  %more = icmp ult i64 %next, %n
  br i1 %more, label %loop, label %end
end:
  ret void
}}
"""


def compile_functions(width: int, fused: bool) -> dict[str, Function]:
    import llvmlite.binding as binding
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    names = vector_math.FUNCTIONS
    text = "\n".join([*vector_math.declarations(names, width), vector_math.definitions(names, width),
                      *(LOOP.format(name=name, width=width) for name in names)])
    module = binding.parse_assembly(text)
    features = binding.get_host_cpu_features().flatten()
    if not fused and "+fma," in features:
        features += ",-fma,-fma4"
    machine = binding.Target.from_default_triple().create_target_machine(
        cpu=binding.get_host_cpu_name(), features=features, opt=2, jit=True)
    builder = binding.create_pass_builder(machine, binding.create_pipeline_tuning_options(2))
    builder.getModulePassManager().run(module, builder)
    assert "call <" not in str(module).replace("call <%d x double> @llvm." % width, ""), "all are inlined"
    if not fused and "+fma," in features:
        assert "vfm" not in machine.emit_assembly(module)
    engine = binding.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    ENGINES.append(engine)
    return {name: bind(engine.get_function_address(f"loop_{name}"), width) for name in names}


def bind(address: int, width: int) -> Function:
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)(address)

    def call(x: np.ndarray) -> np.ndarray:
        padded = np.append(x, np.zeros(-len(x) % width))
        y = np.empty_like(padded)
        function(padded.ctypes.data, y.ctypes.data, len(padded))
        return y[:len(x)]
    return call


compiled = cache(compile_functions)


def true_values(name: str, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The double nearest to the true value, and the rest of it."""
    if np.finfo(np.longdouble).nmant > 60:
        with np.errstate(all="ignore"):
            exact = getattr(np, name)(x.astype(np.longdouble))
            nearest = exact.astype(float)
            return nearest, np.where(np.isfinite(nearest), exact - nearest, 0).astype(float)
    mpmath = pytest.importorskip("mpmath")
    with np.errstate(all="ignore"):
        nearest, rest = getattr(np, name)(x), np.zeros_like(x)  # right where it is no number, and replaced elsewhere
    with mpmath.workprec(120):
        for i in np.flatnonzero(np.isfinite(nearest) & (x != 0)):
            value = getattr(mpmath, name)(mpmath.mpf(x[i]))
            nearest[i] = float(value)
            rest[i] = float(value - mpmath.mpf(nearest[i])) if math.isfinite(nearest[i]) else 0
    return nearest, rest


def error_in_ulp(name: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """inf where y should be infinite, NaN or a zero of the other sign."""
    nearest, rest = true_values(name, x)
    finite = np.isfinite(nearest) & np.isfinite(y)
    with np.errstate(all="ignore"):
        error = np.abs(y - nearest - rest) / np.spacing(np.abs(nearest))
    same = (y == nearest) | (np.isnan(y) & np.isnan(nearest))
    right_sign = (x != 0) | (np.signbit(y) == np.signbit(nearest)) | (name == "log")
    return np.where(finite & right_sign, error, np.where(same & right_sign, 0.0, np.inf))


def points(count: int) -> np.ndarray:
    """Every kind of double: random bits, the ranges that networks use, and both sides of every border."""
    random = np.random.RandomState(0)
    def between(low: float, high: float) -> np.ndarray: return random.uniform(low, high, count)
    edges = np.array([0.0, 5e-324, 2.0 ** -1022, 2.0 ** -60, 2.0 ** -53, math.log(2) / 4, math.log(2) / 2, 0.75, 1.0,
                      2.0, 19.06, 22.0, 36.8, 40.0, 708.4, 709.782712893384, 710.0, 745.133219101941, 746.0, 2.0 ** 53,
                      2.0 ** 1023, math.sqrt(2) * 2.0 ** 1023, 1.79e308])
    halves = random.randint(-4400, 4400, count) * math.log(2) / 4
    borders = np.concatenate([edges, np.nextafter(edges, 0), np.nextafter(edges, np.inf),
                              [np.finfo(float).max, math.inf, math.nan]])
    return np.concatenate([
        random.randint(0, 1 << 32, 2 * count, dtype=np.uint32).view(float), 10 ** between(-300, 300),
        between(-1e-3, 1e-3), between(-1, 1), between(-2, 3), between(-40, 40), between(-760, 720), between(0.2, 0.26),
        *(halves * (1 + width * random.uniform(-1, 1, count)) for width in (1e-15, 1e-9, 1e-3)),
        1 + between(-0.01, 0.01), between(0.6, 1.5), 2.0 ** between(-0.6, 0.6), between(0, 1e-307),  # log
        -1 + 10 ** between(-16, 0), between(-0.75, -0.5), between(0.3, 1.1),  # log1p
        between(709, 710), between(-746, -744), between(-746, -700),  # exp, to inf and through the denormals to 0
        borders, -borders])


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("name", vector_math.FUNCTIONS)
def test_two_ulp(name: str, fused: bool) -> None:
    x = points(20000 if np.finfo(np.longdouble).nmant > 60 else 300)
    error = error_in_ulp(name, x, compiled(4, fused)[name](x))
    assert error.max() <= 2, f"{name}({x[error.argmax()]!r}) is {error.max():.2f} ulp off"


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("width", [1, 2, 8])
def test_every_width_gives_the_same(width: int, fused: bool) -> None:
    x = points(500)
    for name, function in compiled(width, fused).items():
        np.testing.assert_array_equal(function(x), compiled(4, fused)[name](x), err_msg=name)


@pytest.mark.parametrize("name, x, y", [
    ("exp", [-np.inf, -746, -745.2, -0.0, 0, 709.8, np.inf, np.nan], [0, 0, 0, 1, 1, np.inf, np.inf, np.nan]),
    ("expm1", [-np.inf, -50, -0.0, 0, 5e-324, 709.8, np.inf, np.nan],
     [-1, -1, -0.0, 0, 5e-324, np.inf, np.inf, np.nan]),
    ("log", [-np.inf, -1, -5e-324, -0.0, 0, 1, np.inf, np.nan],
     [np.nan, np.nan, np.nan, -np.inf, -np.inf, 0, np.inf, np.nan]),
    ("log1p", [-np.inf, -2, -1, -0.0, 0, -5e-324, np.inf, np.nan],
     [np.nan, np.nan, -np.inf, -0.0, 0, -5e-324, np.inf, np.nan]),
    ("tanh", [-np.inf, -1e300, -0.0, 0, 5e-324, 20, np.inf, np.nan], [-1, -1, -0.0, 0, 5e-324, 1, 1, np.nan]),
])
@pytest.mark.parametrize("width", [1, 4])
def test_special_values(name: str, x: list[float], y: list[float], width: int) -> None:
    result = compiled(width, True)[name](np.array(x))
    np.testing.assert_array_equal(result, y)
    known = ~np.isnan(y)
    np.testing.assert_array_equal(np.signbit(result)[known], np.signbit(y)[known])


numbers = st.lists(st.floats(allow_nan=False), min_size=2, max_size=8)


@settings(deadline=None)
@given(numbers)
def test_tanh_is_odd_and_stays_within_one(x: list[float]) -> None:
    values = np.array(x)
    result = compiled(4, True)["tanh"](values)
    np.testing.assert_array_equal(compiled(4, True)["tanh"](-values), -result)
    assert np.all(np.abs(result) <= 1)


@settings(deadline=None)
@given(numbers, st.sampled_from(vector_math.FUNCTIONS))
def test_none_falls_by_more_than_the_rounding(x: list[float], name: str) -> None:
    values = np.sort(np.abs(x) if name.startswith("log") else x)
    result = compiled(4, True)[name](values)
    below, above = result[:-1], result[1:]
    with np.errstate(invalid="ignore"):  # inf - inf, and the spacing of inf
        assert np.all((above >= below) | (below - above <= 4 * np.spacing(np.abs(below))))


@pytest.mark.parametrize("table", ["EXP", "LOG"])
@pytest.mark.parametrize("index", [0, 3, 6])
def test_a_wrong_coefficient_is_noticed(table: str, index: int, monkeypatch: pytest.MonkeyPatch) -> None:
    coefficients = list(getattr(vector_math, table))
    coefficients[index] *= 1 + 1e-3
    monkeypatch.setattr(vector_math, table, tuple(coefficients))
    x = points(200 if np.finfo(np.longdouble).nmant > 60 else 20)
    functions = compile_functions(4, True)
    for name in ("exp", "expm1", "tanh") if table == "EXP" else ("log", "log1p"):
        assert error_in_ulp(name, x, functions[name](x)).max() > 2, name


def test_no_branch_one_division_and_no_call_but_fmuladd() -> None:
    for name in vector_math.FUNCTIONS:
        text = vector_math.definitions([name], 4)
        assert text.count(" fdiv ") <= 1 and " br " not in text and " fast " not in text
        assert text.count("call ") == text.count("@llvm.fmuladd.v4f64(")


def test_each_is_defined_once_and_declared_apart() -> None:
    text = vector_math.definitions(["tanh", "exp", "tanh"], 2)
    assert text.count("define ") == 2 and "declare" not in text
    assert vector_math.declarations(["tanh", "exp"], 2) == vector_math.declarations(["log"], 2)
    assert vector_math.declarations([], 2) == set() and vector_math.definitions([], 2) == ""


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match="no function 'sinh': there are exp, expm1"):
        vector_math.definitions(["sinh"], 4)
