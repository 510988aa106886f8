//! A page of links: a project's page in HTML, and whatever `--find-links` leads to.
//!
//! Source: *Simple repository API* of the Python Packaging User Guide (PEP 503, 592, 629, 658,
//! 714); the tokens are those of the HTML standard.

use html5gum::{HtmlString, Token, Tokenizer};

use super::json::check_version;
use super::listing::{self, Listed};
use super::url::Url;
use crate::catalogue::MetadataOffer;
use crate::refusal::Refusal;

/// What a page holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) files: Vec<Listed>,
    /// Whether it looks like one for people, with something to fill in.
    pub(super) is_for_people: bool,
}

/// The files to which the page at `base` links.
///
/// # Errors
/// Where it says that it is of a version nobody knows yet.
pub(super) fn parse(text: &[u8], base: &Url) -> Result<Page, Refusal> {
    let mut page = Page::default();
    let mut base = base.clone();
    let mut says_version = false;
    let mut has_base = false;
    for Ok(token) in Tokenizer::new(text) {
        let Token::StartTag(tag) = token else {
            continue;
        };
        let attribute = |name: &str| {
            let value = tag.attributes.get(&HtmlString(name.as_bytes().to_vec()))?;
            Some(String::from_utf8_lossy(value).into_owned())
        };
        match &tag.name[..] {
            b"a" => page.files.extend(link(&attribute, &base)),
            // The first counts; a page cannot lead to files of this machine by it.
            b"base" if !has_base => {
                if let Some(Ok(other)) = attribute("href").map(|href| base.join(&href))
                    && (other.host.is_empty() == base.host.is_empty())
                {
                    (base, has_base) = (other.public(), true);
                }
            }
            b"meta" if attribute("name").as_deref() == Some("pypi:repository-version") => {
                check_version(&attribute("content").unwrap_or_default())?;
                says_version = true;
            }
            b"form" | b"script" | b"input" => page.is_for_people = true,
            _ => {}
        }
    }
    page.is_for_people &= !says_version;
    Ok(page)
}

fn link(attribute: &dyn Fn(&str) -> Option<String>, base: &Url) -> Option<Listed> {
    let mut url = base.join(&attribute("href")?).ok()?;
    let digests = listing::digests(&url.fragment.take().unwrap_or_default())?;
    let metadata = attribute("data-core-metadata").or_else(|| attribute("data-dist-info-metadata"));
    Some(Listed {
        digests,
        requires_python: attribute("data-requires-python"),
        yanked: attribute("data-yanked"),
        metadata: match metadata.as_deref().map(str::trim) {
            None | Some("false") => MetadataOffer::No,
            Some(value) => MetadataOffer::Yes {
                digests: listing::digests(value)?,
            },
        },
        ..Listed::at(url)?
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wheel::Digest;

    fn read(text: &str) -> Page {
        let base = "https://index.test/simple/a/".parse().expect("an address");
        parse(text.as_bytes(), &base).expect("a page")
    }

    #[test]
    fn what_a_page_says_of_a_file_is_read() {
        let hex = "ab".repeat(32);
        let page = read(&format!(
            "<!DOCTYPE html><html><head><meta name=\"pypi:repository-version\" content=\"1.0\"></head><body>
            <a href=\"../../f/a-1.0-py3-none-any.whl#sha256={hex}\" data-requires-python=\"&gt;=3.8,&lt;4\"
               data-dist-info-metadata=\"sha256={hex}\" data-yanked=\"\">a-1.0</a>
            <A HREF='/b%20c/a-2.0.tar.gz#md5=00' data-core-metadata=true data-yanked='because &amp; more'>x</A>
            <!-- <a href='a-3.0.zip'>not this</a> --><a name=here>nor this</a><a href=a-4.0.zip>this"
        ));
        let digest = Digest::Sha256([0xab; 32]);
        let files = &page.files;
        assert_eq!(files.len(), 3);
        assert_eq!(files[0].name, "a-1.0-py3-none-any.whl");
        assert_eq!(
            files[0].url.to_text(),
            "https://index.test/f/a-1.0-py3-none-any.whl"
        );
        assert_eq!(files[0].digests, std::slice::from_ref(&digest));
        assert_eq!(files[0].requires_python.as_deref(), Some(">=3.8,<4"));
        assert_eq!(files[0].yanked.as_deref(), Some(""));
        assert_eq!(
            files[0].metadata,
            MetadataOffer::Yes {
                digests: vec![digest]
            }
        );
        assert_eq!(
            files[1].url.to_text(),
            "https://index.test/b%20c/a-2.0.tar.gz"
        );
        assert_eq!(
            (&files[1].digests[..], files[1].yanked.as_deref()),
            (&[][..], Some("because & more"))
        );
        assert_eq!(files[1].metadata, MetadataOffer::Yes { digests: vec![] });
        assert_eq!(files[2].name, "a-4.0.zip");
        assert!(!page.is_for_people);
    }

    #[test]
    fn links_are_joined_to_the_base_that_the_page_says() {
        let page = read(
            "<base href='https://files.test/x/'><base href='https://other.test/'><a href='a-1.zip'>",
        );
        assert_eq!(page.files[0].url.to_text(), "https://files.test/x/a-1.zip");
        let page = read("<base href='file:///etc/'><a href='a-1.zip'>");
        assert_eq!(page.files[0].url.host, "index.test");
    }

    #[test]
    fn a_page_for_people_and_a_newer_version_are_told() {
        assert!(read("<html><form action=/login><input name=password></form>").is_for_people);
        let base = "https://index.test/".parse().expect("an address");
        let newer = b"<meta name='pypi:repository-version' content='2.0'>";
        assert!(parse(newer, &base).is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics_and_no_link_is_lost_in_it(
            text in "\\PC{0,40}|(<|>|/|a|href|=|'|\"|!--|-->|&|#|;|x| ){0,40}",
            version in "[0-9]{1,3}",
        ) {
            let _ = read(&text);
            let page = read(&format!("<p>x</p><a data-x='1' href=\"a-{version}.zip\">y</a>{text}"));
            prop_assert_eq!(&page.files[0].name, &format!("a-{version}.zip"));
        }
    }
}
