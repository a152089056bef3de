"""The source itself: modules and packages form layers."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter

import pytest

from tests.conftest import REPOSITORY


def imports_of(node: ast.AST, at_import: bool) -> Iterator[str]:
    """What code imports; `at_import` leaves out what functions and type checkers import."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (name.name for name in child.names)
        elif isinstance(child, ast.ImportFrom) and child.module:
            yield from (f"{child.module}.{name.name}" for name in child.names)
        elif not (at_import and (isinstance(child, ast.FunctionDef) or is_left_out(child))):
            yield from imports_of(child, at_import)


def is_left_out(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).startswith(("TYPE_CHECKING", "__name__"))


def modules(package: str, at_import: bool = True) -> dict[str, set[str]]:
    """What each module of a package imports of this project."""
    found = {}
    for file in (REPOSITORY / package).rglob("*.py"):
        name = ".".join(file.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")
        names = imports_of(ast.parse(file.read_text()), at_import)
        found[name] = {one for one in names if one.startswith(("nas", "search_spaces"))}
    return found


def layer_of(name: str) -> str:
    """The package or module directly under nas that a module is of; of search_spaces the package."""
    return ".".join(name.split(".")[:2]) if name.startswith("nas") else "search_spaces"


def test_packages_form_layers() -> None:
    """None imports at import a package that imports its own."""
    layers: dict[str, set[str]] = {}
    for name, found in modules("nas").items():
        own = layer_of(name)
        layers.setdefault(own, set()).update(set(map(layer_of, found)) - {own, "nas"})
    assert len(layers) > 20
    TopologicalSorter(layers).prepare()  # its error names the circle


@pytest.mark.parametrize("package", ["nas", "search_spaces"])
def test_no_modules_import_each_other(package: str) -> None:
    graph = modules(package)
    for name, found in graph.items():
        graph[name] = {one if one in graph else one.rpartition(".")[0] for one in found} - {name, package}
    TopologicalSorter(graph).prepare()


def test_search_spaces_never_import_nas() -> None:
    for name, found in modules("search_spaces", at_import=False).items():
        assert not [one for one in found if one.startswith("nas")], name
