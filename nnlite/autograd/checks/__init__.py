"""Is a gradient right? gradcheck.py asks, numeric.py measures, check_op.py says what is wrong.

check_op looks at an op from several sides (probe.py), tells the fault by its signs (rules.py,
naming.py) and looks for the smallest example (shrink.py, point.py).
"""

from nnlite.autograd.checks.check_op import check_op
from nnlite.autograd.checks.gradcheck import gradcheck, gradgradcheck

__all__ = ["check_op", "gradcheck", "gradgradcheck"]
