"""`aws s3api put-bucket-… --endpoint-url URL --bucket NAME --…-configuration file://FILE`, by boto3."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import boto3


def main(arguments: list[str]) -> None:
    service, operation, *rest = arguments
    options = dict(zip(rest[::2], rest[1::2], strict=True))
    (name,) = (option for option in options if option.endswith("-configuration"))
    client = boto3.session.Session().client(
        "s3",
        endpoint_url=options["--endpoint-url"],
        aws_access_key_id=os.environ["BUCKET_ACCESS_KEY_ID"],
        aws_secret_access_key=os.environ["BUCKET_SECRET_ACCESS_KEY"],
        region_name="us-east-1",
    )
    assert service == "s3api"
    given = json.loads(Path(options[name].removeprefix("file://")).read_text())
    parameter = {"--lifecycle-configuration": "LifecycleConfiguration", "--cors-configuration": "CORSConfiguration"}
    getattr(client, operation.replace("-", "_"))(**{"Bucket": options["--bucket"], parameter[name]: given})


if __name__ == "__main__":
    main(sys.argv[1:])
