"""The tests on a CUDA device: ``make test-gpu``, or ``python -m tests.gpu``.

Most of them are the tests that run everywhere, on the device "strict": under ``--device cuda``
that name means the real device (stand_in.py). Those marked ``gpu`` say "cuda" themselves.
selection.py has which tests take part; __main__.py the command.
"""
