//! Whether a specifier takes a version (PEP 440).
//!
//! The rules are those of `packaging`, which pip asks, so that what is chosen here is what pip
//! would choose. The crate that reads specifiers has a function for it, too, which differs: to it
//! 1 is a version of `==1.5.*`, and 2.0.dev1 is not below 2.0rc1.
//!
//! Source: *Version specifiers* of the Python Packaging User Guide, and `specifiers.py` of pypa/packaging.

use std::borrow::Cow;

use pep440_rs::{Operator, Version, VersionSpecifier, VersionSpecifiers};

/// Whether each of `specifiers` takes `version`. Which pre-releases count is not asked here.
pub(crate) fn takes(specifiers: &VersionSpecifiers, version: &Version) -> bool {
    specifiers.iter().all(|one| takes_one(one, version))
}

/// Whether `specifier` takes `version`.
pub(crate) fn takes_one(specifier: &VersionSpecifier, version: &Version) -> bool {
    let asked = specifier.version();
    match specifier.operator() {
        Operator::Equal => equals(asked, version),
        Operator::NotEqual => !equals(asked, version),
        Operator::EqualStar => begins(asked, asked.release(), version),
        Operator::NotEqualStar => !begins(asked, asked.release(), version),
        Operator::GreaterThanEqual => *public(version) >= *asked,
        Operator::LessThanEqual => *public(version) <= *asked,
        Operator::TildeEqual => {
            let (_, prefix) = asked.release().split_last().unwrap_or((&0, &[]));
            *public(version) >= *asked && begins(asked, prefix, version)
        }
        // What leads to a release is not before it, unless something that leads to it is named.
        Operator::LessThan => {
            let leads_to = version.any_prerelease() && !asked.any_prerelease();
            version < asked && !(leads_to && has_same_base(asked, version))
        }
        // What comes after a release, or is a build of it, is not above it.
        Operator::GreaterThan => {
            let comes_after = version.is_post() && !asked.is_post();
            version > asked
                && !((comes_after || version.is_local()) && has_same_base(asked, version))
        }
        // Equal texts, and not equal versions: `===1.0` does not take 1.0.0.
        Operator::ExactEqual => asked.to_string() == version.to_string(),
    }
}

/// Without its local part, which counts only where one is asked for.
fn public(version: &Version) -> Cow<'_, Version> {
    match version.is_local() {
        true => Cow::Owned(version.clone().without_local()),
        false => Cow::Borrowed(version),
    }
}

fn equals(asked: &Version, version: &Version) -> bool {
    match asked.is_local() {
        true => version == asked,
        false => *public(version) == *asked,
    }
}

/// Whether the release begins with `prefix`; missing numbers are zeros.
fn begins(asked: &Version, prefix: &[u64], version: &Version) -> bool {
    let numbers = version.release().iter().chain(std::iter::repeat(&0));
    asked.epoch() == version.epoch() && prefix.iter().zip(numbers).all(|(a, b)| a == b)
}

fn has_same_base(one: &Version, other: &Version) -> bool {
    let longer = one.release().len().max(other.release().len());
    let number =
        |version: &Version, index: usize| version.release().get(index).copied().unwrap_or(0);
    one.epoch() == other.epoch()
        && (0..longer).all(|index| number(one, index) == number(other, index))
}
