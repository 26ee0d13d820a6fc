"""The certificate: every op and loss, on every kind of input, against independent oracles.

``python -m tests.certify`` (or ``make certify``) runs the table tests/cases and writes
docs/certificate.md. In order of reading: record.py (what is noted of a check), values.py and
derivatives.py (the checks of one sample), inputs.py (other dtypes and shapes), special.py (IEEE's
numbers, ties, kinks), exceptions.py (where nnlite differs from PyTorch, and why), optimizers.py,
device.py (a row on another device), run.py (a row from beginning to end; the processes), report.py
and device_report.py (the documents).
"""
