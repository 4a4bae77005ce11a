from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tlzoo.data import fingerprint, read
from tlzoo.demo.digits import prepare, prepare_target
from tlzoo.errors import DataError, UsageError
from tlzoo.tasks import make_task

PICTURES = make_task("image-classification")
DIGITS = [str(digit) for digit in range(10)]


@pytest.fixture(scope="module")
def mnist(tmp_path_factory) -> Path:
    return prepare(tmp_path_factory.mktemp("demo") / "mnist", n_train=100, n_test=50)


def test_mnist_is_balanced_and_its_halves_are_disjoint(mnist):
    collection = read(mnist, PICTURES)
    assert Counter(collection.train.targets) == dict.fromkeys(DIGITS, 10)
    assert Counter(collection.test.targets) == dict.fromkeys(DIGITS, 5)
    assert not {Path(p).name for p in collection.train.inputs} & {Path(p).name for p in collection.test.inputs}


def test_mnist_pictures_are_grey_28x28_and_upright(mnist):
    ones = [np.asarray(Image.open(path)) for path in sorted((mnist / "train" / "1").iterdir())]
    assert {(picture.shape, picture.dtype.name) for picture in ones} == {((28, 28), "uint8")}
    ink = np.mean(ones, axis=0)
    assert ink.sum(axis=0).std() > 2 * ink.sum(axis=1).std()


def test_the_same_seed_draws_the_same_pictures_and_another_seed_others(mnist, tmp_path):
    same = prepare(tmp_path / "same", n_train=100, n_test=50)
    other = prepare(tmp_path / "other", n_train=100, n_test=50, seed=1)
    prints = [fingerprint(read(folder, PICTURES).train) for folder in (mnist, same, other)]
    assert prints[0] == prints[1] != prints[2]


def test_a_complete_folder_is_kept_and_one_with_other_numbers_replaced(tmp_path):
    folder = prepare(tmp_path / "mnist", n_train=20, n_test=10)
    written = folder.stat().st_ino
    assert prepare(folder, n_train=20, n_test=10).stat().st_ino == written
    assert len(read(prepare(folder, n_train=30, n_test=10), PICTURES).train) == 30


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    for attempt in (lambda: prepare(tmp_path, n_train=10, n_test=10), lambda: prepare_target(tmp_path)):
        with pytest.raises(DataError, match="other than demo data"):
            attempt()
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(("n_train", "n_test"), [(0, 10), (15, 10), (4000, 2000), (-10, 20)])
def test_numbers_that_cannot_be_drawn_are_refused(tmp_path, n_train, n_test):
    with pytest.raises(UsageError):
        prepare(tmp_path / "mnist", n_train=n_train, n_test=n_test)
    assert list(tmp_path.iterdir()) == []


def test_the_target_domain_has_the_same_classes(tmp_path):
    folder = prepare_target(tmp_path / "digits")
    labelled = read(folder, PICTURES).train
    assert (len(labelled), sorted(set(labelled.targets))) == (1797, DIGITS)
    assert read(folder, PICTURES, labelled=False).train.targets is None
    assert np.asarray(Image.open(labelled.inputs[0])).shape == (8, 8)
