"""Runs the black-box tests of the executable: run.py [EXECUTABLE] [test_module ...]; one closing line."""

import os
import sys
import unittest

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, here)
args = sys.argv[1:]
if args and not args[0].startswith("test_"):
    os.environ["PERDURE"] = os.path.abspath(args.pop(0))
# As in tests/run.sh; and no second is spent at the end of each process.
os.environ.setdefault("TSAN_OPTIONS", f"suppressions={here}/../tsan.supp:atexit_sleep_ms=0")
loader = unittest.TestLoader()
names = args or ["test_settings", "test_dev_server", "test_database"]
result = unittest.TextTestRunner(verbosity=2, stream=sys.stdout).run(loader.loadTestsFromNames(names))
broken = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
print(f"{result.testsRun - broken} passed, {broken} failed")
sys.exit(1 if broken else 0)
