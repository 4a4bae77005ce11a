"""Labelled data: read it from folders and tables, split it, fingerprint it. Torch-free."""

from __future__ import annotations

from tlzoo.data.account import announce as announce
from tlzoo.data.account import say_cut as say_cut
from tlzoo.data.columns import Columns as Columns
from tlzoo.data.columns import check_columns as check_columns
from tlzoo.data.columns import check_used as check_used
from tlzoo.data.columns import for_other_data as for_other_data
from tlzoo.data.reading import endings_of as endings_of
from tlzoo.data.reading import read as read
from tlzoo.data.reading import read_labelled as read_labelled
from tlzoo.data.samples import Samples as Samples
from tlzoo.data.samples import TrainTestSamples as TrainTestSamples
from tlzoo.data.samples import check_unchanged as check_unchanged
from tlzoo.data.samples import content_digests as content_digests
from tlzoo.data.samples import fingerprint as fingerprint
from tlzoo.data.samples import unchanged as unchanged
from tlzoo.data.splits import SampleSplits as SampleSplits
from tlzoo.data.splits import check_enough_folds as check_enough_folds
from tlzoo.data.splits import read_splits as read_splits
from tlzoo.data.splits import split as split
from tlzoo.data.splits import validation_copies as validation_copies
