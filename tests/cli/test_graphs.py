"""`show --graph`, `search` and `similar` on neurons whose rules are known."""

from __future__ import annotations

import random
from pathlib import Path
from xml.etree import ElementTree

import pytest

import benchmark.graphs.files
from benchmark.graphs import NeuronGraph, Node, Pattern
from benchmark.results import Run, find_runs, load_run
from benchmark.subject.planted import RULES
from tests.command import Command, call
from tests.runs.methods import Constant, Method

SIZES = (
    "context_length=24",
    "contexts.explain=1200",
    "contexts.sample=50",
    "contexts.held_out=60",
    "contexts.uniform=50",
    "contexts.top=4",
    "contexts.exemplars=30",
    "bootstrap.resamples=50",
    "device=cpu",
)


def rules(*names: str) -> set[str]:
    """The neurons of the planted subject that follow such rules."""
    return {f"0.{number}" for number, rule in enumerate(RULES) if rule.name in names}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of n2g on the planted subject."""
    folder = tmp_path_factory.mktemp("graphs")
    (folder / "texts").mkdir()
    rng = random.Random(0)
    words = [word for rule in RULES for word in rule.words]
    for number in range(400):
        text = " ".join(rng.choices(words, k=rng.randint(8, 160)))
        (folder / "texts" / f"{number}.txt").write_text(text)
    answer = call(
        "run", "explainer=n2g", "model=planted", "dataset=text", f"dataset.path={folder}/texts",
        *SIZES, f"results_dir={folder}/results", f"cache_dir={folder}/cache",
    )  # fmt: skip
    assert answer.status == 0, answer.err
    (found,) = find_runs([folder / "results"])
    return load_run(found)


def neurons(out: str) -> list[str]:
    """The neurons that a table lists, from its first column."""
    lines = [line.split() for line in out.splitlines()]
    return [line[0] for line in lines if line and line[0].startswith("0.")]


def test_a_graph_is_drawn_beside_the_run(run: Run) -> None:
    plain = call("show", str(run.folder), "0.6")
    answer = call("show", str(run.folder), "0.6", "--graph")
    assert answer.status == 0, answer.err
    files = [run.folder / "graphs" / f"0.6{ending}" for ending in (".svg", ".png")]
    assert answer.out == plain.out + "".join(f"graph  {path}\n" for path in files)
    svg = ElementTree.fromstring(files[0].read_text(encoding="utf-8"))
    texts = ["".join(each.itertext()) for each in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert "neuron 0.6 of planted, n2g" in texts
    assert {"is", "None", "in", "the", "1.00"} <= set(texts)
    assert files[1].read_bytes().startswith(b"\x89PNG")
    assert call("show", str(run.folder)).status == 0  # the run is as it was


def test_where_it_is_drawn_can_be_said(run: Run, tmp_path: Path) -> None:
    folder = str(run.folder)

    def drawn(*words: str) -> list[str]:
        answer = call("show", *words)
        assert answer.status == 0, answer.err
        named = [
            line.removeprefix("graph  ") for line in answer.out.splitlines() if "graph  " in line
        ]
        assert all(Path(path).is_file() for path in named)
        return [str(Path(path).relative_to(tmp_path)) for path in named]

    new = str(tmp_path / "a" / "b")
    assert drawn(folder, "0.0", "--graph", new) == ["a/b/0.0.svg", "a/b/0.0.png"]
    assert drawn(folder, "0.0", f"--graph={new}", "--dot")[2:] == ["a/b/0.0.dot"]
    assert drawn(folder, "--graph", new, "0.1") == ["a/b/0.1.svg", "a/b/0.1.png"]
    for ending in ("svg", "png", "dot"):
        assert drawn(folder, "0.0", "--graph", str(tmp_path / f"x.{ending}")) == [f"x.{ending}"]
    assert drawn(folder, "0.0", "--graph", str(tmp_path / "y.svg"), "--dot") == ["y.svg", "y.dot"]
    assert (tmp_path / "y.dot").read_text().startswith("digraph")
    (tmp_path / "odd.svg").mkdir()
    assert drawn(folder, "0.0", "--graph", str(tmp_path / "odd.svg"))[0] == "odd.svg/0.0.svg"


def test_a_failure_to_draw_loses_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> bytes:
        raise RuntimeError("no font")

    plain = call("show", str(run.folder), "0.6").out
    monkeypatch.setattr(benchmark.graphs.files, "to_png", broken)
    answer = call("show", str(run.folder), "0.6", "--graph", str(tmp_path / "x"), "--dot")
    assert answer.status == 1
    assert answer.out.startswith(plain)
    assert "0.6.png' could not be drawn: RuntimeError: no font" in answer.message
    assert sorted(path.name for path in (tmp_path / "x").iterdir()) == ["0.6.dot", "0.6.svg"]
    (tmp_path / "file").write_text("mine")
    answer = call("show", str(run.folder), "0.6", "--graph", str(tmp_path / "file" / "x"))
    assert answer.out == plain
    assert "a part of the path is a file" in answer.message


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (
            ("0.6", "--graph", "x.pdf"),
            "a graph is written as .svg, .png, .dot, not as .pdf: 'x.pdf'.",
        ),
        (("--graph",), "a graph is of one neuron: show <run> <layer>.<neuron> --graph."),
        (("0.6", "--grph"), "option of show '--grph' is not known; did you mean '--graph'?"),
        (("0.6", "--graph="), "--graph= names no file or folder."),
        (("0.6", "0.7", "--dot"), "show takes a run and perhaps a neuron"),
        (("0.99", "--graph"), "has no layer 0, neuron 99"),
    ],
)
def test_what_cannot_be_drawn_is_refused(run: Run, words: tuple[str, ...], part: str) -> None:
    assert part in call("show", str(run.folder), *words).message


def test_a_search_finds_the_planted_rules(run: Run) -> None:
    def found(*words: str) -> set[str]:
        answer = call("search", str(run.folder), *words)
        assert answer.status == 0, answer.err
        listed = neurons(answer.out)
        assert answer.out.splitlines()[-1] == f"{len(listed)} of {len(RULES)} neurons"
        return set(listed)

    assert found("the", "--as", "activating") == {"0.1", "0.3", "0.6", "0.12"}
    assert found("of", "--as", "context") == {"0.3"}
    assert found("of", "--as", "activating") == set()
    assert found("import") == {"0.10"}
    assert found("[start]", "--as", "context") == rules("a token only at the start of a context")
    both = ("the", "--as", "activating", "in", "--as=context")
    assert found(*both) == found(*both, "--combine", "pattern") == {"0.6"}
    apart = ("None", "--as", "activating", "in", "--as", "context")
    assert found(*apart) == {"0.6"}
    assert found(*apart, "--combine=pattern") == set()
    assert found("import", "of", "--combine", "or") == {"0.3", "0.10"}
    assert found("nothing") == set()
    assert found("RETURN") == set()
    assert found("RETURN", "--ignore-case") == {"0.0"}
    assert found("retu", "--contains") == {"0.0"}


def test_a_search_for_what_is_not_there_says_so(run: Run) -> None:
    lines = call("search", str(run.folder), "is None", "the", "of", "--as", "activating").out
    assert lines.splitlines() == [
        "no graph holds 'is None'",
        "no graph holds 'of' as activating",
        "a term is one whole token; --contains finds parts of tokens",
        f"0 of {len(RULES)} neurons",
    ]


def test_lists_of_repeats_and_of_parts(run: Run) -> None:
    answer = call("search", str(run.folder), "--repeats")
    listed = set(neurons(answer.out))
    assert listed >= rules("a repeated token")
    assert listed >= {"0.4", "0.5"}  # a quote within three after a quote
    assert "import … ‹import›" in answer.out or "import ‹import›" in answer.out
    assert not listed & rules("one token", "a token after another", "either of two phrases")
    answer = call("search", str(run.folder), "--parts")
    assert set(neurons(answer.out)) >= rules("either of two phrases")
    assert not set(neurons(answer.out)) & rules("one token", "a token after another")
    assert "raise ‹ValueError›" in answer.out
    assert "will ‹be›" in answer.out
    assert neurons(call("search", str(run.folder), "--parts=9").out) == []
    few = call("search", str(run.folder), "--contains", "e", "--top", "2").out
    assert len(neurons(few)) == 2
    assert "--top 0 lists all" in few


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ((), "nothing to search for: name a token, --repeats or --parts."),
        (("the", "--as"), "--as needs a value: activating, context or any."),
        (("--as", "context", "the"), "--as follows a token"),
        (
            ("the", "--as", "centre"),
            "role 'centre' is not known; did you mean 'context'? known: activating, any, context.",
        ),
        (("the", "--combine", "xor"), "way to combine 'xor' is not known"),
        (("the", "--contain"), "did you mean '--contains'?"),
        (("the", "--top", "-1"), "--top -1 must be a whole number, at least 0."),
        (("--parts=1",), "--parts 1 must be a whole number, at least 2."),
        (("the", "--above", "2"), "--above 2 must be a number from 0 to 1."),
        (("",), "a token to search for cannot be empty"),
    ],
)
def test_a_search_that_cannot_be_is_refused(run: Run, words: tuple[str, ...], part: str) -> None:
    assert part in call("search", str(run.folder), *words).message


def test_a_token_that_looks_like_an_option(run: Run) -> None:
    for words in (("--token=--parts",), ("--token", "--top"), ("--",), ("-x",), ("---",)):
        answer = call("search", str(run.folder), *words)
        assert answer.status == 0, answer.err
        assert answer.out.splitlines()[0] == f"no graph holds '{words[-1].split('=')[-1]}'"
        assert answer.out.endswith(f"\n0 of {len(RULES)} neurons\n")


def test_similar_finds_the_nested_rules(run: Run) -> None:
    answer = call("similar", str(run.folder))
    assert answer.status == 0, answer.err
    rows = [line.split() for line in answer.out.splitlines() if line.strip().startswith("0.")]
    # `the` is a part of `of ‹the›`, and of `the` at the start of a context.
    assert {("0.1", "0.3"), ("0.1", "0.12")} <= {(row[0], row[2]) for row in rows}
    assert "nested graphs" in answer.out
    assert "pairs at threshold 0.9: " in answer.out
    assert answer.out.endswith(f"of {len(RULES)} neurons\n")
    all_ = call("similar", str(run.folder), "--threshold", "0.01", "--top=1").out
    assert len([line for line in all_.splitlines() if line.strip().startswith("0.")]) <= 2
    none = call("similar", str(run.folder), "--top", "0").out
    assert none.splitlines() == [answer.out.splitlines()[-1]]


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("--threshold", "0"), "--threshold 0 must be a number from above 0 to 1."),
        (("--threshold", "nan"), "--threshold nan must be a number"),
        (("--threshold",), "--threshold needs a value; see similar --help."),
        (("--treshold=1",), "did you mean '--threshold'?"),
        (("another",), "similar takes no 'another'; see similar --help."),
    ],
)
def test_a_comparison_that_cannot_be_is_refused(
    run: Run, words: tuple[str, ...], part: str
) -> None:
    assert part in call("similar", str(run.folder), *words).message


def test_explainers_without_graphs_and_places_without_a_run(
    command: Command, run: Run, tmp_path: Path
) -> None:
    zero = command.finished("explainer=zero")
    layer, neuron = zero.scores.neurons()[0]
    name = f"{layer}.{neuron}"
    plain = call("show", str(zero.folder), name).out
    drawn = call("show", str(zero.folder), name, "--graph")
    assert drawn.out == plain
    for answer in (drawn, call("search", str(zero.folder), "x"), call("similar", str(zero.folder))):
        assert (
            "explanations of 'zero' have no graph. Explainers that draw graphs: " in answer.message
        )
        assert "n2g" in answer.message
    assert not (zero.folder / "graphs").exists()
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "it has no run.json" in call("search", str(empty), "x").message
    assert "it has no run.json" in call("similar", str(empty)).message
    # The only run below a folder is meant by it.
    assert call("similar", str(run.folder.parent)).status == 0


class Drawn(Constant):
    """An explanation of somebody else's with a graph; that of some neurons fails."""

    def graph(self):
        if self.neuron is not None and self.neuron % 2:
            raise ValueError("too tangled")
        return NeuronGraph((Node((3,), ("·x",), "activating", 1.0),), (Pattern((0,), 1.0),))

    def to_dict(self):
        return {"value": self.value, "neuron": self.neuron}

    @classmethod
    def from_dict(cls, data):
        return cls(data["value"], data["neuron"])


class Draws(Method):
    explanation_class = Drawn

    def one(self, neuron, evidence):
        return Drawn(self.value, neuron)


def test_somebody_elses_explanations_can_have_graphs(command: Command) -> None:
    run = command.finished("explainer._target_=tests.cli.test_graphs.Draws")
    names = [f"{layer}.{neuron}" for layer, neuron in run.scores.neurons()]
    even = [name for name in names if int(name.split(".")[1]) % 2 == 0]
    trusted = ("--trust", "tests.cli.test_graphs.Draws")
    answer = call("search", str(run.folder), "x", "--top", "0", *trusted)
    assert answer.status == 0, answer.err
    assert f"{len(even)} of {len(names)} neurons ({len(names) - len(even)} failed)" in answer.out
    assert call("show", str(run.folder), even[0], "--graph", *trusted).status == 0
    (odd, *_) = sorted(set(names) - set(even))
    answer = call("show", str(run.folder), odd, "--graph", *trusted)
    assert f"the graph of neuron {odd} cannot be made: ValueError: too tangled" in answer.message
    assert "pearson" in answer.out
