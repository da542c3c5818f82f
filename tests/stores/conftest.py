"""The shipped suite shows what its assertions compared, as tests do."""

import pytest

pytest.register_assert_rewrite("hypern.stores.conformance")
