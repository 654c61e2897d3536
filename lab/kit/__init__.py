# SPDX-License-Identifier: MIT
"""The lab's parts. lab/run, lab/fetch and lab/mkinitrd are their command lines."""
