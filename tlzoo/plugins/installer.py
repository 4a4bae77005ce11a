"""Install into and uninstall from this environment by its own installer, pip or uv."""

from __future__ import annotations

import importlib
import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from tlzoo.errors import PluginError, UsageError
from tlzoo.io.entry_points import normalize_name
from tlzoo.plugins.authoring.staging import check_wheel
from tlzoo.plugins.discovery import FIRST_PARTY, contributors, declared_plugins

_NAMED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(.*)", re.DOTALL)


def requirement(spec: str) -> str:
    """What the installer is given for a spec: a first-party plugin's short name becomes its distribution's.

    Raises UsageError for what an installer would take for an option.
    """
    smuggled = re.search(r"\s-", spec) and not Path(spec).exists()
    if not spec.strip() or spec.lstrip().startswith("-") or smuggled or any(sign in spec for sign in "\n\r\0"):
        raise UsageError(
            f"{spec!r} is not a package.",
            hint="Give a name, a version as tlzoo-vision==0.1.0, a path, or git+https://...; set options by pip's own "
            "configuration.",
        )
    named = _NAMED.fullmatch(spec)
    if named and named[1] in FIRST_PARTY and not named[2].startswith(("/", "\\", ":")):
        return FIRST_PARTY[named[1]] + named[2]
    return spec


def install(specs: Sequence[str], *, upgrade: bool = False) -> None:
    """Install these, their output on stderr. Raises UsageError, and PluginError with the installer's last words."""
    options = ["--upgrade"] if upgrade else []
    packages = [requirement(spec) for spec in specs]
    for path in filter(None, map(_local, packages)):
        if not path.exists():
            raise UsageError(
                f"{path} does not exist.", hint="Give a package's name, or the path of a project or wheel."
            )
        if path.suffix == ".whl":
            check_wheel(path)  # pip refuses a member that leaves its folder, uv leaves it out in silence
    _run("install", packages, options)


def _local(package: str) -> Path | None:
    """The path that a spec is, without extras; `None` for a name or URL."""
    path = re.sub(r"\[[^]]*\]$", "", package)
    is_path = path.startswith(("/", "./", "../")) or (path.endswith(".whl") and "://" not in path)
    return Path(path) if is_path else None


def uninstall(names: Sequence[str]) -> list[str]:
    """Uninstall the distributions of these plugins, named by either; returns them. Raises PluginError."""
    distributions = list(dict.fromkeys(_distribution_named(name) for name in names))
    _run("uninstall", distributions)
    return distributions


def requirements(distribution: str) -> list[str]:
    """The names of what a distribution requires and this environment has, sorted; without tlzoo itself."""
    try:
        lines = metadata.distribution(distribution).requires or []
    except metadata.PackageNotFoundError:
        return []
    wanted = {normalize_name(match[1]) for line in lines if "extra ==" not in line and (match := _NAMED.match(line))}
    present = {normalize_name(name) for name in map(_name_of, metadata.distributions()) if name}
    return sorted((wanted & present) - {"tlzoo"})


def _name_of(distribution: metadata.Distribution) -> str | None:
    try:
        return distribution.metadata["Name"]
    except (KeyError, TypeError, AttributeError, ValueError, OSError):
        return None


def _distribution_named(name: str) -> str:
    """The distribution of this plugin or name: uninstalling is for nothing else. Raises PluginError."""
    known = {normalize_name(distribution): distribution for distribution in contributors()}
    owners = sorted({plugin.distribution for plugin in declared_plugins() if plugin.name == name})
    if normalize_name(name) in known:
        return known[normalize_name(name)]
    if len(owners) > 1:
        raise PluginError(
            f"{' and '.join(owners)} both provide a plugin {name!r}.",
            hint=f"Choose one: tlzoo plugins uninstall {owners[0]}",
        )
    if not owners:
        listed = ", ".join(known.values()) or "none"
        raise PluginError(f"{name!r} is neither an installed plugin nor its distribution.", hint=f"Installed: {listed}")
    return owners[0]


def command(action: str) -> list[str]:
    """What installs into or uninstalls from this environment: uv where it made it or pip is missing, else pip."""
    uv = shutil.which("uv")
    if uv and (importlib.util.find_spec("pip") is None or _is_uv_environment()):
        return [uv, "pip", action, "--python", sys.executable]
    return [sys.executable, "-P", "-m", "pip", action, *(["--yes"] if action == "uninstall" else [])]


def _is_uv_environment() -> bool:
    settings = Path(sys.prefix, "pyvenv.cfg")
    return settings.is_file() and re.search(r"(?m)^uv\s*=", settings.read_text(encoding="utf-8")) is not None


def _run(action: str, packages: Sequence[str], options: Sequence[str] = ()) -> None:
    """Run the installer, its output on stderr; raise PluginError with its last words when it fails."""
    line = [*command(action), *options, "--", *packages]
    lines: list[str] = []
    with subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        try:
            for said in process.stdout or ():
                lines.append(said.strip())
                print(said, end="", file=sys.stderr, flush=True)
        except BaseException:
            process.terminate()
            raise
    if process.returncode != 0:
        raise PluginError(
            f"Could not {action} {' '.join(packages)}: {_last_error(lines)}",
            hint=f"Try it yourself: {shlex.join(line)}",
        )
    importlib.invalidate_caches()


def _last_error(lines: Sequence[str]) -> str:
    """The installer's last line; where it wrapped its last error over several, all of that error."""
    said = [line for line in lines if line]
    starts = [i for i, line in enumerate(said) if re.match(r"error|×|╰─▶", line, re.IGNORECASE)]
    return " ".join(said[starts[-1] :]) if starts else (said or ["no output"])[-1]
