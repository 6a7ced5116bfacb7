import resource
import tracemalloc
from pathlib import Path

import pytest

from countermand.wire.bol_plaza.messages import read_cancellation
from countermand.wire.bol_plaza.xml import Unreadable
from tests.wire.bol_plaza.hostile import Case, corpus, outcome_of

CORPUS = corpus()


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: case.name)
def test_each_document_has_its_outcome(case: Case) -> None:
    document = case.read(case.body)
    assert outcome_of(document) == case.outcome, document


@pytest.mark.parametrize("case", [case for case in CORPUS if len(case.body) > 10_000], ids=lambda case: case.name)
def test_a_large_document_takes_little_memory(case: Case) -> None:
    tracemalloc.start()
    try:
        case.read(case.body)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10_000_000


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux tells how much memory is in use now")
def test_invented_names_are_forgotten() -> None:
    # lxml keeps them all: 25 MB after as many documents.
    for number in range(60):
        if number == 5:
            before = _memory_in_use()
        names = b"".join(b"<n%xx%x/>" % (number, element) for element in range(9_000))
        assert outcome_of(read_cancellation(b"<Cancellation>" + names + b"</Cancellation>")) == "41201"
    assert _memory_in_use() - before < 10_000_000


def _memory_in_use() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_no_document_makes_any_reader_raise() -> None:
    for case in CORPUS:
        for reader in {case.read for case in CORPUS}:
            assert outcome_of(reader(case.body))


def test_sentences_fit_into_an_error_document() -> None:
    for case in CORPUS:
        document = case.read(case.body)
        if isinstance(document, Unreadable):
            assert len(f"BOL-ERROR [PAI-41100] = {document.sentence}") <= 256
            assert document.sentence.endswith(".")


def test_the_corpus_has_not_been_lost() -> None:
    assert len(CORPUS) >= 290
    assert {case.outcome for case in CORPUS} == {"41100", "41201", "41202", "accepted"}
