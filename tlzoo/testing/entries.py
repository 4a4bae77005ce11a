"""Checks of a plugin's registry entries."""

from __future__ import annotations

from tlzoo import registry
from tlzoo.errors import RegistryError
from tlzoo.registry import files
from tlzoo.registry.schema import Checkpoint, HubSource
from tlzoo.testing.base import UNCOUNTED_SHARE, SuiteBase, cached, report_note


class Entries(SuiteBase):
    """What the registry says of the plugin's checkpoints."""

    @cached
    def entries(self) -> tuple[Checkpoint, ...]:
        """The suite's checkpoint where it is the plugin's, and those that its own registry files list."""
        own = [c for origin in self._own_files() for c in registry.load(origin.path)]
        listed = own or list(registry.find(plugin=self.plugin))
        chosen = [self.entry()] if self.entry().plugin == self.plugin else []
        return tuple({c.id: c for c in (*chosen, *listed)}.values())

    def _own_files(self) -> list[files.RegistryOrigin]:
        return [o for o in files.origins() if o.kind == "plugin" and o.prefix == f"{self.plugin}/"]

    def test_its_entries_are_valid(self) -> None:
        """The plugin's registry files can be read, ids start with its name, stages sum to parameters.

        Fix: what the message names. `tlzoo registry validate FILE` says the same of a file.
        """
        self.installed()
        try:
            entries = self.entries()
        except RegistryError as error:
            raise AssertionError(str(error)) from error
        strange = [c.id for c in entries if c.plugin != self.plugin]
        assert not strange, (
            f"Entry {strange[0]!r} is not of plugin {self.plugin!r}. Start its id with {self.plugin + '/'!r}."
        )
        for entry in entries:
            total = sum(stage.parameters for stage in entry.stages)
            assert not entry.stages or abs(total - entry.parameters) <= UNCOUNTED_SHARE * entry.parameters, (
                f"Entry {entry.id!r} has {entry.parameters:,} parameters, its stages {total:,}. Count them again: "
                f"tlzoo models show {entry.id}"
            )

    def test_its_entries_have_licences(self) -> None:
        """Entries say under which licence the weights are.

        Fix: set `license` to an SPDX expression. Where the publisher says nothing leave it out; users then see
        that it is not known.
        """
        missing = [entry.id for entry in self.entries() if not entry.license]
        if missing:
            report_note(f"No licence is known of {', '.join(missing)}. Set `license` where the publisher names one.")
        empty = [entry.id for entry in self.entries() if entry.license is not None and not entry.license.strip()]
        assert not empty, f"Entry {empty[0]!r} has an empty licence. Name it as an SPDX expression, or leave it out."

    def test_its_files_are_pinned(self) -> None:
        """Every file of an entry is pinned by sha256, a hub repository by its commit, or left to `tlzoo.lock`.

        Fix: add `revision`, `sha256` and `size`; `tlzoo registry new-entry` writes them.
        """
        loose = []
        for entry in self.entries():
            if not isinstance(entry.source, HubSource):
                continue  # the schema demands the hashes of all other sources
            hashes = [file.sha256 for file in entry.source.files]
            assert entry.source.revision or not any(hashes), (
                f"Entry {entry.id!r} pins files of {entry.source.repo} and not the commit. Set `revision`."
            )
            if not all(hashes):
                loose.append(entry.id)
        if loose:
            report_note(
                f"Pinned only on first use, in tlzoo.lock: {', '.join(loose)}. Set `revision` and each `sha256`."
            )
