"""Tagged texts as they lie on disk."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tlzoo.data import read, read_splits
from tlzoo.errors import DataError
from tlzoo.tasks import make_task

TASK = make_task("text-tokens")
SENTENCES = [
    (["Anna", "met", "Ben", "Miller", "."], ["B-PER", "O", "B-PER", "I-PER", "O"]),
    (["Oslo", "is", "cold"], ["B-LOC", "O", "O"]),
]
TEXTS = ("Anna met Ben Miller .", "Oslo is cold")
TARGETS = ([[0, 4, "PER"], [9, 19, "PER"]], [[0, 4, "LOC"]])


def write(file: Path, text: str) -> Path:
    file.write_text(text, encoding="utf-8", newline="")
    return file


def conll(separator: str = " ", columns: int = 2, end: str = "\n") -> str:
    lines = []
    for words, tags in SENTENCES:
        middle = ["NN", "B-NP"][: columns - 2]
        lines += [separator.join([word, *middle, tag]) for word, tag in zip(words, tags, strict=True)] + [""]
    return end.join(lines)


@pytest.mark.parametrize("separator", [" ", "\t", "   "])
@pytest.mark.parametrize("columns", [2, 4])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("ending", [".conll", ".iob", ".IOB2", ".bio"])
def test_columns_of_conll_are_read(tmp_path: Path, separator: str, columns: int, end: str, ending: str):
    text = f"-DOCSTART- -X- O O{end}{end}# a comment{end}" + conll(separator, columns, end)
    found = read(write(tmp_path / f"data{ending}", text), TASK).train
    assert (found.inputs, found.targets) == (TEXTS, TARGETS)


def test_a_first_column_that_counts_the_words_is_passed_over(tmp_path: Path):
    lines = []
    for words, tags in SENTENCES:
        lines += [f"{at}\t{word}\t{tag}" for at, (word, tag) in enumerate(zip(words, tags, strict=True), 1)] + [""]
    found = read(write(tmp_path / "data.conll", "\n".join(lines)), TASK).train
    assert (found.inputs, found.targets) == (TEXTS, TARGETS)
    one = read(write(tmp_path / "one.conll", "1 B-NUM\n2 B-NUM\n"), TASK).train
    assert one.inputs == ("1 2",)


NUMBERED = "1\tAnna\tB-PER\n2\tmet\tO\n3\tBen\tB-PER\n4\tMiller\tI-PER\n5\t.\tO\n\n"


def test_whether_the_first_column_numbers_the_words_is_decided_once_for_a_file(tmp_path: Path):
    words = "1 CD B-NP O\n\n1 2 O\n\nOslo NNP B-NP B-LOC\n1 CD I-NP O\n\n1 x O\n2 x O\n"
    assert read(write(tmp_path / "words.conll", words), TASK).train.inputs == ("1", "1", "Oslo 1", "1 2")
    numbered = NUMBERED + "1\t2\tO\n\n0\tOslo\tB-LOC\n1\tis\tO\n2\tcold\tO\n"
    found = read(write(tmp_path / "numbered.conll", numbered), TASK).train
    assert (found.inputs, found.targets) == ((TEXTS[0], "2", TEXTS[1]), (TARGETS[0], [], TARGETS[1]))
    assert read(write(tmp_path / "one.conll", "1 2 O\n"), TASK).train.inputs == ("1",)


def test_the_ranges_and_empty_nodes_of_conll_u_are_no_words(tmp_path: Path):
    text = "#\tsource\tx\n1\tAnna\tB-PER\n2-3\twont\t_\n2\two\tO\n3\tnt\tO\n3.1\tgo\t_\n4\tOslo\tB-LOC\n"
    found = read(write(tmp_path / "a.conll", text), TASK).train
    assert (found.inputs, found.targets) == (("Anna wo nt Oslo",), ([[0, 4, "PER"], [11, 15, "LOC"]],))


def test_other_blanks_and_line_ends_of_unicode_may_stand_inside_words(tmp_path: Path):
    found = read(write(tmp_path / "a.conll", "best\u00a0film B-X\nne\u2028w O\n"), TASK).train
    assert found.inputs == ("best\u00a0film ne\u2028w",)
    assert found.targets == ([[0, 9, "X"]],)


def test_tables_without_tags_are_read_where_no_labels_are_asked_for(tmp_path: Path):
    file = write(tmp_path / "a.jsonl", '{"tokens": ["Anna", "met"]}')
    assert read(file, TASK, labelled=False).train.inputs == ("Anna met",)


def test_json_lines_with_entities_as_objects_or_lists_are_read(tmp_path: Path):
    rows: list[dict[str, Any]] = [
        {"text": TEXTS[0], "entities": [[9, 19, "PER"], {"start": 0, "end": 4, "label": "PER"}]},
        {"text": TEXTS[1], "entities": [{"label": "LOC", "end": 4, "start": 0}]},
        {"text": "Nothing here", "entities": []},
        {"text": "Nor here", "entities": None},
    ]
    found = read(write(tmp_path / "data.jsonl", "\n".join(map(json.dumps, rows))), TASK).train
    assert found.targets == (*TARGETS, [], [])


def test_json_lines_and_parquet_with_lists_of_tokens_and_tags_are_read(tmp_path: Path):
    import pyarrow
    from pyarrow import parquet

    rows = [{"tokens": words, "tags": tags} for words, tags in SENTENCES]
    write(tmp_path / "data.jsonl", "\n".join(map(json.dumps, rows)))
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "data.parquet")
    for name in ("data.jsonl", "data.parquet"):
        found = read(tmp_path / name, TASK).train
        assert (found.inputs, found.targets) == (TEXTS, TARGETS)


@pytest.mark.parametrize(("ending", "separator"), [(".csv", ","), (".tsv", "\t")])
def test_lists_in_cells_of_csv_and_tsv_are_json_or_pythons(tmp_path: Path, ending: str, separator: str):
    def table(name: str, *rows: Sequence[str]) -> Path:
        with (tmp_path / name).with_suffix(ending).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, delimiter=separator).writerows(rows)
        return Path(file.name)

    entities = [json.dumps([{"start": start, "end": end, "label": label}]) for [(start, end, label)] in TARGETS[1:]]
    spans = table("spans", ("text", "entities"), (TEXTS[1], *entities), ("Nothing", "[]"), ("Nor here", ""))
    assert read(spans, TASK).train.targets == (TARGETS[1], [], [])
    words = table("words", ("tokens", "tags"), *(map(json.dumps, row) for row in SENTENCES))
    found = read(words, TASK).train
    assert (found.inputs, found.targets) == (TEXTS, TARGETS)
    found = read(table("repr", ("tokens", "tags"), *(map(str, row) for row in SENTENCES)), TASK).train
    assert (found.inputs, found.targets) == (TEXTS, TARGETS)
    for row in (("['Oslo' 'is']", "['B-LOC' 'O']"), ("[\"Oslo']", "B-LOC")):
        with pytest.raises(DataError, match="cannot be read in line 2") as error:
            read(table("repr", ("tokens", "tags"), row), TASK)
        assert "JSONL" in error.value.hint
    with pytest.raises(DataError, match="'entities' that cannot be read in line 2"):
        read(table("repr", ("text", "entities"), (TEXTS[1], "[{'start': 0, 'end': 4]")), TASK)
    assert read(table("signs", ("tokens", "tags"), ("[ a ]", "O B-X O")), TASK).train.inputs == ("[ a ]",)


def test_columns_may_be_called_otherwise(tmp_path: Path):
    rows = [{"tokens": words, "ner_tags": tags} for words, tags in SENTENCES]
    file = write(tmp_path / "data.jsonl", "\n".join(map(json.dumps, rows)))
    assert read(file, TASK, columns={"others": {"tags": "ner_tags"}}).train.targets == TARGETS


@pytest.mark.parametrize("sparse", [False, True])
def test_a_table_of_words_is_read_by_its_sentence_column(tmp_path: Path, sparse: bool):
    lines = ["sentence,word,tag"]
    for number, (words, tags) in enumerate(SENTENCES, start=1):
        for at, (word, tag) in enumerate(zip(words, tags, strict=True)):
            lines.append(f"{f'Sentence: {number}' if not sparse or not at else ''},{word},{tag}")
    found = read(write(tmp_path / "data.csv", "\n".join(lines) + "\n"), TASK).train
    assert (found.inputs, found.targets) == (TEXTS, TARGETS)


def test_train_and_test_files_of_a_folder_are_its_parts(tmp_path: Path):
    write(tmp_path / "train.conll", conll() + "\n" + conll().replace(" ", "s ", 1))
    write(tmp_path / "test.conll", conll())
    parts = read_splits(tmp_path, None, TASK, {}, 0)
    assert (len(parts.test), len(parts.train) + len(parts.validation)) == (2, 4)


def test_labels_are_tags_of_iob2(tmp_path: Path):
    found = read(write(tmp_path / "data.conll", conll()), TASK).train
    assert TASK.fit(found.targets or (), "label").labels == ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")


BAD: dict[str, tuple[str, str, str]] = {
    "a word without a tag": ("a.conll", "Anna B-PER\nmet\n", "line 2"),
    "an entity out of the text": ("a.jsonl", '{"text": "Anna", "entities": [[0, 9, "X"]]}', "0 to 9 in a text of 4"),
    "an entity of no length": ("a.jsonl", '{"text": "Anna", "entities": [[2, 2, "X"]]}', "2 to 2"),
    "places that are no numbers": ("a.jsonl", '{"text": "Anna", "entities": [["0", 2, "X"]]}', "'0'"),
    "true as a place": ("a.jsonl", '{"text": "Anna", "entities": [[true, 2, "X"]]}', "True"),
    "overlapping entities": ("a.jsonl", '{"text": "Anna B", "entities": [[0, 4, "X"], [3, 6, "Y"]]}', "overlap"),
    "an entity without a label": ("a.jsonl", '{"text": "Anna", "entities": [[0, 4, ""]]}', "'' as the label"),
    "a number as a label": ("a.jsonl", '{"text": "Anna", "entities": [[0, 4, 3]]}', "3 as the label"),
    "a place that is no whole number": ("a.jsonl", '{"text": "Anna", "entities": [[0.0, 4, "X"]]}', "whole numbers"),
    "zeros as tags": ("a.jsonl", '{"tokens": ["Anna", "met"], "tags": [0, 0]}', "names of tags"),
    "an empty tag": ("a.jsonl", '{"tokens": ["Anna", "met"], "tags": ["O", ""]}', "names of tags"),
    "not a word": ("a.jsonl", '{"tokens": ["Anna", null], "tags": ["O", "O"]}', "None"),
    "lists without tags": ("a.jsonl", '{"tokens": ["Anna"], "ner_tags": ["O"]}', "no column 'tags'"),
    "words without tags": ("a.csv", "sentence,word,Tag\n1,Anna,O\n", "no column 'tag'"),
    "a row without entities": ("a.jsonl", '{"text": "a", "entities": []}\n{"text": "b", "entites": []}', "line 2"),
    "sentences in turns": ("a.csv", "sentence,word,tag\n1,a,O\n2,b,O\n1,c,O\n", "sentence '1' a second time in line 4"),
    "a word as an entity": ("a.jsonl", '{"text": "Anna", "entities": ["Anna"]}', "'Anna'"),
    "no list of entities": ("a.jsonl", '{"text": "Anna", "entities": "Anna"}', "no list"),
    "numbers as tags": ("a.jsonl", '{"tokens": ["Anna"], "tags": [1]}', "names of tags"),
    "fewer tags than tokens": ("a.jsonl", '{"tokens": ["Anna", "met"], "tags": ["O"]}', "2 tokens and 1 tags"),
    "words without sentences": ("a.csv", "word,tag\nAnna,B-PER\n", "column sentence"),
    "other columns": ("a.csv", "a,b\n1,2\n", "no tagged texts"),
    "no entities column": ("a.csv", "text,label\nAnna,x\n", "'entities'"),
    "a tag without a label": ("a.conll", "Anna B-\n", "'B-'"),
    "a tag as a label": ("a.conll", "Anna B-X\nmet B-B-P\n", "the tag 'B-B-P' in line 2"),
    "a tag as the label of a span": ("a.jsonl", '{"text": "Anna", "entities": [[0, 4, "B-P"]]}', "the tag 'B-P' as"),
    "the inside of a span": (
        "a.csv",
        'text,entities\nAnna,"[[0, 4, ""I-P""]]"\n',
        "'I-P' as the label of 'Anna' in line 2",
    ),
    "O as the label of a span": (
        "a.jsonl",
        '{"text": "Anna", "entities": [{"start": 0, "end": 4, "label": " O "}]}',
        "the tag 'O' as the label of 'Anna' in line 1",
    ),
    "a small letter for O": ("a.conll", "it o\nAnna B-X\n", "'o'"),
    **{
        f"the tag {tag}": ("a.conll", f"it {tag}\nAnna B-X\n", f"the tag {tag!r}")
        for tag in ("0", "_", "I-", "B_PER", "b-PER", "i_PER", "B:PER", "i:PER")
    },
    "no number of a sentence": ("a.csv", "sentence,word,tag\n,Anna,B-X\n,it,O\n", "no 'sentence' in line 2"),
    "no words": (
        "a.jsonl",
        '{"tokens": ["Anna"], "tags": ["O"]}\n{"tokens": [], "tags": []}',
        "an empty list in 'tokens'",
    ),
    "blanks as an entity": (
        "a.jsonl",
        '{"text": "Ada   Lov", "entities": [[3, 6, "X"]]}',
        "from 3 to 6, where its text",
    ),
    "only blanks": ("a.jsonl", '{"text": "  ", "entities": []}', "only blanks as 'text' in line 1"),
    "entities twice": (
        "a.jsonl",
        '{"text": "Anna", "entities": [], "tokens": ["Anna"], "tags": ["B-PER"]}',
        "in the column 'entities' and in 'tokens' with 'tags'",
    ),
    "a number left out": ("a.conll", NUMBERED + NUMBERED + "1\tOslo\tB-LOC\n3\tcold\tO\n", "line 14 begins with '3'"),
    "a word without its number": ("a.conll", NUMBERED + "Oslo\tB-LOC\n", "line 7 begins with 'Oslo'"),
    "nothing": ("a.conll", "", "no samples"),
    "not utf-8": ("a.conll", "", "UTF-8"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_read_is_named_with_its_place(tmp_path: Path, kind: str):
    name, text, said = BAD[kind]
    file = write(tmp_path / name, text)
    if kind == "not utf-8":
        file.write_bytes(b"Anna\xff O\n")
    with pytest.raises(DataError, match=str(file)) as error:
        read(file, TASK)
    assert said in str(error.value)
    assert error.value.hint


def tagged(file: Path, *texts: str) -> Path:
    """Texts of tags as a file of the ending's layout: each word is one tag."""
    rows = [text.split() for text in texts]
    if file.suffix == ".conll":
        return write(file, "\n".join("".join(f"w {tag}\n" for tag in tags) for tags in rows))
    if file.suffix == ".csv":
        words = [f"{number},w,{tag}\n" for number, tags in enumerate(rows) for tag in tags]
        return write(file, "sentence,word,tag\n" + "".join(words))
    return write(file, "".join(json.dumps({"tokens": ["w"] * len(tags), "tags": tags}) + "\n" for tags in rows))


ENDS = (".conll", ".csv", ".jsonl")
NO_LABEL = "B-NAME"
UNREADABLE = {
    "B and I alone": (("O B", "B I O"), "B", NO_LABEL),
    "B and I in different texts": (("I O", "O B O"), "I", NO_LABEL),
    "b and i": (("b i O",), "b", NO_LABEL),
    "IOBES without a word inside": (("B E O S", "O"), "B", NO_LABEL),
    "BILOU": (("U O B L",), "U", NO_LABEL),
    "BMES": (("S B M M E",), "S", NO_LABEL),
    "a B beside tags with labels": (("B-PER I-PER O", "B O"), "B", NO_LABEL),
    "B and I beside labels": (("PER O", "B I"), "B", NO_LABEL),
    "suffixes": (("O PER-B PER-I",), "PER-B", "B-PER"),
    "suffixes behind another sign": (("PER_B PER_I", "LOC:B"), "PER_B", "B-PER"),
    "suffixes of one label": (("DRUG vitamin-B", "PER-I", "PER-B"), "PER-I", "I-PER"),
    "a suffix alone": (("O PER-B", "LOC-B O"), "PER-B", "B-PER"),
    "a suffix beside tags with labels": (("B-PER O", "LOC-B O"), "LOC-B", "B-LOC"),
    "suffixes of IOBES": (("PER-B PER-I PER-E LOC-S",), "PER-B", "B-PER"),
    "no dash": (("O BPER IPER IPER", "BLOC"), "BPER", "B-PER"),
    "a colon": (("O B:PER I:PER",), "B:PER", "B-PER"),
    "a small letter": (("O b-PER i-PER",), "b-PER", "B-PER"),
}


@pytest.mark.parametrize("ending", ENDS)
@pytest.mark.parametrize("kind", UNREADABLE)
def test_tags_without_label_or_with_the_prefix_elsewhere_are_refused_where_they_are(
    tmp_path: Path, ending: str, kind: str
):
    texts, tag, hint = UNREADABLE[kind]
    file = tagged(tmp_path / f"a{ending}", *texts)
    with pytest.raises(DataError, match=f"has the tag '{tag}' ") as error:
        read(file, TASK)
    text = next(number for number, each in enumerate(texts) if tag in each.split())
    word = texts[text].split().index(tag)
    before = sum(len(each.split()) for each in texts[:text])
    places = {
        ".conll": f"in line {before + text + word + 1}.",
        ".csv": f"in line {before + word + 2}.",
        ".jsonl": f"for word {word + 1}, 'w', in line {text + 1}.",
    }
    assert f"File {file} has the tag {tag!r} {places[ending].rstrip('.')}" in error.value.message
    assert hint in error.value.hint
    assert len(read(file, TASK, labelled=False).train) == len(texts)


ACCEPTED = {
    "a label": ("PER PER O", ["PER"]),
    "a label of one letter": ("O B B O B", ["B"]),
    "I alone": ("I O I", ["I"]),
    "classes by letter": ("A B C D E F G H I", list("ABCDEFGHI")),
    "B and E without a scheme": ("B O E B", ["B", "E"]),
    "dashes within labels": ("B-GPE-city I-GPE-city O", ["GPE-city"]),
    "an end within a label": ("B-hepatitis-B O B-hepatitis-C", ["hepatitis-B", "hepatitis-C"]),
    "a dash in a label alone": ("X-PER O", ["X-PER"]),
    "an end of a label alone": ("vitamin-B O DRUG", ["DRUG", "vitamin-B"]),
    "a word that begins with E": ("B-E-mail I-E-mail", ["E-mail"]),
    "words that look glued": ("BRAND O ITEM IRAND BRAND", ["BRAND", "IRAND", "ITEM"]),
}


@pytest.mark.parametrize("ending", ENDS)
@pytest.mark.parametrize("kind", ACCEPTED)
def test_labels_alone_may_be_one_letter_or_have_dashes(tmp_path: Path, ending: str, kind: str):
    tags, labels = ACCEPTED[kind]
    [target] = read(tagged(tmp_path / f"a{ending}", tags), TASK).train.targets or ()
    assert sorted({label for _, _, label in target}) == sorted(labels)


def test_a_tag_is_looked_for_in_each_part_of_a_folder(tmp_path: Path):
    tagged(tmp_path / "train.conll", "B-PER I-PER O")
    tagged(tmp_path / "test.conll", "B I O")
    with pytest.raises(DataError, match=r"test\.conll has the tag 'B' in line 1"):
        read(tmp_path, TASK)


def test_a_misspelt_tag_is_found_at_its_own_line_row_or_word(tmp_path: Path):
    for name, text, place in (
        ("a.conll", "-DOCSTART- O\n\nit O\nis o\n", "in line 4"),
        ("b.conll", "1\tAnna\tB-X\n2-3\twont\t_\n2\two\to\n", "in line 3"),
        ("a.csv", "sentence,word,tag\n1,it,O\n1,is,o\n", "in line 3"),
        ("a.jsonl", '{"tokens": "it", "tags": "O"}\n{"tokens": "it is", "tags": "O o"}', "for word 2, 'is', in line 2"),
    ):
        with pytest.raises(DataError, match=f"has the tag 'o' {place}"):
            read(write(tmp_path / name, text), TASK)


@pytest.mark.parametrize(
    "text",
    [
        "Ada B-PER\rruns O\r\rBob B-PER\r",
        "Ada B-PER\rruns O\r \nBob B-PER\n",
        "Ada\tB-PER\r\r\nruns\tO\r\r\n\r\r\nBob\tB-PER\r\r\n",
    ],
)
def test_a_carriage_return_alone_or_doubled_ends_a_line(tmp_path: Path, text: str):
    found = read(write(tmp_path / "a.conll", text), TASK).train
    assert (found.inputs, found.targets) == (("Ada runs", "Bob"), ([[0, 3, "PER"]], [[0, 3, "PER"]]))


def test_lines_that_end_in_a_carriage_return_alone_are_counted(tmp_path: Path):
    with pytest.raises(DataError, match="has the tag 'o' in line 4"):
        read(write(tmp_path / "a.conll", "Ada B-PER\rruns O\r\rBob o\r"), TASK)


HALF = {
    "a text": (
        "a.jsonl",
        '{"text": "fine", "entities": []}\n{"text": "a\\ud83d b", "entities": []}',
        "'text' in line 2",
    ),
    "a word": ("a.jsonl", '{"tokens": ["a\\udc00"], "tags": ["O"]}', "'tokens' in line 1"),
    "a tag": ("a.jsonl", '{"tokens": ["a"], "tags": ["B-\\uD83D"]}', "'tags' in line 1"),
    "words between blanks": ("a.jsonl", '{"tokens": "a \\ud83d", "tags": "O O"}', "'tokens' in line 1"),
    "a list in a cell": ("a.csv", 'tokens,tags\n"[""a\\ud83d""]",O\n', "'tokens' in line 2"),
    "a label": ("a.jsonl", '{"text": "a", "entities": [[0, 1, "\\ud83d"]]}', "'entities' in line 1"),
    "the label of an object": (
        "a.csv",
        'text,entities\na,"[{""start"": 0, ""end"": 1, ""label"": ""\\ud83d""}]"\n',
        "'entities' in line 2",
    ),
    "a row of a word": (
        "a.jsonl",
        '{"sentence": 1, "word": "a", "tag": "O"}\n{"word": "\\ud83d", "tag": "O"}',
        "in line 2",
    ),
    "a row of a tag": (
        "a.jsonl",
        '{"sentence": 1, "word": "a", "tag": "O"}\n{"word": "b", "tag": "\\ud83d"}',
        "in line 2",
    ),
}


@pytest.mark.parametrize("kind", HALF)
def test_half_a_surrogate_pair_is_named_with_its_place(tmp_path: Path, kind: str):
    name, text, place = HALF[kind]
    with pytest.raises(DataError, match="half a surrogate pair") as error:
        read(write(tmp_path / name, text), TASK)
    assert place in error.value.message


def test_a_whole_surrogate_pair_is_a_character(tmp_path: Path):
    file = write(tmp_path / "a.jsonl", '{"tokens": ["\\ud83d\\ude00"], "tags": ["B-X"]}')
    assert read(file, TASK).train.inputs == ("😀",)


@pytest.mark.parametrize(
    ("name", "text", "role"),
    [
        ("a.jsonl", '{"id": 3, "tokens": ["Anna"], "ner_tags": ["B-PER"]}', "tags"),
        ("a.csv", "sentence,word,kind\n1,Anna,B-PER\n", "tag"),
    ],
)
def test_a_missing_column_of_tags_is_named_by_its_role_and_has_the_files_own_columns(
    tmp_path: Path, name: str, text: str, role: str
):
    with pytest.raises(DataError, match=f"no column '{role}'") as error:
        read(write(tmp_path / name, text), TASK)
    assert error.value.hint.endswith(f"`columns={{'others': {{'{role}': 'NAME'}}}}`")
    assert "'text'" not in error.value.message
    own = "ner_tags" if role == "tags" else "kind"
    found = read(tmp_path / name, TASK, columns={"others": {role: own}}).train
    assert found.targets == ([[0, 4, "PER"]],)


def test_texts_without_any_entity_cannot_be_trained_on(tmp_path: Path):
    file = write(tmp_path / "a.conll", "it O\n\nis O\n")
    assert read(file, TASK).train.targets == ([], [])
    with pytest.raises(DataError, match="no entity"):
        read(file, TASK, training=True)


def test_a_folder_of_classes_is_refused(tmp_path: Path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one.txt").write_text("text")
    with pytest.raises(DataError, match="tagged texts"):
        read(tmp_path, TASK)
