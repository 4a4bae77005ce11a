"""The conformance suite as one class: every check of a plugin, by topic."""

from __future__ import annotations

from tlzoo.testing.entries import Entries
from tlzoo.testing.exporting import Exporting
from tlzoo.testing.foreign import Foreign
from tlzoo.testing.freezing import Freezing, Stages
from tlzoo.testing.importing import Importing
from tlzoo.testing.preprocessing import Preprocessing
from tlzoo.testing.process import Process
from tlzoo.testing.shapes import Shapes
from tlzoo.testing.tasks import Tasks


class PluginSuite(Exporting, Process, Tasks, Preprocessing, Freezing, Stages, Shapes, Foreign, Entries, Importing):
    """Subclass it under a name that starts with `Test`, set `plugin`, and pytest runs every check.

    `checkpoint` is an id or a Checkpoint, by default the smallest of the plugin's entries. `task_name` is the task to
    train it for, by default its first: a plugin that brings tasks has a suite for each. `weights` is `random`
    (nothing is downloaded) or `fetch`. `outputs` are those that the backbone has. `policies` are the plugin's own
    freeze policies beside the core's. `tolerance` is the largest difference allowed between two ways to the same
    output, as a share of the output's scale. `import_seconds` is what importing the plugin may take.

    A plugin with a modality of its own overrides `samples` and `broken`; one whose texts need another tokenizer than
    words overrides `tokenizer`.

    Checks run from the last base to the first, from the import to the exported file, with pytest and without.
    """
