# Runs CPython's own tests of `venv` on environments that the program named by the first argument makes.
# The other arguments name tests that are left out.
import io, json, os, subprocess, sys, unittest, venv

maker, left_out = sys.argv[1], set(sys.argv[2:])
base = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
made = 0


def create(self, env_dir):
    global made
    wanted = {
        "dir": os.path.abspath(os.fspath(env_dir)),
        "python": base,
        "prompt": self.prompt,
        "system_site_packages": self.system_site_packages,
        "clear": self.clear,
        "upgrade": self.upgrade,
        "copies": not self.symlinks,
        "seed": bool(self.with_pip),
    }
    environment = dict(os.environ, ISOLAB_TEST_FOREIGN_MAKER=json.dumps(wanted))
    ran = subprocess.run([maker], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    made += ran.returncode == 0
    if ran.returncode:
        # The module's own refusals are of these kinds.
        raise ValueError(ran.stdout.decode(errors="replace"))


venv.EnvBuilder.create = create
from test import test_venv


def chosen(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from chosen(test)
        elif test.id().rpartition(".")[2] not in left_out:
            yield test


said = io.StringIO()
suite = unittest.TestSuite(chosen(unittest.defaultTestLoader.loadTestsFromModule(test_venv)))
result = unittest.TextTestRunner(stream=said, verbosity=2).run(suite)
sys.stderr.write(said.getvalue())
print(json.dumps({
    "ran": result.testsRun - len(result.skipped),
    "made": made,
    "failed": sorted(test.id().split(" ")[0].rpartition(".")[2] for test, _ in result.failures + result.errors),
}))
