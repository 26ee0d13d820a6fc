"""CUDA kernels: one .cu for each family of ops, and beside it the module that starts them.

Nothing here names CuPy. ``launching.kernels`` says whether they apply; each has a plain twin, with
which the tests compare it, and which computes everywhere else.
"""
