//! Uploads that are under way: each a blob in the making, found again by a number
//! that nobody can guess.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::Mutex as Turn;

use super::super::session::lock;
use super::reply::Fault;
use super::route::Name;
use crate::image::Algorithm;
use crate::store::{BlobWriter, Store};

/// The most at once.
const MOST: usize = 256;
/// Nobody comes back after this.
const FORGOTTEN: Duration = Duration::from_secs(3600);
/// One that may go where there are too many.
const IDLE: Duration = Duration::from_secs(60);

/// A blob in the making; `None` once it is whole.
pub(super) type Upload = Arc<Turn<Option<BlobWriter<'static>>>>;

/// All of them.
#[derive(Default)]
pub(super) struct Uploads(Mutex<HashMap<String, Entry>>);

struct Entry {
    repository: String,
    touched: Instant,
    upload: Upload,
}

impl Uploads {
    /// Begins one; gives the number under which it is found.
    pub(super) fn begin(&self, store: &Arc<Store>, name: &Name) -> Result<String, Fault> {
        let mut all = lock(&self.0);
        all.retain(|_, entry| entry.touched.elapsed() < FORGOTTEN);
        if all.len() >= MOST {
            all.retain(|_, entry| entry.touched.elapsed() < IDLE);
        }
        if all.len() >= MOST {
            let why = "there are too many uploads at once";
            return Err(Fault::new(429, "TOOMANYREQUESTS", why));
        }
        let writer = store.new_shared_blob(Algorithm::Sha256)?;
        let id = number();
        let entry = Entry {
            repository: name.key(),
            touched: Instant::now(),
            upload: Arc::new(Turn::new(Some(writer))),
        };
        all.insert(id.clone(), entry);
        Ok(id)
    }

    /// The one with this number, in that repository.
    pub(super) fn find(&self, name: &Name, id: &str) -> Result<Upload, Fault> {
        let mut all = lock(&self.0);
        let entry = all
            .get_mut(id)
            .filter(|entry| entry.repository == name.key());
        let entry = entry
            .ok_or_else(|| Fault::new(404, "BLOB_UPLOAD_UNKNOWN", "there is no such upload"))?;
        entry.touched = Instant::now();
        Ok(Arc::clone(&entry.upload))
    }

    /// Lets it go.
    pub(super) fn end(&self, id: &str) {
        lock(&self.0).remove(id);
    }
}

/// Thirty-two digits: the standard library's hashes have random keys.
fn number() -> String {
    let part = || RandomState::new().build_hasher().finish();
    // Keys of one thread count up; an address of this process is mixed in.
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u64(part());
    format!("{:016x}{:016x}", part(), hasher.finish())
}
