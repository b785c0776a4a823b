"""What holds for every test.

Machines are noisy, so no property test fails for being slow: neither one example nor the making of examples is timed.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
