from __future__ import annotations

from tests.ibm_cloud.fixtures import open_cloud, paid_cloud, remote_cloud, small_cloud

__all__ = ["open_cloud", "paid_cloud", "remote_cloud", "small_cloud"]
