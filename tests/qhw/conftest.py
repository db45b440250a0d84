from __future__ import annotations

from tests.ibm_cloud.fixtures import open_cloud, paid_cloud, remote_cloud, small_cloud
from tests.ibm_cloud.nairobi import open_nairobi

__all__ = ["open_cloud", "open_nairobi", "paid_cloud", "remote_cloud", "small_cloud"]
