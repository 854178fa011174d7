"""Servers that several folders of tests share: each starts once a run, when the first test asks for it."""

pytest_plugins = ("tests.servers.moto", "tests.servers.radosgw")
