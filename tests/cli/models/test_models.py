"""`tlzoo models`, in this process and in one of its own."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tlzoo import plugins
from tlzoo.cli import main
from tlzoo.cli.models import format_count, parse_count
from tlzoo.errors import UsageError

COMMAND = [sys.executable, "-c", "import sys; from tlzoo.cli import main; sys.exit(main())"]


def rows(capsys: pytest.CaptureFixture[str], *options: str) -> list[list[str]]:
    assert main(["models", *options]) == 0
    return [line.split("\t") for line in capsys.readouterr().out.splitlines()]


def test_the_list_has_a_heading_and_one_row_per_checkpoint(capsys: pytest.CaptureFixture[str]) -> None:
    heading, *found = rows(capsys)
    assert heading == ["id", "task", "params", "license", "source"]
    assert ["vision/efficientnet-lite0", "image-classification", "3.37M", "Apache-2.0", "pypi"] in found
    assert len(found) >= 45


def test_every_option_narrows_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--task", "text-classification", "--license", "mit", "--max-params", "125M", "--language", "id")
    options += ("--plugin", "nlp", "--text", "indo4b", "--sort", "-parameters")
    assert [row[0] for row in rows(capsys, *options)[1:]] == ["nlp/indobert-base-p1"]


def test_a_task_finds_what_can_be_trained_for_it(capsys: pytest.CaptureFixture[str]) -> None:
    texts = {row[0] for row in rows(capsys, "--task", "text-classification")[1:]}
    assert "nlp/all-minilm-l6-v2" in texts
    for task in ("text-tokens", "text-multilabel", "Text-Regression"):
        assert {row[0] for row in rows(capsys, "--task", task)[1:]} == texts
    assert rows(capsys, "--task", "image-tokens")[1:] == []
    assert rows(capsys, "--task", "image-nonsense")[1:] == []


def test_more_options_narrow_the_list_further(capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--modality", "image", "--license", "permissive", "--min-params", "20M", "--max-input-size", "224")
    options += ("--min-feature-dim", "2048", "--max-feature-dim", "2048", "--pretrained-on", "imagenet-1k")
    found = [row[0] for row in rows(capsys, *options, "--source", "hub")[1:]]
    assert "vision/resnet50" in found
    assert not {"vision/resnet18", "vision/vgg16"} & set(found)
    assert rows(capsys, "--tag", "by-package", "--source", "hub")[1:] == []


def test_licences_that_forbid_selling_are_a_group(capsys: pytest.CaptureFixture[str]) -> None:
    found = rows(capsys, "--license", "non-commercial")[1:]
    assert found
    assert {row[3] for row in found} == {"CC-BY-NC-4.0"}


def test_pages_go_on_where_the_last_ended(capsys: pytest.CaptureFixture[str]) -> None:
    whole = rows(capsys, "--sort", "-parameters")[1:]
    assert rows(capsys, "--sort", "-parameters", "--limit", "5", "--page", "3")[1:] == whole[10:15]
    assert rows(capsys, "--sort", "-parameters", "--offset", "4", "--limit", "2")[1:] == whole[4:6]
    assert rows(capsys, "--sort", "-parameters", "--page", "2")[1:] == whole[50:100]
    assert main(["models", "--limit", "5"]) == 0
    assert f"1 to 5 of {len(whole)}" in capsys.readouterr().err


def test_the_json_of_a_page_says_how_many_there_are_in_all(command: Any) -> None:
    page = command("models", "--limit", 2, "--page", 2, "--json")
    document = json.loads(page.out)
    assert set(document) == {"total", "offset", "limit", "checkpoints"}
    assert (document["offset"], document["limit"], len(document["checkpoints"])) == (2, 2, 2)
    assert document["total"] == len(json.loads(command("models", "--json").out))


def test_show_says_the_licences_group_the_preprocessing_the_source_and_how_to_cite(command: Any) -> None:
    shown = command("models", "show", "vision/efficientnet-lite0").out
    assert "Apache-2.0 (permissive)" in shown
    assert "image, 224 x 224 pixels, bicubic, center crop 0.875" in shown
    assert "MB" in shown
    assert "author = {Tan, Mingxing and others}" in shown
    assert "registry\tbuilt-in" in shown
    document = command("models", "show", "vision/efficientnet-lite0", "--json").json
    assert (document["license_group"], document["origin"], document["shadows"]) == ("permissive", "built-in", [])
    assert document["bytes"] == sum(member["size"] for member in document["source"]["members"])


def test_an_entry_that_hides_another_is_reported_in_the_list_and_when_it_is_shown(
    command: Any, zoo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = json.loads((zoo.folder / "registry.json").read_text())
    registry["checkpoints"][0] |= {"id": "vision/resnet50", "stages": [{"name": "all", "parameters": 1000}]}
    own = tmp_path / "own.json"
    own.write_text(json.dumps(registry))
    monkeypatch.setenv("TLZOO_REGISTRY", str(own))
    listed = command("models", "--plugin", "vision")
    (line,) = listed.err.splitlines()
    assert "1 entry is shadowed" in line
    assert "vision/resnet50" in line
    assert sum(line.startswith("vision/resnet50\t") for line in listed.out.splitlines()) == 1
    shown = command("models", "show", "vision/resnet50", "--json").json
    assert (shown["origin"], shown["shadows"]) == (str(own), ["built-in"])
    assert f"{own}; shadows the entry of built-in" in command("models", "show", "vision/resnet50").out


def test_json_is_one_document_with_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--plugin", "speech", "--sort", "parameters", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found[0]["id"] == "speech/resemblyzer"
    assert found[0]["source"]["members"][0]["path"] == "resemblyzer/pretrained.pt"
    assert {entry["plugin"] for entry in found} == {"speech"}


def test_nothing_found_is_an_empty_document_and_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--text", "no such thing", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_show_tells_everything_of_one_checkpoint(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "show", "vision/resnet50", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["parameters"], document["license"]) == (23_508_032, "Apache-2.0")
    assert main(["models", "show", "vision/resnet50"]) == 0
    assert "timm/resnet50.a1_in1k" in capsys.readouterr().out


def test_show_lists_the_stages_from_input_to_output_with_their_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "show", "vision/resnet50", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [stage["name"] for stage in document["stages"]] == ["stem", "layer1", "layer2", "layer3", "layer4"]
    assert sum(stage["parameters"] for stage in document["stages"]) == document["parameters"]
    assert main(["models", "show", "vision/resnet50"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[out.index("stage\tparams") + 1] == "stem\t9.54K"


def test_stages_that_the_registry_lacks_are_counted_on_the_network_that_the_plugin_builds(command: Any) -> None:
    shown = command("models", "show", "nlp/test-bert", "--json")
    stages = {stage["name"]: stage["parameters"] for stage in json.loads(shown.out)["stages"]}
    assert (shown.code, list(stages)) == (0, ["embeddings", "layer.0", "layer.1"])
    assert stages["layer.1"] == 4 * 32 * 33 + 2 * 32 * 48 + 48 + 32 + 4 * 32
    assert "building the network" in shown.err
    assert f"{sum(stages.values()):,}" in shown.err
    assert "the registry entry says 1,000" in shown.err


def test_stages_are_not_guessed_where_an_entry_says_too_little(
    command: Any, zoo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = json.loads((zoo.folder / "registry.json").read_text())
    for entry in registry["checkpoints"]:
        entry["source"]["files"][0]["path"] = str(tmp_path / "gone")
    (tmp_path / "registry.json").write_text(json.dumps(registry))
    monkeypatch.setenv("TLZOO_REGISTRY", str(tmp_path / "registry.json"))
    monkeypatch.setenv("TLZOO_CACHE", str(tmp_path / "cache"))
    shown = command("models", "show", "nlp/test-bert", "--json")
    assert (shown.code, json.loads(shown.out)["stages"]) == (0, [])
    assert "tlzoo pull nlp/test-bert" in shown.err


def test_without_the_plugin_show_says_how_to_learn_the_stages(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLZOO_PLUGINS", "speech")
    plugins.import_plugin.cache_clear()
    shown = command("models", "show", "nlp/test-bert", "--json")
    assert (shown.code, json.loads(shown.out)["stages"]) == (0, [])
    assert "TLZOO_PLUGINS" in shown.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show", "vision/resnt50"], ["vision/resnt50", "vision/resnet50"]),
        (["--max-params", "lots"], ["lots", "10M"]),
        (["--max-params", "-3"], ["-3"]),
        (["--sort", "beauty"], ["beauty", "parameters"]),
        (["--page", "0"], ["page 0"]),
        (["--page", "2", "--offset", "3"], ["--offset"]),
        (["--limit", "-1"], ["-1"]),
    ],
)
def test_a_users_mistake_is_one_line_and_exit_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: list[str]
) -> None:
    assert main(["models", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert all(word in line for word in words)


def test_an_unknown_option_is_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--colour", "red"]) == 2


def test_a_wrong_registry_file_is_one_line_and_exit_2(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text('{"checkpoints": [], "more": 1}')
    environment = {**os.environ, "TLZOO_REGISTRY": str(tmp_path / "r.json")}
    done = subprocess.run([*COMMAND, "models"], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert "r.json" in line
    assert "'more'" in line


def test_the_table_fits_a_terminal_of_100_columns() -> None:
    parent, child = pty.openpty()
    environment = {**os.environ, "COLUMNS": "100", "TERM": "xterm", "NO_COLOR": "1"}
    process = subprocess.Popen([*COMMAND, "models"], env=environment, stdout=child)
    os.close(child)
    shown = b""
    try:
        while chunk := os.read(parent, 65536):
            shown += chunk
    except OSError:
        pass  # how a pseudo-terminal says that the other end is closed
    finally:
        os.close(parent)
    assert process.wait() == 0
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).splitlines()
    assert max(map(len, lines)) <= 100
    (line,) = [line for line in lines if line.startswith("nlp/paraphrase-multilingual-minilm-l12-v2 ")]
    assert line.split()[1:] == ["text-classification", "118M", "Apache-2.0", "hub"]


def test_listing_imports_no_heavy_library() -> None:
    code = (
        "import sys; from tlzoo.cli import main; main(['models']); main(['models', 'show', 'nlp/gpt2'])\n"
        "heavy = {'torch', 'numpy', 'transformers', 'timm', 'onnxruntime', 'huggingface_hub', 'pip'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize(
    ("text", "count"), [("10M", 10_000_000), ("1.5B", 1_500_000_000), ("500k", 500_000), ("1_000", 1000), ("7", 7)]
)
def test_a_count_may_have_a_unit(text: str, count: int) -> None:
    assert parse_count(text) == count


@pytest.mark.parametrize("text", ["", "M", "ten", "-1", "nan", "inf", "1T", "1e400"])
def test_what_is_no_count_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_count(text)


@pytest.mark.parametrize(
    ("count", "text"), [(7, "7"), (1500, "1.5K"), (23_508_032, "23.5M"), (134_260_544, "134M"), (999_999_999, "1B")]
)
def test_a_count_is_shown_with_three_digits(count: int, text: str) -> None:
    assert format_count(count) == text


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--modality", "imgae"), "No checkpoint has --modality imgae. Did you mean image?"),
        (("--task", "image-clasification"), "No checkpoint has --task image-clasification. Did you mean image-classif"),
        (("--task", "tokens"), "No checkpoint has --task tokens. Did you mean text-tokens?\n"),
        (
            ("--task", "classification"),
            "Did you mean audio-classification or image-classification or text-classification?\n",
        ),
        (("--task", "depth"), "audio-regression, image-classification, image-multilabel, image-regression, text-cl"),
        (("--language", "indonesian"), "Give an ISO 639-1 code, such as id for Indonesian."),
        (("--source", "floppy"), "No checkpoint has --source floppy. There are: hub, pypi."),
        (("--pretrained-on", "ImageNet"), "Did you mean imagenet-1k or imagenet-22k or imagenet-21k?"),
        (("--license", "permisive"), "permisive is no SPDX expression such as Apache-2.0, nor one of permissive, copy"),
        (("--license", "Zlib"), "No checkpoint matches. List all: tlzoo models"),
        (("--task", "image-regression", "--text", "qqq"), "No checkpoint matches. List all: tlzoo models"),
    ],
)
def test_a_word_that_no_entry_has_is_named(
    capsys: pytest.CaptureFixture[str], options: tuple[str, ...], said: str
) -> None:
    assert main(["models", *options]) == 0
    assert said in capsys.readouterr().err
    assert main(["models", *options, "--json"]) == 0
    answer = capsys.readouterr()
    assert (json.loads(answer.out), said in answer.err) == ([], True)


@pytest.mark.parametrize(
    ("sort", "said"),
    [
        ("size", "--sort size is unknown. Choose one of: id, task, "),
        ("-parametrs", "--sort -parametrs is unknown. Did you mean -parameters?"),
    ],
)
def test_an_unknown_order_is_named_by_its_flag(command: Any, sort: str, said: str) -> None:
    done = command("models", f"--sort={sort}")
    assert (done.code, said in done.err) == (2, True)


def test_an_empty_page_is_named_beside_its_document(command: Any) -> None:
    page = command("models", "--page", 99, "--json")
    document = json.loads(page.out)
    assert (page.code, document["checkpoints"], document["total"] > 0) == (0, [], True)
    assert f"This page is empty; {document['total']} checkpoints match." in page.err
    found = command("models", "--limit", 0, "--json")
    assert (json.loads(found.out)["checkpoints"], "This page is empty" in found.err) == ([], True)


def test_every_task_that_is_listed_finds_a_checkpoint(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--task", "depth"]) == 0
    listed = capsys.readouterr().err.partition("There are: ")[2].strip().rstrip(".").split(", ")
    assert "text-tokens" in listed
    for task in listed:
        assert len(rows(capsys, "--task", task)) > 1, task
