"""Whatever the queue calls a job, its record has an id that a key can hold, and always the same one."""

from __future__ import annotations

import pytest

from engine.job_ids import RECORD_ID, record_id_of


@pytest.mark.parametrize("queue_id", ["", "a/b", "x" * 65, "\u00e9", "\ud800", "../../etc/passwd", "a\0b"])
def test_an_id_that_no_record_can_have_gives_one_that_it_can(queue_id: str) -> None:
    assert RECORD_ID.fullmatch(record_id_of(queue_id))
    assert record_id_of(queue_id) == record_id_of(queue_id) != record_id_of(queue_id + "x")


def test_others_stay_as_they_are() -> None:
    assert record_id_of("sync-0b0f4c3e_1") == "sync-0b0f4c3e_1"
