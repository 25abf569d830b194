"""The language model in this process, against the whole text run from scratch, one by one."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmark.errors import BenchmarkError
from benchmark.interface import LabelRequest, Message, ReadsTokenIds, Request
from benchmark.llm.local_client import LocalClient
from benchmark.llm.local_model import LocalModel, load_model
from benchmark.llm.making import language_model
from benchmark.llm.options import LocalOptions
from benchmark.llm.reply_store import ReplyStore
from benchmark.llm.spending import Spending, begin_session
from tests.llm.tiny import N_CTX, WITHOUT_SYSTEM, tiny_checkpoint

SHARED = Path(__file__).parents[3] / "shared" / "data"
LABELS = tuple("0123456789")
PREFIX = "what a neuron finds: words about rain, and whatever else is wet. levels from 0 to 9.\n"


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint(tmp_path_factory.mktemp("tiny") / request.param, request.param)


def client_of(folder: Path, tmp_path: Path, batch_tokens: int = 4096, **limits: Any) -> LocalClient:
    options = LocalOptions(str(folder), device="cpu", batch_tokens=batch_tokens, **limits)
    store = ReplyStore(tmp_path / "replies.sqlite")
    return LocalClient(lambda: load_model(options), Spending.of(options, store))


def loaded(folder: Path) -> LocalModel:
    return load_model(LocalOptions(str(folder), device="cpu"))


def whole_logits(model: LocalModel, ids: list[int]) -> Tensor:
    """The logits of a text that is run alone, without keys and values of anything."""
    with torch.no_grad():
        found = model.model(input_ids=torch.tensor([ids]), use_cache=False).logits
    return torch.as_tensor(found[0]).float()


def label_request(words: str, prefix: str = PREFIX) -> LabelRequest:
    pieces = tuple(f"{word}\t" if i == 0 else f"\n{word}\t" for i, word in enumerate(words.split()))
    return LabelRequest(prefix, pieces, "unknown", LABELS)


REQUESTS = [
    label_request("the rain falls"),
    label_request("a"),
    label_request("on the sea and the shore and on all that lies between them"),
    label_request("no rain", "another prefix\n"),
    label_request("the rain", PREFIX + "and more\n"),
]


def in_order(answers: Any, n: int) -> list[Any]:
    found = dict(answers)
    assert sorted(found) == list(range(n))
    return [found[place] for place in range(n)]


def by_hand(model: LocalModel, request: LabelRequest) -> Tensor:
    """Probabilities of labels, from the logits of the whole text."""
    ids = [*model.start, *model.ids(request.prefix)]
    rows = []
    for piece in request.pieces:
        ids += model.ids(piece)
        rows.append(len(ids) - 1)
        ids += model.ids(request.placeholder)
    labels = [model.ids(label)[0] for label in request.labels]
    return whole_logits(model, ids)[rows][:, labels].log_softmax(-1)


@pytest.mark.parametrize("batch_tokens", [1, 150, 4096])
def test_labels_are_those_of_the_whole_text(
    folder: Path, tmp_path: Path, batch_tokens: int
) -> None:
    client = client_of(folder, tmp_path, batch_tokens)
    replies = in_order(client.label_answers(REQUESTS), len(REQUESTS))
    for request, reply in zip(REQUESTS, replies, strict=True):
        expected = by_hand(loaded(folder), request)
        assert expected.std() > 0.1
        torch.testing.assert_close(reply.logprobs, expected, rtol=0, atol=1e-5)
        assert reply.logprobs.exp().sum(-1).tolist() == pytest.approx([1] * len(request.pieces))


def test_a_first_piece_may_be_empty(folder: Path, tmp_path: Path) -> None:
    request = LabelRequest("levels: ", ("", " "), "x", LABELS)
    ((_, reply),) = client_of(folder, tmp_path).label_answers([request])
    torch.testing.assert_close(reply.logprobs, by_hand(loaded(folder), request), rtol=0, atol=1e-5)


def test_a_prefix_is_run_once(folder: Path, tmp_path: Path) -> None:
    client = client_of(folder, tmp_path)
    requests = [label_request(f"a{number}") for number in range(10, 26)]  # all as long
    replies = in_order(client.label_answers(requests), 16)
    whole = sum(reply.usage.prompt_tokens for reply in replies)
    assert client.positions == whole - 15 * len(PREFIX)
    assert whole > 3 * client.positions
    assert [reply.usage.cached_tokens for reply in replies] == [0, *[len(PREFIX)] * 15]
    before = client.positions
    list(client.label_answers([label_request("b0")]))
    assert client.positions - before == len("\n" + "b0\tunknown")
    # What another prefix begins with alike is not run again either.
    before = client.positions
    list(client.label_answers([label_request("b0", PREFIX + "and more\n")]))
    assert client.positions - before == len("and more\n") + len("\n" + "b0\tunknown")


def test_logits_of_token_ids(folder: Path, tmp_path: Path) -> None:
    model = loaded(folder)
    client = client_of(folder, tmp_path, batch_tokens=20)
    tokens = torch.randint(2, 200, (5, 7), generator=torch.Generator().manual_seed(0))
    prefixes = ["about rain: ", "about the sea: "]
    found = client.first_logits(prefixes, tokens, 11)
    assert found.shape == (2, 5, 7, 11)
    for number, prefix in enumerate(prefixes):
        for row in range(5):
            ids = [*model.start, *model.ids(prefix)]
            expected = whole_logits(model, ids + tokens[row].tolist())[len(ids) :, :11]
            torch.testing.assert_close(found[number, row], expected, rtol=0, atol=1e-4)


def slowly(model: LocalModel, request: Request) -> str:
    """The likeliest answer, the whole text run again for each token."""
    ids = model.prompt(request.messages)
    start = len(ids)
    while len(ids) - start < request.max_tokens:
        token = int(whole_logits(model, ids)[-1].argmax())
        if token in model.ends:
            break
        ids.append(token)
    return model.text(ids[start:])


def asked(text: str, max_tokens: int = 12, **options: Any) -> Request:
    system = Message("system", "Say what the words have in common, in one sentence.")
    return Request((system, Message("user", text)), max_tokens, **options)


TEXTS = ["rain", "rain and snow and hail", "a", "the sea, the shore"]


@pytest.mark.parametrize("batch_tokens", [1, 4096])
def test_the_likeliest_answers(folder: Path, tmp_path: Path, batch_tokens: int) -> None:
    requests = [asked(text, 5 + 3 * number) for number, text in enumerate(TEXTS)]
    client = client_of(folder, tmp_path, batch_tokens)
    replies = in_order(client.answers(requests), len(requests))
    for request, reply in zip(requests, replies, strict=True):
        assert reply.text == slowly(loaded(folder), request)
        assert reply.finished == (reply.usage.completion_tokens < request.max_tokens)
    assert replies[0].usage.cached_tokens == 0
    assert replies[1].usage.cached_tokens > 40


def test_drawn_answers_depend_on_the_request_alone(folder: Path, tmp_path: Path) -> None:
    drawn = [asked("rain", temperature=1.0, sample=sample) for sample in range(4)]
    client = client_of(folder, tmp_path)
    together = [reply.text for reply in in_order(client.answers(drawn), 4)]
    alone = [next(iter(client.answers([one])))[1].text for one in drawn]
    assert together == alone
    assert len({*together}) > 1


def test_an_answer_ends_at_a_stop(folder: Path, tmp_path: Path) -> None:
    client = client_of(folder, tmp_path)
    ((_, whole),) = client.answers([asked("rain")])
    stop = whole.text[4:6]
    ((_, reply),) = client.answers([asked("rain", stop=(stop,))])
    assert reply.text == whole.text[: whole.text.find(stop)]
    assert reply.finished


def test_log_probabilities_of_an_answer(folder: Path, tmp_path: Path) -> None:
    model, request = loaded(folder), asked("rain", 3, top_logprobs=4)
    ((_, reply),) = client_of(folder, tmp_path).answers([request])
    ids = model.prompt(request.messages)
    for likely in reply.logprobs:
        values = whole_logits(model, ids)[-1].log_softmax(-1)
        top = values.topk(4)
        ids.append(int(top.indices[0]))
        # Of tokens with one text, such as parts of a character, the likelier one counts.
        expected: dict[str, float] = {}
        for token, value in zip(top.indices.tolist(), top.values.tolist(), strict=True):
            expected.setdefault(model.tokenizer.decode([token]), value)
        assert likely == pytest.approx(expected, abs=1e-4)


def test_a_chat_template_is_used(tmp_path: Path) -> None:
    model = loaded(tiny_checkpoint(tmp_path / "chat", template=WITHOUT_SYSTEM))
    user = Message("user", "what?")
    assert model.text(model.prompt([user])) == "[user] what?\n[assistant] "
    # This one refuses system messages, so the user says what they say.
    told = model.prompt([Message("system", "be short"), user])
    assert model.text(told) == "[user] be short\n\nwhat?\n[assistant] "


def test_without_a_template_messages_follow_each_other(folder: Path) -> None:
    model = loaded(folder)
    messages = [Message("system", "a"), Message("user", "b")]
    assert model.text(model.prompt(messages)) == "a\n\nb\n\n"
    assert model.text(model.prompt([*messages, Message("assistant", "it")])) == "a\n\nb\n\nit"


def test_a_label_that_is_not_one_token(folder: Path, tmp_path: Path) -> None:
    request = LabelRequest(PREFIX, ("rain\t",), "unknown", ("9", "10"))
    with pytest.raises(BenchmarkError, match=r"label '10' is not one token of .* after 'ain\\t'; "):
        list(client_of(folder, tmp_path).label_answers([request]))


def test_what_is_too_long(folder: Path, tmp_path: Path) -> None:
    client = client_of(folder, tmp_path)
    said = rf"a request has 5\d\d tokens, its answer included; the language model .* reads {N_CTX}"
    with pytest.raises(BenchmarkError, match=said):
        list(client.answers([asked("rain", N_CTX - 40)]))
    with pytest.raises(BenchmarkError, match=said):
        list(client.label_answers([label_request("x " * 45)]))


def test_a_batch_that_does_not_fit_is_halved(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(folder, tmp_path)
    forward, sizes = loaded(folder).model.forward, []

    def small(input_ids: Tensor, **given: Any) -> Any:
        sizes.append(len(input_ids))
        if len(input_ids) > 2:
            raise torch.OutOfMemoryError("too much")
        return forward(input_ids=input_ids, **given)

    monkeypatch.setattr(loaded(folder).model, "forward", small)
    monkeypatch.setattr(client, "_make_model", lambda: loaded(folder))
    requests = [label_request(f"a{number}") for number in range(5)]
    replies = in_order(client.label_answers(requests), 5)
    assert max(sizes) == 5
    monkeypatch.undo()
    for request, reply in zip(requests, replies, strict=True):
        expected = by_hand(loaded(folder), request)
        torch.testing.assert_close(reply.logprobs, expected, rtol=0, atol=1e-5)


def test_answers_are_kept(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = {"name": "local", "source": str(folder), "device": "cpu"}
    first = language_model(config, tmp_path)
    replies, labels = first.ask([asked("rain")]), first.read_labels(REQUESTS)
    assert isinstance(first, ReadsTokenIds)

    def fails(*_: object) -> None:
        raise AssertionError("it is loaded again")

    monkeypatch.setattr("benchmark.llm.local_model.load_model", fails)
    again = language_model(config, tmp_path)
    assert again.ask([asked("rain")]) == replies
    for one, other in zip(again.read_labels(REQUESTS), labels, strict=True):
        assert torch.equal(one.logprobs, other.logprobs)
        assert one.usage == other.usage


def test_other_weights_give_other_answers(tmp_path: Path) -> None:
    folder = tiny_checkpoint(tmp_path / "tiny")
    config = {"name": "local", "source": str(folder), "device": "cpu"}
    language_model(config, tmp_path).ask([asked("rain")])
    store = ReplyStore(tmp_path / "llm" / "replies.sqlite")
    kept = (folder / "config.json").read_text(encoding="utf-8")
    (folder / "config.json").write_text(
        json.dumps({**json.loads(kept), "rms_norm_eps": 0.5}), encoding="utf-8"
    )
    load_model.cache_clear()
    language_model(config, tmp_path).ask([asked("rain")])
    with store._opened() as connection:
        assert connection.execute("SELECT count(*) FROM replies").fetchone() == (2,)


def test_a_budget_is_kept_to(folder: Path, tmp_path: Path) -> None:
    begin_session()
    cost = len(PREFIX) + 1 + len("a0\tunknown")
    requests = [label_request(f"a{number}") for number in range(10)]
    client = client_of(folder, tmp_path, max_tokens_total=4 * cost + 5)
    arrived = client.label_answers(requests)
    found = [next(arrived)[1] for _ in range(4)]
    assert sum(reply.usage.tokens for reply in found) == 4 * cost
    said = rf"the budget is used up: {4 * cost} of llm.max_tokens_total={4 * cost + 5} tokens are"
    with pytest.raises(BenchmarkError, match=said):
        next(arrived)


def source_error(source: Any, tmp_path: Path) -> str:
    model = language_model({"name": "local", "source": str(source)}, tmp_path / "cache")
    with pytest.raises(BenchmarkError) as found:
        model.ask([asked("rain")])
    return str(found.value)


def test_what_cannot_be_loaded(tmp_path: Path) -> None:
    assert "llm.source=<folder> takes a checkpoint" in source_error("no-such/repository", tmp_path)
    (tmp_path / "empty").mkdir()
    assert "has no config.json" in source_error(tmp_path / "empty", tmp_path)
    folder = tiny_checkpoint(tmp_path / "pickled")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert "cannot be loaded" in source_error(folder, tmp_path)
    folder = tiny_checkpoint(tmp_path / "code")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config |= {"model_type": "mine", "auto_map": {"AutoConfig": "code.Mine"}}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "code.py").write_text("raise SystemExit('it was run')", encoding="utf-8")
    assert "cannot be loaded" in source_error(folder, tmp_path)


@pytest.mark.parametrize("name", ["babyllama", "memorised-gpt2"])
def test_real_checkpoints(name: str, tmp_path: Path) -> None:
    if not (SHARED / name).is_dir():
        pytest.skip("the shared checkpoints are not on this machine")
    model = language_model({"name": "local", "source": str(SHARED / name)}, tmp_path)
    (reply,) = model.ask([Request((Message("user", "Once upon a time"),), 20)])
    assert reply.text
    request = LabelRequest("a story: ", ("one ", " two "), "what", tuple("abc"))
    (labels,) = model.read_labels([request])
    assert labels.logprobs.shape == (2, 3)
    assert math.isclose(float(labels.logprobs[0].exp().sum()), 1, abs_tol=1e-5)
