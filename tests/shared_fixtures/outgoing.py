"""Runs a command and records every host that it looks up or wants to reach: `python outgoing.py RECORD COMMAND ...`.

Where a process may have a network of its own (Linux, `unshare`), nothing but this program answers there: names are
asked of its resolver. Elsewhere the usual variables name it as proxy.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

LONG_ENOUGH = 12
"""Seconds after which what sends late has sent: ONNX Runtime waits for nine."""
ALONE = ("unshare", "--map-root-user", "--net", "--mount")


def hosts(command: list[str], **environment: str) -> tuple[int, list[str], str]:
    """The exit code of a command, the hosts that it wanted to reach, and what it wrote."""
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "hosts.json"
        alone = subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode == 0
        done = subprocess.run(
            [*(ALONE if alone else ()), sys.executable, __file__, str(record), *command],
            env={**os.environ, **environment, "TLZOO_TEST_ALONE": "1" if alone else ""},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, json.loads(record.read_text()), done.stdout + done.stderr


def main() -> int:
    """Record the hosts that the command asks for until it ends."""
    record, command = Path(sys.argv[1]), sys.argv[2:]
    asked: set[str] = set()
    if os.environ.pop("TLZOO_TEST_ALONE"):
        _serve_names(record.parent, asked)
        variables = {}
    else:
        address = f"http://127.0.0.1:{_serve_proxy(asked)}"
        variables = dict.fromkeys(("http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY"), address)
    code = subprocess.run(command, env={**os.environ, **variables}, check=False).returncode
    record.write_text(json.dumps(sorted(asked)))
    return code


def _serve_names(folder: Path, asked: set[str]) -> None:
    """In a network of its own: answer every question for a name with "there is none"."""
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh", b"lo", 0x41))  # SIOCSIFFLAGS: up, running
    (folder / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    subprocess.run(["mount", "--bind", str(folder / "resolv.conf"), "/etc/resolv.conf"], check=True)
    served = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    served.bind(("127.0.0.1", 53))

    def answer() -> None:
        question, sender = served.recvfrom(4096)
        name, at = [], 12
        while size := question[at]:
            name.append(question[at + 1 : at + 1 + size].decode("latin-1"))
            at += size + 1
        asked.add(".".join(name))
        served.sendto(question[:2] + b"\x81\x83" + question[4:6] + bytes(6) + question[12:], sender)

    _for_ever(answer)


def _serve_proxy(asked: set[str]) -> int:
    """Refuse whatever a proxy is asked for; the port."""
    served = socket.create_server(("127.0.0.1", 0))

    def refuse() -> None:
        client, _ = served.accept()
        with client:
            asked.add(client.recv(4096).split(b" ")[1].decode("latin-1"))
            client.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")

    _for_ever(refuse)
    return int(served.getsockname()[1])


def _for_ever(serve: Callable[[], None]) -> None:
    def go() -> None:
        while True:
            serve()

    threading.Thread(target=go, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
