"""What the author of a registry needs: `validate`, `new-key`, `sign` and `schema`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tlzoo.cli.shared.output import print_json, print_table
from tlzoo.errors import RegistryError, concerning
from tlzoo.io import signatures
from tlzoo.io.files import atomic_file
from tlzoo.progress import say
from tlzoo.registry.reading import CheckedFile, Fault, check_file, check_published, file_stamp
from tlzoo.registry.schema import schema_document


def validate(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Registry files.")],
    published: Annotated[
        bool, typer.Option("--published", help="Check it as a published registry: no local and no package files.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """List all faults of registry files; exit code 2 if there are any."""
    checked = {str(file): _checked(file, published) for file in files}
    if json:
        print_json([_document(file, found) for file, found in checked.items()])
    else:
        rows = [(file, fault.entry, fault.field, fault.message) for file, f in checked.items() for fault in f.faults]
        if rows:
            print_table(("file", "entry", "field", "fault"), rows)
        for file, found in checked.items():
            if not found.faults:
                say(f"{file}: {len(found.ids)} {'entry' if len(found.ids) == 1 else 'entries'}, valid.")
    if any(found.faults for found in checked.values()):
        raise typer.Exit(2)


def new_key(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Private key file; the public key is written to OUT.pub.")],
) -> None:
    """Create an Ed25519 key pair for signing registries and exported files; print the public key."""
    public = signatures.make_key(out)
    print(public)
    say(f"Keep {out} to yourself; publish {out}.pub. Fingerprint: {signatures.fingerprint(public)}")


def sign(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The registry file to publish.")],
    key: Annotated[Path, typer.Option(metavar="PRIVATE", help="The private key from `new-key`.")],
) -> None:
    """Write FILE.sig, the signature to publish beside the file."""
    file_stamp(file)  # opening a pipe would wait for whoever writes into it
    try:
        content = file.read_bytes()
    except OSError as cause:
        raise RegistryError(f"Registry {file} cannot be read: {cause.strerror}.", hint="Check the path.") from cause
    checked = check_published(content)
    if checked.faults:
        raise RegistryError(
            f"{file} cannot be signed: {checked.faults[0]}.",
            hint=f"See all: tlzoo registry validate {file} --published",
        )
    with concerning("key", named=True):
        signature, public = signatures.sign(content, key)
    target = file.with_name(file.name + signatures.SUFFIX)
    with atomic_file(target) as temporary:
        temporary.write_text(f"{signature}\n", encoding="ascii")
    say(f"Wrote {target}, signed by {signatures.fingerprint(public)} (public key {public}).")
    if checked.sequence is None:
        say(f"{file} has no 'sequence': a server can serve an older edition unnoticed.")


def schema() -> None:
    """Print the JSON Schema of a registry file."""
    print_json(schema_document())


def _checked(file: Path, published: bool) -> CheckedFile:
    try:
        return check_file(file, published=published)
    except RegistryError as error:
        return CheckedFile(faults=(Fault("", "", error.message),))


def _document(file: str, checked: CheckedFile) -> dict[str, object]:
    faults = [{"entry": f.entry or None, "field": f.field or None, "message": f.message} for f in checked.faults]
    return {"file": file, "valid": not faults, "entries": len(checked.ids), "faults": faults}
