import pytest

from hallmark_composite import (
    ALGORITHMS,
    DEFAULT_ALGORITHM,
    CompositeAlgorithm,
    UnknownAlgorithm,
    algorithm_by_name,
    algorithm_by_oid,
)

# draft-ietf-lamps-pq-composite-sigs-19, appendix A: public key and maximum signature sizes.
DRAFT_SIZES = {
    "id-MLDSA44-ECDSA-P256-SHA256": ("1.3.6.1.5.5.7.6.40", 1377, 2492),
    "id-MLDSA65-ECDSA-P256-SHA512": ("1.3.6.1.5.5.7.6.45", 2017, 3381),
    "id-MLDSA87-ECDSA-P384-SHA512": ("1.3.6.1.5.5.7.6.49", 2689, 4731),
}


def test_sizes_and_oids_are_those_of_the_draft() -> None:
    table = {name: (row.oid, row.public_key_size, row.max_signature_size) for name, row in ALGORITHMS.items()}
    assert table == DRAFT_SIZES


def test_the_default_is_the_drafts_recommendation() -> None:
    assert DEFAULT_ALGORITHM.name == "id-MLDSA65-ECDSA-P256-SHA512"


@pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=str)
def test_labels_follow_the_names(algorithm: CompositeAlgorithm) -> None:
    assert algorithm.label == b"COMPSIG-" + algorithm.name.removeprefix("id-").encode()
    assert algorithm.name.endswith(algorithm.prehash.upper())
    assert f"-{algorithm.curve.value.replace('-', '')}-" in algorithm.name
    assert algorithm.name.startswith("id-" + algorithm.ml_dsa.value.replace("-", ""))


@pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=str)
def test_rows_are_found_by_name_and_by_oid(algorithm: CompositeAlgorithm) -> None:
    assert algorithm_by_name(algorithm.name) is algorithm
    assert algorithm_by_oid(algorithm.oid) is algorithm


def test_unknown_names_and_oids_are_refused() -> None:
    with pytest.raises(UnknownAlgorithm, match="id-MLDSA65-ECDSA-P256-SHA512"):
        algorithm_by_name("id-MLDSA65")
    with pytest.raises(UnknownAlgorithm, match=r"1\.3\.6\.1\.5\.5\.7\.6\.45"):
        algorithm_by_oid("2.16.840.1.114027.80.8.1.7")
