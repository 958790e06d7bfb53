"""Debian's graphical installer, from its first page to the network's, by touch alone."""

from handset import Phone


def go_on(phone: Phone, page: str, timeout: float = 30) -> None:
    """Leads from a page to the one of that title."""
    phone.tap(text="Continue")
    # The installer leaves its pointer where the finger was, on letters that are to be read.
    phone.tap(360, 50)
    phone.wait_for(text=page, timeout=timeout)


def test_english_leads_to_the_network(phone: Phone) -> None:
    phone.tap(text="English")
    go_on(phone, "Select your location")
    phone.tap(text="United States")
    go_on(phone, "Configure the keyboard")
    go_on(phone, "Configure the network", timeout=60)


def test_pages_go_back(phone: Phone) -> None:
    go_on(phone, "Select your location")
    phone.tap(text="Go Back")
    phone.wait_for(text="Select a language", timeout=30)
