"""What is looked at when a run is over."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from engine.job_ids import record_id_of
from engine.jobs import JobName
from tests.chaos.accounts import settled
from tests.chaos.callers import Acknowledged
from tests.chaos.findings import Findings
from tests.chaos.housekeeping import House
from tests.chaos.objects import Objects, torn
from tests.chaos.place import Place
from tests.chaos.purchases import Spoken, bought_again, kept_at
from tests.chaos.references import unreferenced
from tests.chaos.store_check import faults_in


def look(
    place: Place, acknowledged: Sequence[Acknowledged], dead: Collection[str], complaints: Sequence[str]
) -> Findings:
    """The findings on jobs, purchases and the store, which is swept. dead: workers that were killed. complaints: what
    has been found before."""
    house = place.house()
    before = house.objects()
    whole, spoilt = _sorted(before)
    accounts = settled(acknowledged, place.queue.jobs(), before, dead)
    bought = bought_again(place.voice.requests, _spoken(place, acknowledged), kept_at(place.proxy.done))
    found = (*complaints, *faults_in(whole), *bought)
    leftovers = unreferenced(whole, house.lasting())
    unneeded, failures = _swept(house)
    return Findings(accounts, len(before), spoilt, len(leftovers), unneeded, (*found, *failures))


def _swept(house: House) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What nothing needs although it was swept, after a day and after weeks; and where a sweep has failed."""
    lasting, unneeded, failures = house.lasting(), set[str](), list[str]()
    for sweep in (house.sweep_after_a_day, house.sweep_after_weeks):
        swept = sweep()
        failures += [f"a sweep has failed at {swept.failures} things"] if swept.failures else []
        unneeded |= unreferenced(_sorted(house.objects())[0], lasting)
    return tuple(sorted(unneeded)), tuple(failures)


def _sorted(objects: Objects) -> tuple[Objects, tuple[str, ...]]:
    """Those that are whole, and the keys of the others."""
    spoilt = tuple(torn(objects))
    return {key: body for key, body in objects.items() if key not in spoilt}, spoilt


def _spoken(place: Place, acknowledged: Sequence[Acknowledged]) -> Iterator[Spoken]:
    jobs = {job.id: job for job in place.queue.jobs()}
    texts = {each.asked.input["text"]: each.asked.input for each in acknowledged if _has_text(each.asked.input)}
    for text, wanted in texts.items():
        ids = [each.job_id for each in acknowledged if each.asked.input == wanted]
        key = wanted.get("idempotency_key")
        record = JobName.of_idempotency_key(key, ids[0]).record_id if key else record_id_of(ids[0])
        yield Spoken(text, record, tuple(sorted(at for each in ids for at in jobs[each].handed_at)))


def _has_text(job_input: object) -> bool:
    return isinstance(job_input, dict) and bool(job_input.get("text"))
