"""Phones that Handset emulates, as a test or a script sees them: looked at, touched, typed to.

>>> phone = Phone.start("--guest", "installer")
>>> phone.wait_for(text="Select a language", timeout=60)
>>> phone.tap(text="German")
"""

from .phone import Found, Phone, Recording, Serial
from .qmp import PhoneError

__all__ = ["Found", "Phone", "PhoneError", "Recording", "Serial"]
