"""Nothing looks a host up unless the user asked for a download: neither tlzoo nor what it is built on."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from shared_fixtures.outgoing import LONG_ENOUGH, hosts

COMMANDS = """
import json, sys, time
from tlzoo.cli import main
codes = [main(command) for command in json.loads(sys.argv[1])]
time.sleep(float(sys.argv[2]))
sys.exit(max(codes))
"""


@pytest.fixture(autouse=True)
def as_a_user_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the variables that tlzoo has set in this process."""
    for name in ("ORT_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY"):
        monkeypatch.delenv(name, raising=False)


def python(program: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", program, *arguments, str(LONG_ENOUGH)]


def test_whatever_is_looked_up_is_recorded():
    program = "import urllib.request; urllib.request.urlopen('http://host.invalid')"
    code, found, said = hosts([sys.executable, "-c", program])
    assert code != 0
    assert [host for host in found if "host.invalid" in host] != [], said


@pytest.mark.parametrize("offline", ["0", pytest.param("1", marks=pytest.mark.release)])
def test_a_file_that_is_used_reaches_for_no_host(zoo: Any, text_file: Any, texts: Path, offline: str):
    file = str(text_file.file)
    commands = [["predict", file, "a lovely day"], ["evaluate", file, str(texts)], ["verify", file, str(texts)]]
    code, found, said = hosts(python(COMMANDS, json.dumps(commands)), TLZOO_OFFLINE=offline)
    assert code == 0, said
    assert found == []


@pytest.mark.release
@pytest.mark.parametrize("offline", ["1", "0"])
@pytest.mark.parametrize("checkpoint", ["vision/test-resnet", "nlp/test-bert", "speech/test-wav2vec2"])
def test_the_whole_way_from_data_to_answers_reaches_for_no_host(
    zoo: Any, pictures: Path, texts: Path, recordings: Path, tmp_path: Path, checkpoint: str, offline: str
):
    data = {"vision": pictures, "nlp": texts, "speech": recordings}[checkpoint.partition("/")[0]]
    run, adapted, file = str(tmp_path / "run"), str(tmp_path / "adapted"), str(tmp_path / "model.onnx")
    commands = [
        ["finetune", checkpoint, str(data), "--out", run, "--strategy", "finetune", "--epochs", "1"],
        ["adapt", run, "--target", str(data), "--out", adapted],
        ["export", run, "--out", file, "--precision", "fp32"],
        ["verify", file, str(data)],
        ["evaluate", file, str(data)],
        ["bench", file],
        ["inspect", file],
        ["models"],
        ["plugins", "list"],
    ]
    code, found, said = hosts(python(COMMANDS, json.dumps(commands)), TLZOO_OFFLINE=offline)
    assert code == 0, said
    assert found == []


def test_whoever_imports_onnxruntime_first_is_told(tmp_path: Path):
    program = "import onnxruntime\nimport tlzoo\n"
    _, _, said = hosts([sys.executable, "-c", program])
    assert "RuntimeWarning: onnxruntime was imported before tlzoo" in said
    _, _, said = hosts([sys.executable, "-c", program], ORT_DISABLE_TELEMETRY="1")
    assert said == ""


def test_what_the_user_has_set_stays():
    program = "import os, tlzoo; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    code, _, said = hosts([sys.executable, "-c", program], ORT_DISABLE_TELEMETRY="0")
    assert (code, said) == (0, "0\n")
    assert "ORT_DISABLE_TELEMETRY" not in os.environ
