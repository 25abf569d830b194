"""Explainers of other packages: found by name, and told when they are broken."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

from tests.command import Command, call, child_environment

EXAMPLE = Path(__file__).parents[1] / "third_party"
GROUP = "neuron_simulator_benchmark.explainers"


def install(folder: Path, distribution_name: str, modules: dict[str, str], **points: str) -> None:
    """What pip leaves in site-packages: modules, and a folder that says what they offer."""
    about = folder / f"{distribution_name}-0.1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution_name}\n")
    lines = "\n".join(f"{name} = {value}" for name, value in points.items())
    (about / "entry_points.txt").write_text(f"[{GROUP}]\n{lines}\n")
    for name, text in modules.items():
        (folder / name).write_text(text)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path, empty so far."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def example(site: Path) -> Path:
    text = (EXAMPLE / "example_explainer.py").read_text(encoding="utf-8")
    install(
        site, "example_explainer", {"example_explainer.py": text}, one_token=entry_of_the_example()
    )
    return site


def entry_of_the_example() -> str:
    tomllib = pytest.importorskip("tomllib")  # Python 3.11
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project["entry-points"][GROUP]["one_token"]


def listed() -> tuple[dict[str, dict], str]:
    answer = call("list", "explainers", "--json")
    assert answer.status == 0
    return {row["name"]: row for row in json.loads(answer.out)}, answer.err


def give_it_an_option(example: Path) -> None:
    code = example / "example_explainer.py"
    option = "    def __init__(self, share=0.2):\n        self.share = share\n\n"
    method = "    def explain_neuron"
    code.write_text(code.read_text("utf-8").replace(method, option + method), "utf-8")


def test_the_options_of_a_plugin_are_those_of_its_class(example: Path) -> None:
    give_it_an_option(example)
    (row,) = json.loads(call("list", "explainers", "one_token", "--json").out)
    assert {option["key"] for option in row["options"]} >= {"explainer.share"}
    out = call("list", "explainers", "one_token").out
    assert "class example_explainer.OneToken" in out
    assert all(option["default"] in out for option in row["options"])


def test_a_plugin_whose_options_cannot_be_shown_is_listed_all_the_same(site: Path) -> None:
    text = """
class Odd:
    def __repr__(self):
        raise RuntimeError("no")

class E:
    '''An explainer.'''
    def __init__(self, a=Odd(), b="\x1b[31m" * 100): ...
"""
    install(site, "odd", {"odd_options.py": text}, odd="odd_options:E")
    answer = call("list", "explainers", "odd")
    assert answer.status == 0
    assert "no options" in answer.out
    assert "\x1b" not in answer.out


def test_the_example_is_listed_and_run_by_name(example: Path, command: Command) -> None:
    give_it_an_option(example)
    rows, err = listed()
    assert err == ""
    assert rows["one_token"]["target"] == "example_explainer.OneToken"
    assert rows["one_token"]["description"] == (
        "A neuron fires on one token, the commonest anchor of its exemplars"
    )
    run = command.finished("explainer=one_token", "explainer.share=0.1")
    assert run.record.explainer.name == "one_token"
    assert run.record.explainer.target == "example_explainer.OneToken"
    assert run.record.explainer.options["share"] == 0.1
    assert run.record.neurons.explained > 0
    shown = call("show", str(run.folder), ".".join(map(str, run.scores.neurons()[0])))
    assert shown.status == 0


def test_the_example_keeps_to_the_interface(example: Path) -> None:
    answer = call("check", "explainer=one_token", "model=planted")
    assert answer.status == 0, answer.out
    assert answer.err == ""
    assert "explainer one_token on neurons of subject planted" in answer.out
    assert answer.out.endswith("no check failed\n")


@pytest.mark.slow
def test_the_example_is_a_package_that_pip_installs(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "site"
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation"]
    command += ["--no-index", "--quiet", "--target", str(target), str(source)]
    built = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if built.returncode and ("setuptools" in built.stderr or "named pip" in built.stderr):
        pytest.skip(f"pip and setuptools here build no wheel: {built.stderr.strip()[-200:]}")
    assert built.returncode == 0, built.stderr
    environment = child_environment()
    environment["PYTHONPATH"] += f":{target}"
    result = subprocess.run(
        [sys.executable, "-m", "benchmark", "list", "explainers"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert "  one_token     A neuron fires on one token" in result.stdout
    assert result.stderr == ""


BROKEN = {
    "raises": ("raise RuntimeError('no\\nluck')\n", "RuntimeError: no luck"),
    "interrupts": ("raise KeyboardInterrupt\n", "KeyboardInterrupt (it would have ended"),
    "exits": ("import sys\nsys.exit(3)\n", "SystemExit: 3"),
    "lacks": ("import nowhere_to_be_found\n", "ModuleNotFoundError: No module named 'nowhere"),
    "misspelt": ("def Class(:\n", "SyntaxError: "),
}


@pytest.mark.parametrize("name", list(BROKEN))
def test_one_that_cannot_be_imported_is_named_and_left_out(
    name: str, example: Path, command: Command
) -> None:
    text, reason = BROKEN[name]
    install(example, f"dist_{name}", {f"module_{name}.py": text}, **{name: f"module_{name}:Class"})
    rows, err = listed()
    assert name not in rows
    assert {"one_token", "n2g", "zero"} <= set(rows)
    (line,) = err.splitlines()
    assert line.startswith(
        f"warning: explainer '{name}' is left out: plug-in module_{name}.Class cannot be imported: "
    )
    assert reason in line
    everything = call("list")
    assert everything.status == 0
    assert line in everything.err
    for verb in (command.run, lambda *words: call("check", *words)):
        message = verb(f"explainer={name}").message
        assert f"explainer '{name}' (module_{name}.Class)" in message
        assert reason in message
    assert command.run("explainer=one_token").status == 0


def test_one_without_its_class(example: Path, command: Command) -> None:
    install(example, "empty", {"empty_module.py": ""}, empty="empty_module:Class")
    rows, err = listed()
    assert "empty" not in rows
    assert "'empty' is left out: plug-in empty_module.Class cannot be imported: Attribute" in err
    message = command.run("explainer=empty").message
    assert (
        message == "explainer 'empty' (empty_module.Class): module 'empty_module' has no 'Class'."
    )


def test_names_that_are_taken_or_cannot_be_typed(example: Path) -> None:
    install(example, "second", {}, n2g="example_explainer:OneToken")
    install(example, "third", {}, one_token="a_module:Class")
    install(example, "fourth", {}, **{"two words": "example_explainer:OneToken"})
    rows, err = listed()
    assert rows["n2g"]["target"] == "explainers.n2g.N2G"
    assert "two words" not in rows
    lines = err.splitlines()
    assert "'n2g' is left out: plug-in example_explainer.OneToken: an explainer of the" in lines[0]
    assert lines[0].endswith("use explainer._target_=example_explainer.OneToken")
    assert "plug-in a_module.Class has the same name" in " ".join(lines)
    assert "'two words' is left out" in lines[-1]


@pytest.mark.parametrize("value", ["!!!", "", "module", "a b:c", "module:", ":Class", "1:2"])
def test_an_entry_point_of_nonsense_is_named_and_skipped(value: str, example: Path) -> None:
    install(example, "nonsense", {}, odd=value)
    rows, err = listed()
    assert "odd" not in rows
    assert {"one_token", "n2g"} <= set(rows)
    (line,) = err.splitlines()
    assert "explainer 'odd' is left out: its entry point" in line
    assert "is not module:Class" in line
    message = call("run", "explainer=odd", "--dry-run").message
    assert "explainer 'odd' is not known" in message


def test_entry_points_that_cannot_be_decoded_are_named(example: Path) -> None:
    install(example, "latin", {})
    (example / "latin-0.1.dist-info" / "entry_points.txt").write_bytes(
        f"[{GROUP}]\nü = a:b\n".encode("latin-1")
    )
    rows, err = listed()
    assert {"one_token", "n2g"} <= set(rows)
    (line,) = err.splitlines()
    assert line.startswith(
        "warning: the entry points of the installed package 'latin' cannot be read: UnicodeDecode"
    )
    assert call("check", "explainer=nowhere").message.startswith("explainer 'nowhere' is not known")


def test_a_docstring_does_not_act_on_the_terminal(site: Path) -> None:
    text = 'class Odd:\n    """\x1b]0;title\x07 \u202e of a neuron"""\n'
    install(site, "acting", {"acting_module.py": text}, acting="acting_module:Odd")
    answer = call("list", "explainers")
    assert r"\x1b]0;title\x07 \u202e of a neuron" in answer.out
    assert "\x1b" not in answer.out
    assert listed()[0]["acting"]["description"] == "\x1b]0;title\x07 \u202e of a neuron"


def test_what_a_plug_in_prints_is_no_part_of_the_list(site: Path) -> None:
    text = '"""."""\nprint("hello")\nclass Loud:\n    pass\n'
    install(site, "loud", {"loud_module.py": text}, loud="loud_module:Loud")
    rows, err = listed()
    assert rows["loud"]["description"] == "plug-in loud_module.Loud"
    assert err == "hello\n"


def test_the_benchmark_itself_has_no_plug_ins() -> None:
    points = distribution("neuron-simulator-benchmark").entry_points
    assert not [point for point in points if point.group == GROUP]


def test_entry_points_that_cannot_be_decoded_are_no_stack_trace(
    example: Path, command: Command
) -> None:
    """Libraries read them too while they are imported, so this takes a process of its own."""
    install(example, "latin", {})
    (example / "latin-0.1.dist-info" / "entry_points.txt").write_bytes(b"[any]\n\xfc = a:b\n")
    environment = child_environment()
    environment["PYTHONPATH"] += f":{example}"
    found = subprocess.run(
        command.subprocess("explainer=zero", "dry_run=true"),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    (line,) = found.stderr.splitlines()
    assert found.returncode == 1
    assert line.startswith("error: the entry points of the installed package 'latin' cannot be re")
