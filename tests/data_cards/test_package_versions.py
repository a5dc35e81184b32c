"""Versions for manifests."""

import platform

import numpy

from data_cards.package_versions import package_versions


def test_installed_ones_are_named_and_others_left_out():
    found = package_versions(["numpy", "no-such-package-anywhere"])
    assert found == {"python": platform.python_version(), "numpy": numpy.__version__}
