"""Code, addresses and paths in what lies around: distributions, folders, models, repositories, the environment."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from shared_fixtures.hostile.archives import CONTENT, INFO, MEMBER, PLUGIN, SDIST, WHEEL

WEIGHTS = {"parameters": 1, "feature_dim": 1, "preprocess": {"kind": "text", "max_length": 8}}


@dataclass(frozen=True)
class Situation:
    """Commands that are run there, with this environment, and the exit codes that they may have."""

    commands: list[list[Any]]
    environment: dict[str, str] = field(default_factory=dict)
    codes: tuple[int, ...] = (0, 2)


Build = Callable[..., Situation]


def _trace(outside: Path) -> str:
    return f"open({str(outside / 'trace')!r}, 'w')\n"


def _code_files(outside: Path) -> dict[str, dict[str, str]]:
    """Files that a build, an installation or an interpreter would run, by what they are."""
    code = _trace(outside)
    backend = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    project = '[project]\nname = "tiny-weights"\nversion = "1.0"\n'
    return {
        "setup.py": {"setup.py": code},
        "backend": {"pyproject.toml": backend + project, "backend.py": code},
        "setup.cfg": {"setup.cfg": "[metadata]\nversion = attr: evil.version\n", "evil.py": code},
        "sitecustomize": {"sitecustomize.py": code, "usercustomize.py": code},
        "path file": {"evil.pth": f"import os; {code}"},
        "pip": {"pip.py": code, "pip/__main__.py": code, "pip/__init__.py": code},
        "standard library": dict.fromkeys(("json.py", "re.py", "zipfile.py", "typing.py"), code),
        "conftest": {"conftest.py": code, "noxfile.py": code, "tasks.py": code},
        "package": {"tiny/__init__.py": code, "tiny/__main__.py": code},
    }


KINDS = tuple(_code_files(Path("/")))


def _entry(place: Path, archive: str) -> Path:
    pin = {"path": MEMBER, "sha256": hashlib.sha256(CONTENT).hexdigest(), "size": len(CONTENT)}
    source = {"kind": "pypi", "project": "tiny-weights", "version": "1.0", "archive": archive, "members": [pin]}
    entry = {"id": "mine/weights", "architecture": "x", "tasks": ["text-classification"], "source": source}
    (place / "registry.json").write_text(json.dumps({"checkpoints": [{**entry, **WEIGHTS}]}))
    return place / "registry.json"


def _sdist(kind: str, place: Path, outside: Path, index: Path, **rest: Any) -> Situation:
    with tarfile.open(index / SDIST, "w:gz") as bundle:
        for name, text in {**_code_files(outside)[kind], "PKG-INFO": "Name: tiny-weights\nVersion: 1.0\n"}.items():
            info = tarfile.TarInfo(f"tiny_weights-1.0/{name}")
            info.size = len(text)
            bundle.addfile(info, io.BytesIO(text.encode()))
        info = tarfile.TarInfo(MEMBER)
        info.size = len(CONTENT)
        bundle.addfile(info, io.BytesIO(CONTENT))
    new = ["registry", "new-entry", index / SDIST, "--id", "mine/x", "--architecture", "x", "--parameters", 1]
    return Situation([["pull", "mine/weights"], new], {"TLZOO_REGISTRY": str(_entry(place, SDIST))})


def _wheel(kind: str, place: Path, outside: Path, index: Path, **rest: Any) -> Situation:
    with zipfile.ZipFile(index / WHEEL, "w") as bundle:
        scripts = {"tiny_weights-1.0.data/scripts/evil": "#!python\n" + _trace(outside)}
        points = {f"{INFO}/entry_points.txt": "[console_scripts]\npip = evil:main\n[tlzoo]\ntiny = tiny_weights\n"}
        for name, content in {**PLUGIN, MEMBER: CONTENT, **_code_files(outside)[kind], **scripts, **points}.items():
            bundle.writestr(name, content)
    return Situation([["pull", "mine/weights"]], {"TLZOO_REGISTRY": str(_entry(place, WHEEL))})


def _around(kind: str, archive: str, place: Path, outside: Path, index: Path, **rest: Any) -> Situation:
    """The code lies in the folder where tlzoo is called; the archive is a good one."""
    build = _sdist if archive == SDIST else _wheel
    made = build("package", place=place, outside=outside, index=index)
    for name, text in _code_files(outside)[kind].items():
        (place / name).parent.mkdir(exist_ok=True)
        if not (place / name).exists():
            (place / name).write_text(text)
    return made


PROJECTS = {
    "name up": 'name = "../../outside/x"',
    "absolute name": 'name = "/outside/x"',
    "name with a folder": 'name = "a/b"',
    "name with NUL": 'name = "a\\u0000b"',
    "long name": f'name = "{"a" * 5000}"',
    "empty name": 'name = ""',
    "name with a line end": 'name = "a\\nRequires-Dist: evil"',
    "name of commands": 'name = "a\\u001b[2J\\u202e"',
    "version with a line end": 'name = "a"\nversion = "1\\nName: evil"',
    "version of another type": 'name = "a"\nversion = [1]',
    "licence files up": 'name = "a"\nversion = "1"\nlicense-files = ["../../outside/*"]',
    "licence files outside": 'name = "a"\nversion = "1"\nlicense-files = ["/etc/*"]',
    "licence files of another type": 'name = "a"\nversion = "1"\nlicense-files = 5',
    "empty licence file": 'name = "a"\nversion = "1"\nlicense-files = [""]',
    "licence of another type": 'name = "a"\nversion = "1"\nlicense = 5',
    "dependencies of another type": 'name = "a"\nversion = "1"\ndependencies = 5',
    "dependency of another type": 'name = "a"\nversion = "1"\ndependencies = [[1], "x @ file:///etc/passwd"]',
    "dynamic of another type": 'name = "a"\ndynamic = 5',
    "extras of another type": 'name = "a"\nversion = "1"\noptional-dependencies = {a = 5}',
    "entry points of another type": 'name = "a"\nversion = "1"\nentry-points = "x"',
    "entry point of another type": 'name = "a"\nversion = "1"\nentry-points = {tlzoo = {a = [1], "b\\nc" = "x"}}',
    "entry point with a section": 'name = "a"\nversion = "1"\nentry-points = {"a]\\n[b" = {c = "d"}}',
    "entry point of a program": 'name = "a"\nversion = "1"\nentry-points = {tlzoo = {a = "os:system"}}',
    "deep": f'name = "a"\nx = {"[" * 20_000}',
    "deep tables": f'name = "a"\n[{".".join("a" * 20_000)}]',
    "numbers": f'name = "a"\nx = {"9" * 6000}',
}


def _project(label: str, place: Path, outside: Path, **rest: Any) -> Situation:
    (place / "pyproject.toml").write_text("[project]\n" + PROJECTS[label].replace("/outside/x", f"{outside}/x"))
    (place / "setup.py").write_text(_trace(outside))
    (place / "setup.cfg").write_text("[options]\n")
    return Situation([["plugins", "check", "."], ["plugins", "check", f"{place}/"]])


def _project_file(kind: str, place: Path, outside: Path, **rest: Any) -> Situation:
    file = place / "pyproject.toml"
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "device":
        file.symlink_to("/dev/zero")
    elif kind == "folder":
        file.mkdir()
    elif kind == "loop":
        file.symlink_to(file)
    else:
        file.write_bytes(b"\xff\xfe" * 100)
    return Situation([["plugins", "check", "."]], codes=(2,))


def _external(where: str, place: Path, outside: Path, model: Path, pictures: Path, **rest: Any) -> Situation:
    """The exported model with a tensor that lies, as ONNX lets it, in another file."""
    import onnx

    from shared_fixtures.sealed import save

    proto = onnx.load(model)
    tensors = [tensor for tensor in proto.graph.initializer if tensor.raw_data] or [
        node.attribute[0].t for node in proto.graph.node if node.op_type == "Constant"
    ]
    tensor = tensors[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in {"location": where.replace("OUTSIDE", str(outside)), "offset": "0", "length": "4"}.items():
        tensor.external_data.add(key=key, value=value)
    changed = save(proto, place / "model.onnx")
    picture = next(pictures.glob("*/*.png"))
    commands = [["predict", changed, picture], ["inspect", changed], ["bench", changed], ["verify", changed, pictures]]
    return Situation(commands, codes=(2,))


LOCATIONS = ("../outside/secret", "OUTSIDE/secret", "secret", "/etc/passwd", "/dev/zero", "", "a\0b", "pyproject.toml")
BERT = {
    "model_type": "bert", "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8,
    "vocab_size": 20, "max_position_embeddings": 16,
}  # fmt: skip
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "auto_map": {"auto_map": {"AutoModel": "evil.Model", "AutoConfig": "evil.Config"}},
    "auto_map elsewhere": {"auto_map": {"AutoModel": "evil/code--evil.Model"}},
    "trust_remote_code": {"trust_remote_code": True, "auto_map": {"AutoModel": "evil.Model"}},
    "another class": {"architectures": ["os.system"], "model_type": "evil"},
    "a kernel": {"attn_implementation": "evil/kernel", "_attn_implementation": "evil/kernel"},
    "a path": {"_name_or_path": "/etc/passwd", "tokenizer_file": "/etc/passwd", "vocab_file": "../../outside/secret"},
    "a type": {"torch_dtype": "os.system", "dtype": "evil"},
    "quantization": {"quantization_config": {"quant_method": "evil", "modules_to_not_convert": ["a"]}},
    "pipelines": {"custom_pipelines": {"x": {"impl": "evil.Pipeline"}}},
    "backbone": {"backbone": "evil/net", "use_pretrained_backbone": True, "use_timm_backbone": True},
    "a base": {"base_model_name_or_path": "/etc", "peft_type": "LORA"},
}
TOKENIZERS: dict[str, dict[str, Any]] = {
    "tokenizer code": {"auto_map": {"AutoTokenizer": ["evil.Tokenizer", None]}},
    "tokenizer class": {"tokenizer_class": "os.system"},
    "chat template": {"chat_template": "{{ ''.__class__.__mro__[1].__subclasses__() }}"},
}


def _repository(label: str, hub: Any, outside: Path, **rest: Any) -> Situation:
    code = _trace(outside).encode()
    config = {**BERT, **CONFIGURATIONS.get(label, {})}
    hub.repositories["tiny/net"] = {
        "config.json": json.dumps(config).encode(),
        "tokenizer_config.json": json.dumps(TOKENIZERS.get(label, {})).encode(),
        "tokenizer.json": b"{}",
        "model.safetensors": b"w",
        **dict.fromkeys(("evil.py", "modeling.py", "configuration.py", "__init__.py", "requirements.txt"), code),
    }
    return Situation([["models", "show", "hf/tiny/net"], ["pull", "hf/tiny/net"]], {"TLZOO_OFFLINE": ""})


CARDS = (
    "license: !!python/object/apply:os.system ['touch OUTSIDE/trace']",
    "license: &a [*a, *a]\nlanguage: *a",
    "a: &a [x,x,x,x]\nb: &b [*a,*a,*a,*a]\nlicense: *b",
    "license: {{ evil }}\ntags: [$(touch OUTSIDE/trace)]",
)


def _card(number: int, place: Path, outside: Path, zoo: Any, **rest: Any) -> Situation:
    weights = next((zoo.folder / "weights" / "resnet").iterdir())
    (place / weights.name).write_bytes(weights.read_bytes())
    text = CARDS[number].replace("OUTSIDE", str(outside))
    (place / "README.md").write_text(f"---\n{text}\n---\n")
    given = ["--id", "vision/x", "--architecture", "x", "--feature-dim", 1, "--task", "image-classification"]
    preprocess = ["--preprocess", '{"kind": "image", "size": [8, 8], "mean": [0, 0, 0], "std": [1, 1, 1]}']
    return Situation([["registry", "new-entry", place / weights.name, *given, *preprocess]])


VARIABLES = {
    "TLZOO_PLUGINS": "$(touch OUTSIDE/trace),../evil,\u202e",
    "TLZOO_REGISTRY": "$(touch OUTSIDE/trace)",
    "TLZOO_TRUSTED_HOSTS": "*,$(touch OUTSIDE/trace)",
    "TLZOO_MEMORY": "__import__('os').system('touch OUTSIDE/trace')",
    "TLZOO_LOCK": "$(touch OUTSIDE/trace)",
    "PAGER": "touch OUTSIDE/trace",
    "BROWSER": "touch OUTSIDE/trace",
    "LESSOPEN": "|touch OUTSIDE/trace",
}


def _variable(name: str, outside: Path, model: Path, pictures: Path, **rest: Any) -> Situation:
    picture = next(pictures.glob("*/*.png"))
    value = VARIABLES[name].replace("OUTSIDE", str(outside))
    commands = [["models", "--limit", 1], ["models", "--help"], ["predict", model, picture], ["plugins", "list"]]
    return Situation([*commands, ["cache", "list"], ["pull", "vision/test-resnet"]], {name: value})


def _situations() -> Iterator[tuple[str, Build]]:
    for kind in KINDS:
        yield f"sdist: {kind}", partial(_sdist, kind)
        yield f"wheel: {kind}", partial(_wheel, kind)
    for kind in ("pip", "standard library", "sitecustomize"):
        yield f"around an sdist: {kind}", partial(_around, kind, SDIST)
        yield f"around a wheel: {kind}", partial(_around, kind, WHEEL)
    for label in PROJECTS:
        yield f"project: {label}", partial(_project, label)
    for kind in ("pipe", "device", "folder", "loop", "noise"):
        yield f"project: {kind}", partial(_project_file, kind)
    for where in LOCATIONS:
        yield f"external data: {where!r}", partial(_external, where)
    for label in (*CONFIGURATIONS, *TOKENIZERS):
        yield f"repository: {label}", partial(_repository, label)
    for number in range(len(CARDS)):
        yield f"card: {number}", partial(_card, number)
    for name in VARIABLES:
        yield f"environment: {name}", partial(_variable, name)


SITUATIONS = list(_situations())
