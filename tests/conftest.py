from __future__ import annotations

from hypothesis import HealthCheck
from hypothesis import settings

# How long an example takes is up to the machine.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
