from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tlzoo.data import fingerprint, read
from tlzoo.demo.digits import prepare
from tlzoo.errors import DataError
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


def test_the_same_pictures_are_drawn_again(mnist, tmp_path):
    same = prepare(tmp_path / "same", n_train=100, n_test=50)
    assert fingerprint(read(mnist, PICTURES).train) == fingerprint(read(same, PICTURES).train)


def test_a_complete_folder_is_kept_and_one_with_other_numbers_replaced(tmp_path):
    folder = prepare(tmp_path / "mnist", n_train=20, n_test=10)
    written = folder.stat().st_ino
    assert prepare(folder, n_train=20, n_test=10).stat().st_ino == written
    assert len(read(prepare(folder, n_train=30, n_test=10), PICTURES).train) == 30


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match="other than demo data"):
        prepare(tmp_path, n_train=10, n_test=10)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
