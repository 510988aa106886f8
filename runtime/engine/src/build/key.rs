//! What a step depends on, as one digest.

use crate::image::{Algorithm, Digest, Hasher};

/// A key in the making. What is said is said with its length, so that no two ways
/// of cutting the same bytes are one.
pub(super) struct Key(Hasher);

/// Steps of an engine that makes other layers of the same are not these.
const VERSION: &str = "isolab.step/3";

impl Key {
    /// Of a step of this kind, upon these layers.
    pub(super) fn new<'a>(kind: &str, below: impl IntoIterator<Item = &'a Digest>) -> Self {
        let mut key = Self(Hasher::new(Algorithm::Sha256));
        key.say("version", VERSION);
        key.say("kind", kind);
        for layer in below {
            key.say("below", layer.to_string());
        }
        key
    }

    /// One thing more, by its name.
    pub(super) fn say(&mut self, name: &str, value: impl AsRef<[u8]>) {
        for bytes in [name.as_bytes(), value.as_ref()] {
            self.0.update(&(bytes.len() as u64).to_le_bytes());
            self.0.update(bytes);
        }
    }

    pub(super) fn finish(self) -> Digest {
        self.0.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_otherwise_is_another_key() {
        let key = |pairs: &[(&str, &str)]| {
            let mut key = Key::new("run", []);
            for (name, value) in pairs {
                key.say(name, value);
            }
            key.finish()
        };
        assert_eq!(key(&[("a", "bc")]), key(&[("a", "bc")]));
        for other in [
            &[("ab", "c")][..],
            &[("a", "b"), ("", "c")],
            &[("a", "bc"), ("", "")],
        ] {
            assert_ne!(key(&[("a", "bc")]), key(other));
        }
        let below = Digest::of(b"x");
        assert_ne!(
            Key::new("run", [&below]).finish(),
            Key::new("run", []).finish()
        );
    }
}
