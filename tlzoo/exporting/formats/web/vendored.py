"""The page's two libraries from npm, at pinned versions: fetched by the user's own npm, verified, kept in the cache."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tlzoo.errors import ExportError, HashMismatch, Offline
from tlzoo.io.disk import write_bytes
from tlzoo.io.files import temporary_folder
from tlzoo.io.network.offline import network_is_off
from tlzoo.weights.cache import FetchRequest, PinnedFile, fetch_or_cache, source_folder, verify_files

_TIMEOUT_S = 600


@dataclass(frozen=True)
class Package:
    """A package on npm: `integrity` is npm's, of the whole archive; `files` says what is used of it, by its path there.

    The names end in `.js` and `.wasm` because not every server knows that `.mjs` is JavaScript.
    """

    name: str
    version: str
    integrity: str
    files: Mapping[str, PinnedFile]


ONNXRUNTIME = Package(
    "onnxruntime-web",
    "1.30.0",
    "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ==",
    {
        "dist/ort.wasm.min.mjs": PinnedFile(
            "onnxruntime.js", "219e6a1fc8a9938268d18efca3c91d310bd2f4a59bbd13744df5b2b7fc6cee3b", 50_126
        ),
        "dist/ort-wasm-simd-threaded.mjs": PinnedFile(
            "onnxruntime-wasm.js", "e13f7f94fc51b4ca72b12faeb1ee95f4ace6dfbc8939bc718aabdc0a27c4299b", 24_381
        ),
        "dist/ort-wasm-simd-threaded.wasm": PinnedFile(
            "onnxruntime.wasm", "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2", 14_239_897
        ),
    },
)
TOKENIZERS = Package(
    "@huggingface/tokenizers",
    "0.2.0",
    "sha512-LidMHe1FpcSYH4vcSjXooda34pC0M8m1gmDOv7SQi6Iv+ib1zX7J3sHBCC9/3FPCkn2k1b55FneVqMRxrr99pg==",
    {
        "dist/tokenizers.min.mjs": PinnedFile(
            "tokenizers.js", "258e46332101335ce8d95aed7745b19ac3b46d37f3e159a89cf894c2ea9b1d3a", 36_601
        ),
        "LICENSE": PinnedFile(
            "tokenizers-LICENSE.txt", "c71d239df91726fc519c6eb72d318ec65820627232b2f796219e87dcf35d0ab4", 11_357
        ),
    },
)


def fetch_library(package: Package) -> Mapping[str, Path]:
    """The package's verified files, by name, from the cache; fetched by npm when they are not there.

    Raises Offline when they are not there and TLZOO_OFFLINE forbids the network, ExportError where npm is missing or
    fails, HashMismatch when the archive or a file is not the one pinned.
    """
    files = tuple(package.files.values())
    key = f"npm/{package.name.removeprefix('@').replace('/', '-')}"
    folder = source_folder(key, f"{package.version} {package.integrity}")
    if network_is_off() and verify_files(folder, files) is not None:
        raise Offline(
            f"{package.name} {package.version} is missing or damaged in the cache, and the network is switched off.",
            hint="Allow the network once: TLZOO_OFFLINE=0 HF_HUB_OFFLINE=0.",
        )
    return fetch_or_cache(FetchRequest(key, offline=False), folder, files, lambda into: _fetch(package, into)).files


def _fetch(package: Package, into: Path) -> None:
    with temporary_folder() as scratch:
        archive = _pack(package, scratch)
        found = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if found != package.integrity:
            raise HashMismatch(
                f"{package.name} {package.version} from npm has integrity {found[:23]}…, not {package.integrity[:23]}…",
                hint="npm's registry, or a mirror, serves other bytes: check `npm config get registry`.",
            )
        with tarfile.open(archive) as members:
            for path, file in package.files.items():
                member = members.extractfile(f"package/{path}")
                assert member is not None, f"the pinned archive has the file {path}"
                write_bytes(into / file.name, member.read())


def _pack(package: Package, scratch: Path) -> Path:
    """The archive as npm downloads it, by the user's own settings; nothing in it is run or installed."""
    npm = shutil.which("npm")
    wanted = f"{package.name}@{package.version}"
    if npm is None:
        raise ExportError(
            f"Fetching {wanted} needs npm, which is not installed.", hint="Install Node.js, which includes npm."
        )
    command = [npm, "pack", wanted, "--ignore-scripts", "--pack-destination", str(scratch)]
    try:
        done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, timeout=_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as cause:
        raise ExportError(
            f"npm could not fetch {wanted}: {cause}.", hint=f"Try it by hand: npm pack {wanted}"
        ) from cause
    archives = list(scratch.glob("*.tgz"))
    if done.returncode or len(archives) != 1:
        errors = [line for line in done.stderr.splitlines() if "error" in line.lower()] or ["it wrote no archive"]
        raise ExportError(f"npm could not fetch {wanted}: {errors[0]}", hint=f"Try it by hand: npm pack {wanted}")
    return archives[0]
