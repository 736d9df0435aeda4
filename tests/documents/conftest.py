"""These tests need the extra ``documents``, whose session installs it: ``nox -s documents``."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("hypothesis_jsonschema") else ["test_*.py"]
