"""Videos signed with an operator's certificate, as C2PA's own reader finds them; and certificates that won't do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from c2pa import Reader
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from pydantic import SecretStr

from engine.errors import ConfigurationError, SigningFailed
from engine.outages import StorageFull, TimestampUnavailable
from engine.provenance.credentials import ContentCredentials
from engine.provenance.settings import ProvenanceSettings
from engine.provenance.signing_pair import SigningPair
from engine.provenance.source_type import SOURCE_TYPE
from engine.provenance.xmp import xmp_box
from engine.video.encode import EncoderSettings, Mp4Writer
from tests.provenance.certificates import DAY, Issued, Key, issue, key_as_pem
from tests.provenance.timestamps import authority
from tests.video.test_encode import HEIGHT, WIDTH, boxes, heard, pictures, scene, tone

NOWHERE = "http://127.0.0.1:9/"


@pytest.fixture(scope="module")
def issued() -> Issued:
    return issue()


def settings(issued: Issued, timestamp_url: str | None = None) -> ProvenanceSettings:
    return ProvenanceSettings(
        c2pa_certificate=issued.certificate,
        c2pa_private_key=SecretStr(issued.private_key),
        c2pa_timestamp_url=timestamp_url,
    )


def credentials(issued: Issued, timestamp_url: str | None = None) -> ContentCredentials:
    made = ContentCredentials.of(settings(issued, timestamp_url), "preview", "preview-7")
    assert made is not None
    return made


def untried(issued: Issued, timestamp_url: str | None = None) -> ContentCredentials:
    """As they would be if they had been fine when the worker started."""
    pair = SigningPair.read(issued.certificate, issued.private_key)
    return ContentCredentials(pair, timestamp_url, "preview", "preview-7")


def video(folder: Path) -> Path:
    path = folder / "video.mp4"
    with Mp4Writer(path, WIDTH, HEIGHT, EncoderSettings(), comment="renderer: preview", trailer=xmp_box()) as writer:
        for number in range(30):
            writer.write_frame(scene(number))
        writer.write_sound(tone(57_600))
    return path


def read(path: Path) -> dict[str, Any]:
    """What C2PA's reader tells of the file."""
    with Reader(str(path)) as reader:
        found: dict[str, Any] = json.loads(reader.json())
    return found


def manifest_of(path: Path) -> dict[str, Any]:
    found = read(path)
    manifest: dict[str, Any] = found["manifests"][found["active_manifest"]]
    return manifest


def test_a_signed_video_says_that_it_is_generated_and_by_what(tmp_path: Path, issued: Issued) -> None:
    signed = credentials(issued).signed(video(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == [signed.name]
    assert read(signed)["validation_state"] == "Valid"
    manifest = manifest_of(signed)
    assert [info["name"] for info in manifest["claim_generator_info"]] == ["talking-avatar"]
    assert manifest["signature_info"]["issuer"] == "Films of Test"
    (actions,) = (item["data"]["actions"] for item in manifest["assertions"] if item["label"] == "c2pa.actions.v2")
    assert actions == [
        {
            "action": "c2pa.created",
            "digitalSourceType": SOURCE_TYPE,
            "softwareAgent": {"name": "talking-avatar, renderer preview", "version": "preview-7"},
        }
    ]


def test_a_signed_video_plays_as_it_did(tmp_path: Path, issued: Issued) -> None:
    path = video(tmp_path)
    before, sound, plain = pictures(path), heard(path), boxes(path)
    signed = credentials(issued).signed(path)
    assert all(np.array_equal(one, other) for one, other in zip(pictures(signed), before, strict=True))
    assert np.array_equal(heard(signed), sound)
    names = boxes(signed)
    assert [name for name in names if name != "uuid"] == [name for name in plain if name != "uuid"]
    assert names.index("moov") < names.index("mdat")
    assert xmp_box() in signed.read_bytes()
    with av.open(str(signed)) as file:
        assert file.metadata["comment"] == "renderer: preview"


def test_a_video_that_was_changed_afterwards_does_not_hold(tmp_path: Path, issued: Issued) -> None:
    signed = credentials(issued).signed(video(tmp_path))
    data = bytearray(signed.read_bytes())
    data[data.index(b"mdat") + 500] ^= 1
    signed.write_bytes(data)
    assert read(signed)["validation_state"] == "Invalid"


SIGN_LARGE = """
import resource
import sys
from pathlib import Path
from tests.provenance.certificates import issue
from tests.provenance.test_credentials import credentials, enlarged, read, video
signer = credentials(issue())
def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
path = enlarged(video(Path(sys.argv[1])), 200_000_000)
before = peak()
signed = signer.signed(path)
print(peak() - before, read(signed)["validation_state"])
"""


def enlarged(path: Path, more: int) -> Path:
    """With so many more bytes of data, all zero, which take no room on the disk."""
    data = bytearray(path.read_bytes().removesuffix(xmp_box()))
    at = data.index(b"mdat") - 4
    data[at : at + 4] = (len(data) - at + more).to_bytes(4, "big")
    path.write_bytes(data)
    os.truncate(path, len(data) + more)
    return path


def test_a_large_video_takes_no_more_memory(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SIGN_LARGE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    megabytes, state = done.stdout.split()
    assert state == "Valid"
    assert int(megabytes) < 80


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP384R1()),
        ec.generate_private_key(ec.SECP521R1()),
        rsa.generate_private_key(65_537, 2048),
        ed25519.Ed25519PrivateKey.generate(),
    ],
    ids=["P-384", "P-521", "RSA", "Ed25519"],
)
def test_every_kind_of_key_that_c2pa_knows_signs(tmp_path: Path, key: Key) -> None:
    assert read(credentials(issue(key)).signed(video(tmp_path)))["validation_state"] == "Valid"


def test_a_time_stamp_is_in_the_signature(tmp_path: Path, issued: Issued) -> None:
    (tmp_path / "authority").mkdir()
    with authority(tmp_path / "authority") as url:
        signed = credentials(issued, url).signed(video(tmp_path))
    assert read(signed)["validation_state"] == "Valid"
    assert "time" in manifest_of(signed)["signature_info"]


def test_an_authority_that_is_away_is_worth_a_retry(tmp_path: Path, issued: Issued) -> None:
    with pytest.raises(TimestampUnavailable):
        credentials(issued, NOWHERE).signed(video(tmp_path))


@pytest.mark.parametrize("timestamp_url", [None, NOWHERE])
def test_a_certificate_that_has_expired_since_the_start_fails_the_video(
    tmp_path: Path, timestamp_url: str | None
) -> None:
    expired = issue(begins=-10 * DAY, ends=-DAY)
    with pytest.raises(SigningFailed, match="C2PA_CERTIFICATE"):
        untried(expired, timestamp_url).signed(video(tmp_path))


def test_a_full_disk_is_said(tmp_path: Path, issued: Issued) -> None:
    path = video(tmp_path)
    (tmp_path / "signed-video.mp4").symlink_to("/dev/full")
    with pytest.raises(StorageFull):
        credentials(issued).signed(path)


def test_a_pair_may_lie_in_files_or_stand_in_one_line(tmp_path: Path, issued: Issued) -> None:
    (tmp_path / "chain.pem").write_text(issued.certificate)
    (tmp_path / "key.pem").write_text(issued.private_key)
    in_files = SigningPair.read(str(tmp_path / "chain.pem"), str(tmp_path / "key.pem"))
    in_a_line = SigningPair.read(issued.certificate.replace("\n", "\\n"), issued.private_key.replace("\n", "\\n"))
    assert in_files == in_a_line == SigningPair.read(issued.certificate, issued.private_key)


def test_without_a_certificate_nothing_is_signed() -> None:
    assert ContentCredentials.of(ProvenanceSettings(), "preview", "1") is None


P256 = ec.generate_private_key(ec.SECP256R1())
GOOD = issue(P256)


@pytest.mark.parametrize(
    ("certificate", "private_key", "told"),
    [
        ("/nowhere/chain.pem", GOOD.private_key, "C2PA_CERTIFICATE is neither PEM nor the path"),
        (GOOD.certificate, "/nowhere/key.pem", "C2PA_PRIVATE_KEY is neither PEM nor the path"),
        (GOOD.private_key, GOOD.private_key, "C2PA_CERTIFICATE holds no certificate"),
        (GOOD.certificate, GOOD.certificate, "C2PA_PRIVATE_KEY holds no private key"),
        (GOOD.certificate, key_as_pem(P256, b"secret"), "under a passphrase"),
        (GOOD.certificate, issue().private_key, "is not the key of"),
        (issue(P256, ends=-DAY / 2).certificate, GOOD.private_key, "valid now"),
        (issue(P256, begins=DAY).certificate, GOOD.private_key, "valid now"),
        (issue(P256, ExtendedKeyUsageOID.SERVER_AUTH).certificate, GOOD.private_key, "meant for C2PA"),
        (
            issue(ec.generate_private_key(ec.SECP256K1())).certificate,
            key_as_pem(ec.generate_private_key(ec.SECP256K1())),
            "is not the key of",
        ),
    ],
    ids=[
        "no file of the certificate",
        "no file of the key",
        "a key as certificate",
        "a certificate as key",
        "a passphrase",
        "another's key",
        "expired",
        "not yet",
        "for servers",
        "another's key of a curve that C2PA has not",
    ],
)
def test_what_cannot_sign_stops_the_start_with_a_sentence(certificate: str, private_key: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as caught:
        credentials(Issued(certificate, private_key))
    assert "/nowhere" not in caught.value.message
    assert GOOD.private_key.splitlines()[1] not in caught.value.message


def test_a_curve_that_c2pa_has_not_is_said() -> None:
    with pytest.raises(ConfigurationError, match="P-256, P-384"):
        credentials(issue(ec.generate_private_key(ec.SECP256K1())))
