"""Machine code from LLVM's language: compiled for the processor at hand, and kept on disk for the next time."""
from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tinygrad_course.compiler.polling import waited_for
from tinygrad_course.compiler.native import blas
from tinygrad_course.compiler.native.cache import CachedCode
from tinygrad_course.errors import InputError

MISSING = "llvmlite is not installed: pip install llvmlite"


def is_there() -> bool:
    """Whether llvmlite is installed; it is not loaded for that."""
    try:
        return find_spec("llvmlite") is not None
    except ValueError:  # what is in its place is no module
        return False


def llvm() -> Any:
    """llvmlite's binding, ready for this processor. Raises InputError where it is not installed."""
    with _loading:
        return _loaded()


@cache
def _loaded() -> Any:
    try:
        import llvmlite.binding as binding  # not llvmlite.ir, which takes as long again to import
    except ImportError:
        raise InputError(MISSING) from None
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    for name, address in blas.addresses().items():
        binding.add_symbol(name, address)
    lock = getattr(binding.ffi.lib, "_lock", None)
    if lock is not None:
        _free_in_children(lock)
    return binding


def _free_in_children(lock: Any) -> None:
    """A process that is forked while another thread holds a lock would wait for it for ever: so a fork waits for it."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=lock.__enter__, after_in_parent=lambda: lock.__exit__(None, None, None),
                            after_in_child=lambda: lock.__exit__(None, None, None))


_loading = threading.RLock()  # held while llvmlite is imported; its own lock comes with it
_free_in_children(_loading)


def versions() -> list[str]:
    """Of everything that makes code."""
    import llvmlite
    from tinygrad_course import __version__

    return [__version__, llvmlite.__version__, *map(str, llvm().llvm_version_info)]


@cache
def processor() -> tuple[str, str]:
    """The name of this processor and its features: only what it really has is used."""
    return llvm().get_host_cpu_name(), llvm().get_host_cpu_features().flatten()


def target_machine() -> Any:
    """LLVM's description of this processor; a new one for each engine, which owns it."""
    name, features = processor()
    return llvm().Target.from_default_triple().create_target_machine(cpu=name, features=features, opt=1, jit=True)


@cache
def lanes() -> int:
    """How many doubles fit into a vector register, at least two."""
    has = set(processor()[1].split(","))
    return 8 if "+avx512f" in has else 4 if "+avx2" in has or "+avx" in has else 2


class Machine:
    """A module of machine code. `address` finds its functions; they live as long as this object."""

    def __init__(self, text: str, folder: Path | None = None):
        """folder: where to keep the code; by default the user's cache. What cannot be kept is compiled every time."""
        # The names of BLAS functions in the text stand for addresses; how they are found is part of the package.
        key = hashlib.sha256("\n".join([*versions(), *processor(), text]).encode()).hexdigest()
        cached = CachedCode(folder, key)
        code = cached.read()
        self.was_cached = code is not None
        if code is None:
            code = waited_for(lambda: _object_code(text))
            cached.write(code)
        binding = llvm()
        self._engine = binding.create_mcjit_compiler(binding.parse_assembly(""), target_machine())
        self._engine.add_object_file(binding.ObjectFileRef.from_data(code))
        waited_for(self._engine.finalize_object)

    def address(self, name: str) -> int:
        return self._engine.get_function_address(name)  # type: ignore[no-any-return]


def _object_code(text: str) -> bytes:
    binding, machine = llvm(), target_machine()
    module = binding.parse_assembly(text)
    module.triple = machine.triple
    module.data_layout = str(machine.target_data)
    passes = binding.create_new_module_pass_manager()
    passes.add_always_inliner_pass()
    for add in _function_passes(passes):
        add()
    passes.run(module, binding.create_pass_builder(machine, binding.create_pipeline_tuning_options(2)))
    return machine.emit_object(module)  # type: ignore[no-any-return]


def _function_passes(passes: Any) -> list[Callable[[], None]]:
    """Few, as the text is already vectorised: variables into registers, then what is computed twice."""
    return [passes.add_sroa_pass, passes.add_instruction_combine_pass, passes.add_new_gvn_pass]
