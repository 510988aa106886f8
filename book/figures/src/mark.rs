//! The mark of evidence that stands behind each number, and
//! `{{#mark measured}}`, which shows it by itself.
//!
//! It is drawn by the style sheet as the plots draw theirs: filled, hollow or
//! hatched. Its word is there for those who do not see it, and goes along when
//! the number is copied.

use crate::directive::Directive;
use crate::error::Problem;
use crate::words::one_of;

/// The kinds of evidence, as [`Evidence::kind`] calls them.
///
/// [`Evidence::kind`]: isolab::observation::Evidence::kind
const KINDS: [&str; 3] = ["measured", "emulated", "modelled"];

/// The HTML of the mark that `directive` asks for.
///
/// # Errors
/// [`Problem`] if it names no kind of evidence.
pub(crate) fn expand(directive: &Directive<'_>) -> Result<String, Problem> {
    directive.allow_options(&[])?;
    let [kind] = directive.words[..] else {
        let why = "wanted is one kind of evidence".to_owned();
        return Err(Problem::Arguments { why });
    };
    one_of("evidence", kind, &KINDS, |kind| kind).map(html)
}

/// The mark of `kind`.
pub(crate) fn html(kind: &str) -> String {
    format!("<span class=\"mark {kind}\"><span> ({kind})</span></span>")
}
