"""End-to-end tests: a real QEMU, a real Linux guest, a vhost-user-gpu backend, and checks of the pixels.

SPDX-License-Identifier: Apache-2.0
"""
