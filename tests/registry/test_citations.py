"""How to cite: what an entry says itself, else only what its paper's address proves."""

from __future__ import annotations

import pytest

from tlzoo import registry
from tlzoo.registry.citations import bibtex


@pytest.mark.parametrize(
    ("paper", "field"),
    [
        ("https://arxiv.org/abs/1905.11946", "eprint = {1905.11946}"),
        ("https://arxiv.org/pdf/1905.11946v3.pdf", "eprint = {1905.11946}"),
        ("https://arxiv.org/abs/cs.LG/0101001", "eprint = {cs.LG/0101001}"),
        ("https://doi.org/10.1000/x(1)y", "doi = {10.1000/x(1)y}"),
        ("https://example.com/paper", "url = {https://example.com/paper}"),
    ],
)
def test_a_papers_address_gives_what_it_proves(paper: str, field: str) -> None:
    checkpoint = registry.get("vision/resnet50").model_copy(update={"paper": paper, "citation": None})
    text = bibtex(checkpoint)
    assert text is not None
    assert text.startswith("@misc{vision-resnet50,")
    assert field in text
    assert "title" not in text


def test_an_entrys_own_citation_is_given_as_it_is() -> None:
    checkpoint = registry.get("vision/resnet50").model_copy(update={"citation": "@article{a}"})
    assert bibtex(checkpoint) == "@article{a}"


def test_without_a_paper_nothing_is_made_up() -> None:
    assert bibtex(registry.get("vision/resnet50").model_copy(update={"paper": None, "citation": None})) is None


@pytest.mark.parametrize(
    ("paper", "whole"),
    [
        (
            "http://arxiv.org/pdf/1905.11946v3",
            "  eprint = {1905.11946},\n  archiveprefix = {arXiv},\n  url = {https://arxiv.org/abs/1905.11946},\n",
        ),
        ("https://dx.doi.org/10.1/a", "  doi = {10.1/a},\n  url = {https://dx.doi.org/10.1/a},\n"),
        ("https://doi.org/11.1/a", "  url = {https://doi.org/11.1/a},\n"),
        ("https://arxiv.org/abs/1905.119", "  url = {https://arxiv.org/abs/1905.119},\n"),
    ],
)
def test_a_citation_is_whole_bibtex(paper: str, whole: str) -> None:
    changes = {"id": "my/a--b.c", "paper": paper, "citation": None}
    checkpoint = registry.get("vision/resnet50").model_copy(update=changes)
    assert bibtex(checkpoint) == f"@misc{{my-a-b-c,\n{whole}}}"


def test_a_citation_of_its_own_goes_before_its_paper() -> None:
    changes = {"paper": "https://doi.org/10.1/a", "citation": "@article{a}"}
    assert bibtex(registry.get("vision/resnet50").model_copy(update=changes)) == "@article{a}"
