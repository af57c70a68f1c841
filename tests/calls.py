"""Who calls whom in the product, read from its source: what a function names, and through it everything it may reach.

It reaches too far rather than not far enough. A function reaches each function, class and variable of the product that
it names; a class its methods; a variable what stands beside it; and the variable in which a decorator keeps functions,
each of them. What is called on a row by its name alone (`row.move_to()`) is not followed: rows talk to nobody.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
# Libraries that speak to somebody else's process.
OUTSIDE = {"boto3", "smtplib", "http.client", "urllib.request", "socket", "requests", "httpx", "urllib3", "ftplib"}
# What only asks for work later or to be told of, and the parent's side of reading in a process of its own.
LATER = {"app.core.queue"}
Graph = dict[str, set[str]]


@cache
def graph() -> Graph:
    """Every name of the product to the names that it reaches directly; libraries by their own names."""
    calls: Graph = defaultdict(set)
    kept_by: dict[str, str] = {}
    trees = {_module(path): ast.parse(path.read_text()) for path in ROOT.glob("app/**/*.py")}
    packages = {_module(path) for path in ROOT.glob("app/**/__init__.py")}
    for module, tree in trees.items():
        known = _imports(module, tree, trees, packages)
        own = {name for node in tree.body for name in _defines(node)}
        known |= {name: f"{module}.{name}" for name in own}
        for node in tree.body:
            for name in _defines(node):
                calls[f"{module}.{name}"] |= _named(node, known)
            if isinstance(node, ast.FunctionDef):
                for decorator in node.decorator_list:
                    if isinstance(decorator, ast.Call | ast.Name):
                        called = decorator.func if isinstance(decorator, ast.Call) else decorator
                        if isinstance(called, ast.Name) and called.id in known:
                            kept_by[f"{module}.{node.name}"] = known[called.id]
    for function, decorator in kept_by.items():
        calls[function].discard(decorator)
        for variable in [name for name in calls[decorator] if name.rpartition(".")[2].startswith("_")]:
            calls[variable].add(function)
    return calls


def reaches(start: str, calls: Graph) -> dict[str, str]:
    """Everything that is reached from a name, each with the name before it on a shortest way."""
    before = {start: ""}
    front = [start]
    while front:
        found = []
        for name in front:
            for following in sorted(calls.get(name, ())):
                if following not in before and following.rpartition(".")[0] not in LATER:
                    before[following] = name
                    found.append(following)
        front = found
    return before


def way_out(start: str, calls: Graph) -> list[str]:
    """The names from a function to a library that speaks to somebody outside; empty where it speaks to nobody."""
    before = reaches(start, calls)
    for name in before:
        if name in OUTSIDE or name.rpartition(".")[0] in OUTSIDE:
            way = [name]
            while before[way[-1]]:
                way.append(before[way[-1]])
            return way[::-1]
    return []


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _imports(module: str, tree: ast.Module, trees: dict[str, ast.Module], packages: set[str]) -> dict[str, str]:
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                known[(alias.asname or alias.name).split(".")[0]] = alias.name
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                known[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    # A name that a package only hands on is the one that it hands on.
    for name, target in known.items():
        home, _, last = target.rpartition(".")
        if home in packages and target not in trees:
            for node in trees[home].body:
                if isinstance(node, ast.ImportFrom) and any(last == (a.asname or a.name) for a in node.names):
                    known[name] = f"{node.module}.{last}"
    return known


def _defines(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    return []


def _named(node: ast.AST, known: dict[str, str]) -> set[str]:
    """What is named inside, but in annotations: `name`, and `module.name` of a module that is known."""
    found: set[str] = set()
    for part in _without_annotations(node):
        if isinstance(part, ast.Name) and part.id in known:
            found.add(known[part.id])
        elif isinstance(part, ast.Attribute):
            base = _dotted(part.value)
            if base and base.split(".")[0] in known:
                found.add(".".join([known[base.split(".")[0]], *base.split(".")[1:], part.attr]))
    return found


def _without_annotations(node: ast.AST) -> list[ast.AST]:
    parts = [node]
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                parts += _without_annotations(child)
    return parts


def _dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    base = _dotted(node.value) if isinstance(node, ast.Attribute) else ""
    return f"{base}.{node.attr}" if isinstance(node, ast.Attribute) and base else ""
