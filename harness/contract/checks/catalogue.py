"""Which checks follow from which claims, in the order in which they run."""

from __future__ import annotations

from collections.abc import Iterator

from harness.contract.checks.again import (
    an_answer_given_stays_as_it_is,
    answers_keep_their_type,
    cuts_of_large_batches_do_not_matter,
    earlier_batches_do_not_matter,
)
from harness.contract.checks.alone import batch_equals_single
from harness.contract.checks.between_rows import declared_relations_hold
from harness.contract.checks.columns import (
    column_order_does_not_matter,
    extra_columns_do_not_matter,
    unseen_values_in_open_columns_are_answered,
)
from harness.contract.checks.documents import (
    another_spelling_of_a_value_is_refused_or_answered_the_same,
    extra_keys_do_not_matter,
    hostile_documents_are_answered_or_refused,
    hostile_documents_get_no_silent_nonsense,
    hostile_documents_spoil_no_other_document,
    key_order_does_not_matter,
    training_documents_fit_the_schema,
    whole_numbers_may_be_floats,
)
from harness.contract.checks.elsewhere import (
    loading_again_gives_the_same_answers,
    the_artifact_is_left_alone,
    the_clock_does_not_matter,
    the_first_call_is_answered_like_later_ones,
    the_hash_seed_does_not_matter,
    the_time_zone_does_not_matter,
)
from harness.contract.checks.growth import (
    memory_grows_no_faster_than_the_batch,
    repeated_calls_leak_no_memory,
    time_grows_no_faster_than_the_batch,
)
from harness.contract.checks.held import (
    category_codes_do_not_matter,
    category_or_text_does_not_matter,
    int_or_float_does_not_matter,
    nullable_dtypes_do_not_matter,
)
from harness.contract.checks.hostile import (
    a_missing_column_is_refused_or_answered,
    another_spelling_is_refused_or_answered_the_same,
    hostile_rows_are_answered_or_refused,
    hostile_rows_get_no_silent_nonsense,
    hostile_rows_spoil_no_other_row,
)
from harness.contract.checks.layout import the_layout_in_memory_does_not_matter
from harness.contract.checks.missing import forms_of_a_missing_cell_do_not_matter
from harness.contract.checks.on_dev import (
    no_slice_is_answered_worse_on_dev,
    probabilities_are_calibrated_on_dev,
)
from harness.contract.checks.outputs import (
    outputs_have_the_claimed_shape,
    outputs_have_the_claimed_type,
    row_checks,
    valid_rows_are_answered,
)
from harness.contract.checks.quality import answers_go_with_the_outcomes
from harness.contract.checks.reachable import every_label_is_predicted
from harness.contract.checks.relations import declared_directions_hold, declared_invariants_hold
from harness.contract.checks.structure import (
    duplicates_get_the_same_answer,
    empty_batch,
    one_row,
    row_order_does_not_matter,
    same_input_gives_same_output,
    the_index_does_not_matter,
    the_input_is_left_alone,
    threads_get_the_same_answers,
)
from harness.contract.checks.training import (
    known_outcomes_are_claimed_ones,
    training_rows_fit_the_schema,
)
from harness.contract.claims import Claims
from harness.contract.promise import Check


def checks_for(claims: Claims) -> Iterator[Check]:
    """Yield the checks that *claims* call for; the few calls first, the sweep last."""
    if claims.document is not None:
        yield from _of_documents(claims)
        return
    yield training_rows_fit_the_schema
    yield known_outcomes_are_claimed_ones
    yield one_row
    yield empty_batch
    yield same_input_gives_same_output
    yield the_input_is_left_alone
    yield batch_equals_single
    yield row_order_does_not_matter
    yield duplicates_get_the_same_answer
    yield the_index_does_not_matter
    yield column_order_does_not_matter
    yield extra_columns_do_not_matter
    yield int_or_float_does_not_matter
    yield nullable_dtypes_do_not_matter
    yield category_or_text_does_not_matter
    yield category_codes_do_not_matter
    yield forms_of_a_missing_cell_do_not_matter
    yield the_layout_in_memory_does_not_matter
    yield from _of_calls()
    if any(domain.open for domain in claims.domains):
        yield unseen_values_in_open_columns_are_answered
    if claims.monotone:
        yield declared_directions_hold
    if claims.invariant:
        yield declared_invariants_hold
    if claims.relations:
        yield declared_relations_hold
    if claims.outputs.kind != "regression":
        yield every_label_is_predicted
    yield answers_go_with_the_outcomes
    if claims.calibration is not None:
        yield probabilities_are_calibrated_on_dev
    if claims.slices:
        yield no_slice_is_answered_worse_on_dev
    yield hostile_rows_are_answered_or_refused
    yield hostile_rows_get_no_silent_nonsense
    yield hostile_rows_spoil_no_other_row
    yield another_spelling_is_refused_or_answered_the_same
    yield a_missing_column_is_refused_or_answered
    yield from _of_single_answers(claims)


def _of_documents(claims: Claims) -> Iterator[Check]:
    yield training_documents_fit_the_schema
    yield one_row
    yield empty_batch
    yield same_input_gives_same_output
    yield the_input_is_left_alone
    yield batch_equals_single
    yield row_order_does_not_matter
    yield duplicates_get_the_same_answer
    yield key_order_does_not_matter
    yield extra_keys_do_not_matter
    yield whole_numbers_may_be_floats
    yield from _of_calls()
    yield hostile_documents_are_answered_or_refused
    yield hostile_documents_get_no_silent_nonsense
    yield hostile_documents_spoil_no_other_document
    yield another_spelling_of_a_value_is_refused_or_answered_the_same
    yield from _of_single_answers(claims)


def _of_calls() -> Iterator[Check]:
    yield answers_keep_their_type
    yield an_answer_given_stays_as_it_is
    yield threads_get_the_same_answers
    yield earlier_batches_do_not_matter
    yield the_first_call_is_answered_like_later_ones
    yield loading_again_gives_the_same_answers
    yield the_artifact_is_left_alone
    yield the_hash_seed_does_not_matter
    yield the_time_zone_does_not_matter
    yield the_clock_does_not_matter
    yield time_grows_no_faster_than_the_batch
    yield memory_grows_no_faster_than_the_batch
    yield cuts_of_large_batches_do_not_matter
    yield repeated_calls_leak_no_memory


def _of_single_answers(claims: Claims) -> Iterator[Check]:
    yield valid_rows_are_answered
    yield outputs_have_the_claimed_shape
    yield outputs_have_the_claimed_type
    outputs = claims.outputs
    yield from row_checks(
        outputs.kind,
        positive_only=outputs.positive_only,
        bounded=outputs.minimum is not None or outputs.maximum is not None,
    )
