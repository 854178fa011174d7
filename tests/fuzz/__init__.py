"""The doors through which callers' data comes, each tried with thousands of mutated cases: ``python -m tests.fuzz``."""
