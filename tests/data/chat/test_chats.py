"""Conversations as people keep them, in every form; what is wrong is said with its file and line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from clearhead.data.chat.chats import Chat, Message, chat_digest, hold_out_chats, read_chats
from clearhead.errors import DataError

ASKED = (Message("user", "Why?"), Message("assistant", "Because."))


def written(tmp_path: Path, *rows: Any, name: str = "chats.jsonl") -> list[str]:
    file = tmp_path / name
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return [str(file)]


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because."}]},
        {"conversations": [{"from": "human", "value": "Why?"}, {"from": "gpt", "value": "Because."}]},
        {"prompt": "Why?", "completion": "Because."},
        {"prompt": [{"role": "user", "content": "Why?"}], "completion": [{"role": "assistant", "content": "Because."}]},
        {"instruction": "Why?", "input": "", "output": "Because."},
        {"instruction": "Why?", "response": "Because."},
        {"question": "Why?", "answer": "Because.", "id": 7},
    ],
)
@pytest.mark.filterwarnings("ignore:chats. column")
def test_every_form(tmp_path: Path, row: dict[str, Any]) -> None:
    assert read_chats(written(tmp_path, row))[0] == [Chat(ASKED)]


def test_an_input_stands_behind_its_instruction_and_a_system_prompt_before_all(tmp_path: Path) -> None:
    row = {"system": "Be brief.", "instruction": "Spell it.", "input": "cat", "output": "c-a-t"}
    (chat,) = read_chats(written(tmp_path, row))[0]
    assert chat.messages == (
        Message("system", "Be brief."),
        Message("user", "Spell it.\n\ncat"),
        Message("assistant", "c-a-t"),
    )


SAID = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because."}]
HALF = "hi \ud83d"


@pytest.mark.parametrize("key", ["system", "system_prompt"])
@pytest.mark.filterwarnings("ignore:chats. column")
def test_a_system_prompt_in_its_own_column(tmp_path: Path, key: str) -> None:
    told = Message("system", "Be brief.")
    for row in ({"messages": SAID}, {"conversations": SAID}, {"question": "Why?", "answer": "Because."}):
        (chat,) = read_chats(written(tmp_path, {key: "Be brief.", **row}))[0]
        assert chat.messages == (told, *ASKED)
    twice = {key: "Be brief.", "messages": [{"role": "system", "content": "Be brief."}, *SAID]}
    assert read_chats(written(tmp_path, twice))[0][0].messages == (told, *ASKED)


@pytest.mark.parametrize("mark", [{"weight": 0}, {"weight": 0.0}, {"train": False}, {"loss": False}, {"masked": True}])
def test_answers_that_are_not_to_be_learned(tmp_path: Path, mark: dict[str, Any]) -> None:
    wrong = {"role": "assistant", "content": "No.", **mark}
    (chat,), report = read_chats(written(tmp_path, {"messages": [SAID[0], wrong, *SAID]}, {"messages": [wrong]}))
    assert [m.learned for m in chat.messages] == [True, False, True, True]
    assert report.lines()[1].startswith("1 dropped: no answer in them is to be learned (first: ")
    assert read_chats(written(tmp_path, chat.to_json()))[0] == [chat]
    assert chat_digest([chat]) != chat_digest([Chat(tuple(Message(m.role, m.content) for m in chat.messages))])
    right = {"role": "assistant", "content": "Because.", **{key: not value for key, value in mark.items()}}
    assert read_chats(written(tmp_path, {"messages": [SAID[0], right]}))[0] == [Chat(ASKED)]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"messages": [{**SAID[0], "name": "Ann"}, SAID[1]]}, "'name' of a message is not read"),
        ({"messages": [{**SAID[0], "train": True}, SAID[1]]}, "only what the assistant says is learned"),
        ({"messages": SAID, "output": "x"}, "column 'output' is not read beside 'messages'"),
        ({"prompt": "Why?", "completion": "Because.", "answer": "x"}, "column 'answer' is not read beside 'prompt'"),
    ],
)
def test_what_is_not_read_is_said(tmp_path: Path, row: dict[str, Any], said: str) -> None:
    with pytest.warns(UserWarning, match=said):
        assert read_chats(written(tmp_path, row))[0] == [Chat(ASKED)]


def test_lists_and_tables(tmp_path: Path) -> None:
    file = tmp_path / "alpaca.json"
    file.write_text(json.dumps([{"instruction": "Why?", "input": "", "output": "Because."}] * 2, indent=1))
    table = tmp_path / "t.csv"
    table.write_text('prompt,completion\n"Why?",Because.\n')
    assert read_chats([str(file), str(table)])[0] == [Chat(ASKED)] * 3


def test_parquet(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [{"messages": [{"role": m.role, "content": m.content} for m in ASKED]}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "c.parquet")
    assert read_chats([str(tmp_path / "c.parquet")])[0] == [Chat(ASKED)]


def test_chats_without_an_answer_are_dropped_and_counted(tmp_path: Path) -> None:
    silent = {"messages": [{"role": "user", "content": "Hello?"}]}
    files = written(tmp_path, silent, {"prompt": "Why?", "completion": "Because."}, {"prompt": "x", "completion": " "})
    chats, report = read_chats(files)
    assert chats == [Chat(ASKED)]
    assert report.lines()[1] == f"2 dropped: the assistant says nothing in them (first: {files[0]}, line 1)"
    with pytest.raises(DataError, match="no chat is left"):
        read_chats(written(tmp_path, silent))


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"messages": "hello"}, "a list of messages was wanted, this is a string"),
        ({"messages": ["hello"]}, "message 1 is a string"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "message 1 has the role 'wizard'"),
        ({"messages": [{"role": "user", "content": None}]}, "what message 1 says is null, no text"),
        ({"text": "hello"}, "no telling who says what; this row has 'text'"),
        ({"prompt": {}, "completion": "x"}, "'prompt' is an object"),
        ({"prompt": "x", "completion": 5}, "'completion' is a number"),
        ({"messages": [{"role": "user", "content": 5}]}, "what message 1 says is a number, no text"),
        ({"messages": [{"role": "user", "content": HALF}, SAID[1]]}, "what message 1 says holds half a character"),
        ({"prompt": "x", "completion": HALF}, "the value of 'completion' holds half a character"),
        ({"messages": SAID, "system": HALF}, "the value of 'system' holds half a character"),
        ({"instruction": "x", "input": HALF, "output": "y"}, "the value of 'input' holds half a character"),
        ({"instruction": "x", "input": ["y"], "output": "z"}, "'input' is a list, no text"),
        ({"messages": SAID, "system": 5}, "'system' is a number, no text"),
        (
            {"system": "a", "messages": [{"role": "system", "content": "b"}, *SAID]},
            "the row has several system prompts: in 'system', 'messages'",
        ),
        ({"messages": SAID, "tools": [{"name": "clock"}]}, "this row has 'tools', which is not read here"),
        ({"messages": SAID, "weight": 0}, "rows are not weighted here"),
        ({"instruction": "x", "output": "y", "history": [["a", "b"]]}, "this row has 'history'"),
        ({"messages": [SAID[0], {**SAID[1], "tool_calls": [{"id": "1"}]}]}, "message 2 has 'tool_calls'"),
        ({"messages": [SAID[0], {**SAID[1], "reasoning_content": "hm"}]}, "message 2 has 'reasoning_content'"),
        ({"messages": [SAID[0], {**SAID[1], "weight": 0.5}]}, "'weight' of message 2 is '0.5'"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, row: dict[str, Any], problem: str) -> None:
    files = written(tmp_path, {"prompt": "Why?", "completion": "Because."}, row)
    with pytest.raises(DataError, match=problem) as raised:
        read_chats(files)
    assert (raised.value.file, raised.value.line) == (files[0], 2)


def test_files_that_hold_no_rows(tmp_path: Path) -> None:
    broken = tmp_path / "b.json"
    broken.write_text('{"prompt": 1}\n{"prompt": 2}\n')
    with pytest.raises(DataError, match=r"objects one a line are a \.jsonl file"):
        read_chats([str(broken)])
    broken.write_text('[{"prompt": "1}]')
    with pytest.raises(DataError, match=r"\(Unterminated string starting at character 13\)"):
        read_chats([str(broken)])
    (tmp_path / "c.csv").write_text("prompt,completion\na,b,c\n")
    with pytest.raises(DataError, match="3 columns where the header line has 2"):
        read_chats([str(tmp_path / "c.csv")])
    (tmp_path / "t.txt").write_text("hello\n")
    with pytest.raises(DataError, match="names no known form of rows"):
        read_chats([str(tmp_path / "t.txt")])


def test_chats_that_begin_alike_stand_in_one_part() -> None:
    chats = [Chat((Message("user", f"Question {i % 20}?"), Message("assistant", str(i)))) for i in range(60)]
    train, valid = hold_out_chats(chats, 0.1, 1000)
    assert len(train) + len(valid) == 60 and 3 <= len(valid) <= 12
    assert not {c.messages[0] for c in train} & {c.messages[0] for c in valid}
    assert hold_out_chats(chats[::-1], 0.1, 1000)[1] == valid[::-1]
    with pytest.raises(DataError, match="at least two chats that begin differently, 1 given"):
        hold_out_chats(chats[:1] * 9, 0.1, 1000)
    with pytest.raises(DataError, match="at least two chats that begin differently"):
        hold_out_chats(chats[:1], 0.1, 1000)


@pytest.mark.parametrize(("hello", "hi", "held"), [(90, 10, 10), (10, 90, 10), (1, 99, 1)])
def test_a_beginning_that_is_common_is_not_held_out(hello: int, hi: int, held: int) -> None:
    """Of two per cent of a hundred: the rarest beginning, where even that has more."""
    begins = ["hello"] * hello + ["hi"] * hi
    chats = [Chat((Message("user", begin), Message("assistant", str(i)))) for i, begin in enumerate(begins)]
    train, valid = hold_out_chats(chats, 0.02, 1000)
    assert (len(train), len(valid)) == (100 - held, held)


def test_columns_that_are_guessed_are_told(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="column 'question' is what the user says, 'answer' the assistant") as told:
        assert read_chats(written(tmp_path, {"question": "Why?", "answer": "Because."}))[0] == [Chat(ASKED)]
    assert len(told) == 1
