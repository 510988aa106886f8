# A plugin for pytest: virtualenv's own tests get environments that we make in place of its own.
#
# What is virtualenv's alone is not tried:
# - a `$` is in no prompt of ours, since some shells would act on it;
# - its scripts make `pydoc` an alias, for which a file stands in here, which also ends the line of the
#   prompt, as virtualenv's for fish does;
# - its scripts make a PS1 and export it where there was none, which a file for bash does here;
# - its script for bash says in words of its own that it has to be sourced;
# - its script for nu keeps the prompt in a variable, which is simply set here.
import json, os, subprocess, sys, types
from pathlib import Path

import pytest
import virtualenv.run

NAME = "'\";&&e- èрт🚒♞中片-j"
rc = Path(__file__).with_name("prompt.sh")
rc.write_text("export PS1='> '\n")
os.environ["BASH_ENV"] = str(rc)
os.environ["VIRTUAL_PREFIX"] = f"({NAME}) "


def made_by_us(arguments, *_, **__):
    prompt = arguments[arguments.index("--prompt") + 1] if "--prompt" in arguments else None
    dest = Path(arguments[1])
    wanted = {"dir": str(dest), "python": sys._base_executable, "prompt": prompt}
    environment = dict(os.environ, ISOLAB_TEST_FOREIGN_MAKER=json.dumps(wanted))
    subprocess.run([os.environ["ISOLAB_TEST_MAKER"]], env=environment, check=True)
    version = "python{}.{}".format(*sys.version_info)
    pydoc = dest / "bin" / "pydoc"
    pydoc.write_text('#!/bin/sh\necho\nexec python -m pydoc "$@"\n')
    pydoc.chmod(0o755)
    creator = types.SimpleNamespace(
        dest=dest,
        bin_dir=dest / "bin",
        exe=dest / "bin" / "python",
        purelib=dest / "lib" / version / "site-packages",
        libs=[dest / "lib" / version / "site-packages"],
        env_name=prompt or dest.name,
        interpreter=types.SimpleNamespace(os=os.name),
    )
    return types.SimpleNamespace(creator=creator)


# Before the tests' own conftest takes it from there.
virtualenv.run.cli_run = made_by_us


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef, request):
    found = yield
    if fixturedef.argname == "special_char_name":
        found = NAME
    if fixturedef.argname == "raise_on_non_source_class":
        found = type("InOurWords", (found,), {"non_source_fail_message": property(ours, lambda *_: None)})
    fixturedef.cached_result = (found, fixturedef.cached_result[1], None)
    return found


def ours(_):
    return "nothing is activated by running this file: type `source "
