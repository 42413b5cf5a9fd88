from __future__ import annotations

import pytest

from tests.unit.proxy.upstream import certificates


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> certificates.Authority:
    return certificates.Authority(tmp_path_factory.mktemp("ca"))
