"""The structure of the house, proved: floors, sizes, words."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "newsletter").rglob("*.py"))


def test_imports_run_downwards() -> None:
    linter = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([linter], cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_files_and_functions_stay_small(file: Path) -> None:
    source = file.read_text("utf-8")
    assert len(source.splitlines()) <= 350
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
            assert node.end_lineno - node.lineno < 45, node.name


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_public_names_are_explained(file: Path) -> None:
    tree = ast.parse(file.read_text("utf-8"))
    if file.name != "__init__.py" or tree.body:
        assert ast.get_docstring(tree), "the first line says what the room is for"
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), node.name


def test_no_room_called_utils() -> None:
    names = {file.stem for file in FILES} | {file.parent.name for file in FILES}
    assert not names & {"utils", "util", "helpers", "common", "misc"}


def test_top_level_is_fixed() -> None:
    done = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=20
    )
    top = {line.split("/")[0] for line in done.stdout.splitlines()}
    fixed = {"newsletter", "content", "templates", "migrations", "tests", "docs", "deploy"}
    files = {"config.py", "wsgi.py", "pyproject.toml", "Makefile", "LICENSE", "README.md"}
    papers = {"CONTRIBUTING.md", "ARCHITECTURE.md", "CHANGELOG.md", "SECURITY.md"}
    locks = {"requirements.lock", "requirements-dev.lock", ".ci", ".gitignore"}
    assert top <= fixed | files | papers | locks


def test_lock_files_carry_no_addresses() -> None:
    for lock in ROOT.glob("requirements*.lock"):
        assert "://" not in lock.read_text("utf-8")
