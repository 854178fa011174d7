from __future__ import annotations

from bench.streaming import QUICK, measure


def test_streams_are_watched_and_counted() -> None:
    report = measure(QUICK)
    for stream in (*report.fast, *report.paced):
        assert 0 <= stream.first_sample < stream.first_fragment
        assert all(later.at >= earlier.at for earlier, later in zip(stream.arrivals, stream.arrivals[1:], strict=False))
    seconds = sum(arrival.seconds for arrival in report.paced[0].arrivals)
    # A voice as fast as people: its last fragment can't come before it has spoken.
    assert report.paced[0].arrivals[-1].at > report.paced[0].first_sample + seconds - 0.4
    assert report.stored.streamed.total() > report.stored.plain.total() > 0
    assert [table.title.split(" at ")[0] for table in report.tables()] == [
        "Milliseconds to the first fragment",
        "Watching a video while it is made,",
        "Requests to the store, a minute of video",
    ]
