"""Where array_api_compat looks for the device."""

from .._memory import Device

__all__ = ["Device"]
