# Answers, line by line, what `packaging` thinks: the copy that the pip beside this interpreter has.
import glob, json, os, sys
import ensurepip

bundled = os.path.join(os.path.dirname(ensurepip.__file__), "_bundled", "pip-*.whl")
sys.path[:0] = glob.glob(bundled)
from pip._vendor import packaging
from pip._vendor.packaging.markers import InvalidMarker, Marker, UndefinedComparison
from pip._vendor.packaging.requirements import InvalidRequirement, Requirement
from pip._vendor.packaging.specifiers import InvalidSpecifier, SpecifierSet
from pip._vendor.packaging.utils import canonicalize_name
from pip._vendor.packaging.version import InvalidVersion, Version


def answer(question):
    kind, *rest = question
    if kind == "about":
        return packaging.__version__
    if kind == "version":
        try:
            return str(Version(rest[0]))
        except InvalidVersion:
            return None
    if kind == "order":
        one, other = map(Version, rest)
        return (one > other) - (one < other)
    if kind == "takes":
        specifiers, version = rest
        try:
            return SpecifierSet(specifiers).contains(version, prereleases=True)
        except InvalidSpecifier:
            return None
    if kind == "marker":
        marker, environment = rest
        try:
            return Marker(marker).evaluate(environment)
        except InvalidMarker:
            return None
        except (UndefinedComparison, InvalidVersion):
            return "undefined"
    if kind == "requirement":
        try:
            read = Requirement(rest[0])
        except InvalidRequirement:
            return None
        extras = sorted({canonicalize_name(extra) for extra in read.extras})
        return [canonicalize_name(read.name), extras, read.url, read.marker is not None]


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))))
