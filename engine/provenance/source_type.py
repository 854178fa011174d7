"""The kind of thing that every video of ours is, in the words of the IPTC."""

from __future__ import annotations

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
"""IPTC NewsCodes, digital source type: a composite that has elements which a trained algorithm has made."""
