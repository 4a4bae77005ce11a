"""Bad plugins: places in the plugin `duo` where code of its own runs, and what goes wrong there."""

from __future__ import annotations

from dataclasses import dataclass

WRAP = """
_planted_{name} = {owner}{name}


{before}def planted_{name}(*given, **named):
    {body}
    return _planted_{name}(*given, **named)


{owner}{name} = planted_{name}
"""
HOOK = """
_planted_{name} = {name}


@hookimpl
def {name}({arguments}):
    {body}
    return _planted_{name}({arguments})
"""
INNER = """
_planted_{name} = {name}


@hookimpl
def {name}({arguments}):
    answer = _planted_{name}({arguments})

    def planted(*given, **named):
        {body}
        return answer{inner}(*given, **named)

    return {wrapped}
"""
PREPROCESSING = """

@hookimpl
def make_preprocessor(spec):
    import numpy as np

    if spec.kind != "plugin":
        return None
    {hook}

    def planted(inputs):
        from PIL import Image

        {call}
        return {{"image": np.stack([np.asarray(Image.open(one).resize((8, 8))) for one in inputs])}}

    return planted
"""
RESOLVE = """

@hookimpl
def resolve_checkpoint(id, repository):
    {body}
    from tlzoo import registry

    source = {"kind": "hub", "repo": "duo/means", "files": [{"path": "x"}]}
    known = registry.get("duo/means").model_dump(mode="json", exclude_none=True)
    return type(registry.get("duo/means")).model_validate({**known, "id": id, "source": source})
"""


@dataclass(frozen=True)
class Place:
    """Where code of the plugin runs: what is appended to which module, the command that gets there, what returns."""

    command: str
    module: str
    code: str
    returns: str = "nothing"
    torch: bool = True

    def plant(self, body: str) -> str:
        """The code that does this there."""
        return self.code.replace("{body}", body)


def _method(name: str, owner: str = "Two.", command: str = "train", returns: str = "value") -> Place:
    return Place(command, "tasks", WRAP.format(name=name, owner=owner, before="", body="{body}"), returns)


def _hook(command: str, name: str, arguments: str, returns: str = "object") -> Place:
    return Place(command, "plugin", HOOK.format(name=name, arguments=arguments, body="{body}"), returns)


def _registered(command: str, kind: str, wrapped: str, inner: str, returns: str) -> Place:
    code = INNER.format(name=f"register_{kind}", arguments="", body="{body}", inner=inner, wrapped=wrapped)
    return Place(command, "plugin", code, returns)


def _forward(owner: str, module: str, command: str, returns: str) -> Place:
    return Place(command, module, WRAP.format(name="forward", owner=owner, before="", body="{body}"), returns)


_LOSS = """
_planted_head = build_head


def build_head(backbone, task, options):
    from dataclasses import replace

    head = _planted_head(backbone, task, options)

    def loss(outputs, batch):
        {body}
        return head.loss(outputs, batch)

    return replace(head, loss=loss)
"""
GOOD_PREPROCESSING = PREPROCESSING.format(hook="pass", call="pass")
_PREPROCESSING = {
    "preprocessing": Place("own", "plugin", PREPROCESSING.format(hook="pass", call="{body}"), "arrays"),
    "hook make_preprocessor": Place("own", "plugin", PREPROCESSING.format(hook="{body}", call="pass"), "object"),
    "preprocessing in predict": Place("predict", "plugin", PREPROCESSING.format(hook="pass", call="{body}"), "arrays"),
    "hook make_preprocessor in predict": Place(
        "predict", "plugin", PREPROCESSING.format(hook="{body}", call="pass"), "object"
    ),
}
PLACES = {
    "import": Place("train", "plugin", "{body}"),
    "import of a part": Place("train", "means", "{body}"),
    "hook load_backbone": _hook("train", "load_backbone", "checkpoint, weights, output"),
    "hook build_head": _hook("head", "build_head", "backbone, task, options"),
    "hook freeze": _hook("freeze", "freeze", "model, policy"),
    "hook register_tasks": _hook("train", "register_tasks", "", "list"),
    "hook register_strategies": _hook("strategy", "register_strategies", "", "list"),
    "hook register_formats": _hook("format", "register_formats", "", "list"),
    "hook register_adaptation": _hook("adapt", "register_adaptation", "", "list"),
    "hook export": _hook("export", "export", "model, path, opset"),
    "hook resolve_checkpoint": Place("lookup", "plugin", RESOLVE, "object", torch=False),
    "network": _forward("Means.", "means", "train", "features"),
    "head": _forward("TwoLayers.", "heads", "train", "outputs"),
    "loss": Place("train", "heads", _LOSS, "loss"),
    "task's read": _method("read", returns="target"),
    **{f"task's {name}": _method(name) for name in ("fit", "collate", "metrics", "samplewise", "decode")},
    "task's decode in predict": _method("decode", command="predict"),
    "strategy": _registered(
        "strategy", "strategies", "[replace(one, train=planted) for one in answer[:1]]", "[0].train", "value"
    ),
    "format": _registered(
        "format", "formats", "[replace(one, write=planted) for one in answer]", "[0].write", "nothing"
    ),
    "adaptation method": _registered(
        "adapt", "adaptation", "[AdaptationMethod('adabn', planted)]", "[0].adapt", "value"
    ),
    **_PREPROCESSING,
}  # fmt: skip

RAISED = {
    "ValueError": "raise ValueError('planted')",
    "an error of two lines": "raise RuntimeError('planted\\nsecond \\x1b[31m line')",
    "an error without text": "raise type('Mute', (Exception,), {'__str__': lambda self: 1 / 0})('planted')",
    "an error like tlzoo's own bug": "raise AssertionError('Bug: planted')",
    "KeyError": "raise KeyError('planted')",
    "BrokenPipeError": "raise BrokenPipeError(32, 'planted')",
    "a full disk": "raise OSError(28, 'planted')",
    "ModuleNotFoundError": "raise ModuleNotFoundError('No module named planted', name='onnx')",
    "RecursionError": "(lambda again: again(again))(lambda again: again(again))",
    "MemoryError": "raise MemoryError('planted')",
    "BaseException": "raise type('Odd', (BaseException,), {})('planted')",
    "KeyboardInterrupt": "raise KeyboardInterrupt('planted')",
    "like KeyboardInterrupt": "raise type('Halt', (KeyboardInterrupt,), {})('planted')",
    "GeneratorExit": "raise GeneratorExit('planted')",
    "StopIteration": "raise StopIteration('planted')",
    **{f"SystemExit({code})": f"raise SystemExit({code})" for code in (None, 0, 1, 2, 129, 130, 143, "'planted'")},
    "sys.exit(143)": "__import__('sys').exit(143)",
}
"""What is raised: an error with exit code 2 that names the plugin."""

PRINTED = {
    "print": "print('planted')",
    "fd 1": "__import__('os').write(1, b'planted\\n')",
    "a program that prints": "__import__('subprocess').run(['echo', 'planted'], check=True)",
}
"""What is written to stdout: none of it arrives there."""

_TORCH = "__import__('torch')"
CHANGED = {
    "torch's default dtype": f"{_TORCH}.set_default_dtype({_TORCH}.float64)",
    "torch's number of threads": f"{_TORCH}.set_num_threads(3)",
    "torch's grad mode": f"globals().setdefault('_grad', {_TORCH}.is_grad_enabled()); "
                         f"{_TORCH}.set_grad_enabled(not _grad)",
    "torch's deterministic algorithms": f"{_TORCH}.use_deterministic_algorithms(True, warn_only=True)",
    "torch's precision of float32 products": f"{_TORCH}.set_float32_matmul_precision('medium')",
    "torch's autocast": f"{_TORCH}.set_autocast_enabled('cpu', True)",
    "torch's detection of anomalies": f"{_TORCH}.autograd.set_detect_anomaly(True)",
    "numpy's handling of errors": "__import__('numpy').seterr(all='raise')",
    "SIGTERM": "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)",
    "SIGINT": "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)",
    "SIGHUP": "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)",
    "the filters of warnings": "__import__('warnings').simplefilter('ignore')",
    "the working directory": "__import__('os').chdir('/')",
    "the locale": "import locale; globals().setdefault('_place', locale.setlocale(locale.LC_ALL)); "
                  "locale.setlocale(locale.LC_ALL, 'C.UTF-8' if _place == 'C' else 'C')",
    "the recursion limit": "import sys; sys.setrecursionlimit(1234)",
    "the garbage collector": "__import__('gc').disable()",
    "the umask": "__import__('os').umask(0o777)",
    "the time limit of sockets": "import socket; socket.setdefaulttimeout(0.001)",
    "sys.excepthook": "import sys; sys.excepthook = print",
    "torch's use of oneDNN and cuDNN": f"{_TORCH}.backends.mkldnn.enabled = False",
    "sys.stdout": "__import__('sys').stdout = None",
    "sys.stdout kept": "import io, sys; sys.stdout = io.StringIO()",
    "sys.stderr": "import io, sys; sys.stderr = io.StringIO()",
    "the handlers of the root logger": "import logging; logging.root.addHandler(logging.NullHandler())",
    "a thread that changes the dtype": "import threading, torch; one = threading.Thread(target="
                                       "lambda: torch.set_default_dtype(torch.float64)); one.start(); one.join()",
    "the environment of tlzoo": "__import__('os').environ['TLZOO_CACHE'] = '/nowhere'",
}  # fmt: skip
"""What is changed for the whole process: put back, the plugin named, the answer as ever."""

ENDURED = {
    "seeds": f"{_TORCH}.manual_seed(7), __import__('random').seed(7), __import__('numpy').random.seed(7)",
    "hangs": "'_hung' in globals() or globals().update(_hung=__import__('time').sleep(0.4))",
    "a thread that goes on": "import threading, time; "
                             "threading.Thread(target=time.sleep, args=(0.2,), daemon=True).start()",
}  # fmt: skip
"""What is rude and changes no answer."""

_TENSORS = ("None", "'planted'", "{}", "__import__('torch').ones(1)", "(None, None)")
RETURNED = {
    "object": ("3", "object()", "[]", "float('nan')"),
    "list": ("3", "[3]", "[None]", "None"),
    "value": ("None", "3", "'planted'", "object()", "[None]"),
    "target": ("None", "'planted'", "object()", "[None]"),
    "features": (*_TENSORS, *(f"_planted_forward(*given){wrong}" for wrong in (
        "[:, :3]", "[:1]", "[None]", ".double()", " * float('nan')", ".tolist()", ".numpy(force=True)", ".long()",
    ))),
    "outputs": (*_TENSORS, *(f"tuple(one{wrong} for one in _planted_forward(*given))" for wrong in (
        "[:1]", "[None]", ".double()", " * float('nan')", ".tolist()", ".long()", ".detach()",
    )), "_planted_forward(*given)[0]", "_planted_forward(*given)[::-1]"),
    "loss": (*_TENSORS, "float('nan')", "1.0", "outputs['size']", "head.loss(outputs, batch) * float('nan')",
             "head.loss(outputs, batch).detach()", "head.loss(outputs, batch).item()"),
    "arrays": ("None", "3", "[]", "{}", "{'image': None}", "{'other': np.zeros((len(inputs), 8, 8, 3), np.uint8)}",
               "{'image': np.zeros((len(inputs) - 1, 8, 8, 3), np.uint8)}", "{'image': np.zeros(len(inputs), object)}",
               "{'image': np.full((len(inputs), 8, 8, 3), 'a')}", "{'image': np.zeros((len(inputs), 8, 8), np.uint8)}",
               "{'image': np.full((len(inputs), 8, 8, 3), np.nan)}"),
    "nothing": (),
}  # fmt: skip
"""What is returned where something else should be: an error with exit code 2 that names the plugin."""


@dataclass(frozen=True)
class BadPlugin:
    """One fault in one place."""

    place: str
    kind: str
    fault: str
    body: str

    def __str__(self) -> str:
        return f"{self.place}: {self.fault}"


def bad_plugins() -> list[BadPlugin]:
    """All faults in all places."""
    found = []
    for name, place in PLACES.items():
        kinds = {"raises": RAISED, "prints": PRINTED, "changes": CHANGED, "endures": ENDURED}
        for kind, faults in kinds.items():
            found += [BadPlugin(name, kind, fault, body) for fault, body in faults.items()]
        values = RETURNED[place.returns]
        found += [BadPlugin(name, "returns", f"returns {value}", f"return {value}") for value in values]
    return [one for one in found if PLACES[one.place].torch or "torch" not in one.body]
