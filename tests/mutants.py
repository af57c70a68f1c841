"""Are faults in commands noticed? Takes one call statement at a time out of a random command, in a copy of the tree,
runs the tests that name the command, and says which of the faults they noticed.

`make mutants N=40 SEED=7`; `OF=end_visit,touch_session` takes every call out of these commands instead.
"""

from __future__ import annotations

import ast
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = ("app/**/commands.py", "app/**/commands/**/*.py")
# Without these only a session's memory or a screen that is open just now differs.
EXCEPTED = {"flush", "expunge", "expunge_all", "expire", "publish"}
QUICK = "not slow and not browser and not real and not soak and not audit"
LIMIT = 900  # seconds; a fault that makes tests wait for ever is noticed


@dataclass(frozen=True)
class Fault:
    """A call statement that is taken out of a command."""

    path: str
    command: str
    call: ast.Expr

    def __str__(self) -> str:
        words = " ".join(ast.unparse(self.call).split())
        return f"{self.path}:{self.call.lineno} {self.command}: {words if len(words) < 70 else words[:69] + '…'}"

    def put_into(self, source: str) -> str:
        """The source with `pass` in place of the call. Columns count bytes."""
        lines = source.encode().splitlines(keepends=True)
        first, last = self.call.lineno - 1, (self.call.end_lineno or self.call.lineno) - 1
        changed = lines[first][: self.call.col_offset] + b"pass" + lines[last][self.call.end_col_offset :]
        return b"".join([*lines[:first], changed, *lines[last + 1 :]]).decode()


def faults_in(path: str, source: str) -> Iterator[Fault]:
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and is_command(node):
            for part in ast.walk(node):
                if isinstance(part, ast.Expr) and _called(part.value) not in (None, *EXCEPTED):
                    yield Fault(path, node.name, part)


def is_command(node: ast.FunctionDef) -> bool:
    """Others call it, and it takes an actor or asks whether one may."""
    takes = any(argument.arg == "by" for argument in (*node.args.args, *node.args.kwonlyargs))
    asks = any(isinstance(part, ast.Name) and part.id == "authorize" for part in ast.walk(node))
    return (takes or asks) and not node.name.startswith("_")


def _called(said: ast.expr) -> str | None:
    """The last name of what is called; nothing where nothing is."""
    return ast.unparse(said.func).rpartition(".")[2] if isinstance(said, ast.Call) else None


def chosen(faults: Sequence[Fault], number: int, seed: int) -> list[Fault]:
    """A command at random, then one of its calls, so that long commands do not count for more; none twice."""
    dice, left = random.Random(seed), list(faults)
    picked: list[Fault] = []
    while left and len(picked) < number:
        path, command = dice.choice(sorted({(fault.path, fault.command) for fault in left}))
        picked.append(dice.choice([fault for fault in left if (fault.path, fault.command) == (path, command)]))
        left.remove(picked[-1])
    return picked


def reaching_tests(fault: Fault, root: Path = ROOT) -> list[str]:
    """The tests that name the command: those of its own room first."""
    word, room = re.compile(rf"\b{fault.command}\b"), fault.path.split("/")[1]
    files = sorted(root.glob("tests/**/test_*.py"), key=lambda path: (path.parts[-2] != room, path))
    return [test for path in files for test in _tests_in(path, root, word)]


def _tests_in(path: Path, root: Path, word: re.Pattern[str]) -> list[str]:
    """Those that name it or one of the module's own functions and fixtures that does; where a value does, the file."""
    source, where = path.read_text(), str(path.relative_to(root))
    if not word.search(source):
        return []
    tree = ast.parse(source).body
    parts = [node for node in tree if not isinstance(node, ast.Import | ast.ImportFrom)]
    text = {id(node): ast.unparse(node) for node in parts}  # with its decorators, which may name it among parameters
    aliases = {
        each.asname for node in tree if isinstance(node, ast.ImportFrom) for each in node.names
        if each.asname and word.fullmatch(each.name)
    }
    functions = [node for node in parts if isinstance(node, ast.FunctionDef)]
    reaching, before = {word.pattern, *(rf"\b{alias}\b" for alias in aliases)}, 0
    if any(re.search("|".join(reaching), text[id(node)]) for node in parts if node not in functions):
        return [where]
    while len(reaching) > before:
        before = len(reaching)
        names = re.compile("|".join(sorted(reaching)))
        reaching |= {rf"\b{node.name}\b" for node in functions if names.search(text[id(node)])}
    tests = [node.name for node in functions if node.name.startswith("test_") and rf"\b{node.name}\b" in reaching]
    return [f"{where}::{name}" for name in tests]


def copied(to: Path) -> Path:
    """The tracked files, and those not yet added: never the checkout itself is changed."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, to / name)
    return to


def verdict(fault: Fault, tree: Path) -> str:
    """`noticed` with the first test that failed, `not noticed`, or `not tried`."""
    tests = reaching_tests(fault)
    if not tests:
        return "not noticed (named by no test)"
    services = os.environ.get("FIRMAMENT_TEST_VAR") or str(ROOT / "var" / "test")
    said = [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", "-p", "no:cacheprovider", "-m", QUICK, *tests]
    kept = (tree / fault.path).read_text()
    (tree / fault.path).write_text(fault.put_into(kept))
    try:
        done = subprocess.run(
            said, cwd=tree, capture_output=True, text=True, timeout=LIMIT,
            env=os.environ | {"PYTHONPATH": str(tree), "FIRMAMENT_TEST_VAR": services, "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return "noticed (never came to an end)"
    finally:
        (tree / fault.path).write_text(kept)
    failed = re.search(r"^(?:FAILED|ERROR) \S+::(\w+)", done.stdout, re.MULTILINE)
    if done.returncode in (0, 5):
        return f"not noticed ({len(tests)} named)"
    return f"noticed ({failed[1]})" if failed else f"not tried: {(done.stdout + done.stderr).strip()[-300:]}"


def main() -> int:
    number, seed = int(os.environ.get("N") or 40), int(os.environ.get("SEED") or time.time())
    everything = [
        fault
        for path in sorted({path for pattern in COMMANDS for path in ROOT.glob(pattern)})
        for fault in faults_in(str(path.relative_to(ROOT)), path.read_text())
    ]
    only = {name for name in os.environ.get("OF", "").split(",") if name}
    faults = [fault for fault in everything if fault.command in only] if only else chosen(everything, number, seed)
    print(f"{len(faults)} of {len(everything)} faults, seed {seed}", flush=True)
    verdicts = []
    with tempfile.TemporaryDirectory(prefix="firmament-mutants-") as folder:
        tree = copied(Path(folder))
        for fault in faults:
            verdicts.append(verdict(fault, tree))
            print(f"{fault}\n    {verdicts[-1]}", flush=True)
    noticed = sum(said.startswith("noticed") for said in verdicts)
    tried = sum(not said.startswith("not tried") for said in verdicts)
    print(f"noticed: {noticed} of {tried}" + (f", {noticed / tried:.0%}" if tried else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
