"""All operations. Importing this gives Tensor its operators and methods: see methods.py."""

from nnlite.ops.methods import attach

attach()
