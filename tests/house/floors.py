"""Who may import whom: the floors of the package and a checker that reads imports by `ast`."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

PACKAGE = "neural_automl"

# Floor to the parts on it. A part is what follows `neural_automl.`, a file or a folder.
FLOORS: dict[int, tuple[str, ...]] = {
    0: (
        "_forms",
        "_formulas",
        "_imports",
        "_keras_forms",
        "_layer_rows",
        "_lowering",
        "_plain",
        "_similarity",
        "_strides",
        "_torch_forms",
        "_version",
        "architecture",
        "canonical",
        "cost",
        "exceptions",
        "graph",
        "hyperparameters",
        "identity",
        "layers",
        "nas_operations",
        "parameters",
        "primitives",
        "values",
    ),
    1: ("_space_*", "architecture_space", "dsl", "space"),
    2: ("backends", "data", "evaluation", "export", "learning_curve", "zero_cost"),
    3: (
        "_earlier",
        "_fallbacks",
        "_options",
        "artifacts",
        "checkpoints",
        "early_stopping",
        "executor",
        "known_values",
        "objective",
        "prediction",
        "registry",
        "search_strategies",
        "studies",
        "tracking",
        "trials",
        "workers",
        "warm_start",
    ),
    4: (
        "engine",
        "estimators",
        "neural_dsl",
        "retraining",
        "search",
        "report",
        "utils",
    ),
    5: (
        "__main__",
        "cli",
        "commands",
    ),
}

# The sides: samplers and pruners that are useful without the rest. Only floor 3 and above use them.
SIDES = ("pruners", "samplers")
FLOOR_ABOVE_SIDES = 3
SIDES_MAY_IMPORT = (*SIDES, "exceptions")
SIDES_MAY_USE = {"numpy", "optuna", "scipy"}

# What the lowest floors may load beside the standard library.
LOW_FLOORS_MAY_USE: dict[int, set[str]] = {0: set(), 1: {"lark"}}

# On one floor, but only the other way round: text knows the space, the space knows no text.
NEVER_BESIDE = {("_space_*", "dsl"), ("architecture_space", "dsl"), ("space", "dsl")}

# Conveniences that reach up from inside a method: part, method, part that it calls.
LAZY = {
    ("architecture", "Architecture.build", "backends"),
    ("architecture", "Architecture.to_dsl", "dsl"),
    ("architecture", "Architecture.to_source", "backends"),
    ("architecture_space", "ArchitectureSpace.from_dsl", "dsl"),
    ("architecture_space", "ArchitectureSpace.to_dsl", "dsl"),
}


@dataclass(frozen=True)
class Import:
    """One imported module, where it stands and whether only type checkers see it."""

    module: str
    line: int
    scope: str = ""
    typing_only: bool = False

    @property
    def top(self) -> str:
        return self.module.partition(".")[0]

    @property
    def part(self) -> str:
        """The part of ours that is imported; empty for the package itself."""
        return self.module.removeprefix(PACKAGE).lstrip(".").partition(".")[0]


class _Reader(ast.NodeVisitor):
    def __init__(self) -> None:
        self.imports: list[Import] = []
        self._scope: list[str] = []
        self._typing_only = False

    def _add(self, module: str, line: int) -> None:
        self.imports.append(Import(module, line, ".".join(self._scope), self._typing_only))

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(alias.name, node.lineno)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.level:
            self._add("." * node.level + (node.module or ""), node.lineno)
        elif node.module == PACKAGE:
            for alias in node.names:
                self._add(f"{PACKAGE}.{alias.name}", node.lineno)
        else:
            self._add(node.module or "", node.lineno)

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
        if name in ("import_module", "__import__"):
            match node.args:
                case [ast.Constant(value=str(module)), *_]:
                    self._add(module, node.lineno)
        self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        if ast.unparse(node.test) not in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            self.generic_visit(node)
            return
        before, self._typing_only = self._typing_only, True
        for child in node.body:
            self.visit(child)
        self._typing_only = before
        for child in node.orelse:
            self.visit(child)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._visit_inside(node.name, node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._visit_inside(node.name, node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._visit_inside(node.name, node)

    def _visit_inside(self, name: str, node: ast.AST) -> None:
        self._scope.append(name)
        self.generic_visit(node)
        self._scope.pop()


def read_imports(source: str) -> list[Import]:
    """Every import of a file, also those inside functions, in source order."""
    reader = _Reader()
    reader.visit(ast.parse(source))
    return reader.imports


def floor_of(part: str) -> int | None:
    """The floor of a part, or None if it is on no floor."""
    for floor, patterns in FLOORS.items():
        if any(fnmatchcase(part, pattern) for pattern in patterns):
            return floor
    return None


def violations(module: str, source: str) -> list[str]:
    """What is wrong with the imports of one file, one line each."""
    part = Import(module, 0).part
    if part == "":
        return []  # the package's own __init__ is the facade: it names parts of every floor
    imports = read_imports(source)
    if part in SIDES:
        found = _of_side(imports)
    elif (floor := floor_of(part)) is not None:
        found = _of_floor(part, floor, imports)
    else:
        return [f"{module}: is on no floor"]
    return [f"{module}:{line}: {text}" for line, text in found]


def _of_side(imports: list[Import]) -> Iterator[tuple[int, str]]:
    for found in imports:
        if found.top == PACKAGE:
            if found.part not in SIDES_MAY_IMPORT:
                yield found.line, f"a sampler or pruner imports {found.module}"
        elif not _is_standard(found.top) and found.top not in SIDES_MAY_USE:
            yield found.line, f"a sampler or pruner imports {found.module or 'a relative module'}"


def _of_floor(part: str, floor: int, imports: list[Import]) -> Iterator[tuple[int, str]]:
    for found in imports:
        if found.top == PACKAGE:
            if (part, found.scope, found.part) not in LAZY:
                for text in _of_ours(part, floor, found):
                    yield found.line, text
        elif found.top == "":
            yield found.line, f"relative import {found.module}"
        elif not found.typing_only and not _may_use(floor, found.top):
            yield found.line, f"floor {floor} loads {found.module}"


def _of_ours(part: str, floor: int, found: Import) -> Iterator[str]:
    if found.part in (part, "__version__"):
        return
    if found.part in SIDES:
        if floor < FLOOR_ABOVE_SIDES:
            yield f"floor {floor} imports {found.module}"
        return
    other = floor_of(found.part)
    if other is None:
        yield f"imports {found.module}, which is no part; import the part that defines it"
    elif other > floor:
        yield f"floor {floor} imports {found.module} of floor {other}"
    elif any(
        fnmatchcase(part, upper) and fnmatchcase(found.part, lower) for upper, lower in NEVER_BESIDE
    ):
        yield f"{part} imports {found.module}, which stands on it"


def _may_use(floor: int, top: str) -> bool:
    if floor not in LOW_FLOORS_MAY_USE:
        return True
    return _is_standard(top) or top in LOW_FLOORS_MAY_USE[floor]


def _is_standard(top: str) -> bool:
    return top in sys.stdlib_module_names
