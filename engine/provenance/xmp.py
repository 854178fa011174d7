"""XMP in an MP4: the mark that libraries of media and websites look for."""

from __future__ import annotations

from uuid import UUID

from engine.provenance.source_type import SOURCE_TYPE

# Adobe XMP Specification, part 3, "ISO base media file": a box of this type at the file's top level.
_XMP = UUID("be7acfcb-97a9-42e8-9c71-999491e3afac")

_PACKET = f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
   Iptc4xmpExt:DigitalSourceType="{SOURCE_TYPE}"/>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""


def xmp_box() -> bytes:
    """An MP4 box that says what kind of source the video has; its place is anywhere beside the others."""
    body = b"uuid" + _XMP.bytes + _PACKET.encode()
    return (4 + len(body)).to_bytes(4, "big") + body
