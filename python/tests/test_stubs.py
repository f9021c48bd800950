"""The stubs say what the module has, and the examples in docstrings do what they say."""

from __future__ import annotations

import doctest
import inspect
import subprocess
import sys
from pathlib import Path

import gapless
import gapless._gapless
import pytest
from samples import TICKS

PACKAGE = Path(gapless.__file__).parent
CONFIG = str(Path(__file__).parents[1] / "pyproject.toml")
ALLOWED = str(Path(__file__).with_name("stubtest-allowlist.txt"))


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """A folder with the package and nothing else: mypy takes what lies beside it for its own."""
    (tmp_path / "gapless").symlink_to(PACKAGE)
    return tmp_path


def test_stubs_and_module_agree(beside):
    checked = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "gapless", "--concise", "--mypy-config-file", CONFIG, "--allowlist", ALLOWED],
        cwd=beside,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_package_itself_is_typed(beside):
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", CONFIG, "-p", "gapless"],
        cwd=beside,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def documented():
    """Everything that has a docstring with an example."""
    found = [("gapless", gapless)]
    for name, value in vars(gapless._gapless).items():
        if name.startswith("__"):
            continue
        found.append((name, value))
        if inspect.isclass(value):
            found.extend((f"{name}.{member}", what) for member, what in vars(value).items() if not member.startswith("__"))
    return [(name, value) for name, value in found if ">>>" in (getattr(value, "__doc__", None) or "")]


@pytest.mark.parametrize(("name", "value"), documented(), ids=lambda value: value if isinstance(value, str) else "")
def test_examples_do_what_they_say(tmp_path, name, value):
    with gapless.open(tmp_path / "market.db") as db:
        names = {
            "gapless": gapless,
            "path": tmp_path / "other.db",
            "db": db,
            "table": db.create_table("trade", TICKS, time="ts", series="sym"),
        }
        example = doctest.DocTestParser().get_doctest(value.__doc__, names, name, None, None)
        report = []
        result = doctest.DocTestRunner().run(example, out=report.append)
    assert result.attempted > 0
    assert result.failed == 0, "".join(report)


def test_everything_public_is_documented():
    for name, value in vars(gapless._gapless).items():
        if not name.startswith("__"):
            assert value.__doc__, name
            for member, what in vars(value).items() if inspect.isclass(value) else ():
                if not member.startswith("__"):
                    assert what.__doc__, f"{name}.{member}"
    assert len(documented()) > 5
    for name in gapless.__all__:
        assert hasattr(gapless, name), name
