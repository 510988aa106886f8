//! Fetching what another verb needs and is not here.

use std::io;
use std::path::Path;

use indicatif::ProgressDrawTarget;
use isolab_engine::image::{Platform, Reference};
use isolab_engine::registry::{Client, Found, Settings};
use isolab_engine::room::Room;
use isolab_engine::room::task::Task;
use isolab_engine::store::{Origin, Provenance, Store};

use super::by_me;
use super::remote::{PLAIN, Watch, client};
use crate::{hint, interrupt, stderr};

/// Fetches an image in the room: its words are the store and the name, and its
/// standard input is the login.
pub const FETCH: Task = Task {
    name: "fetch",
    perform: |words| {
        let [root, name] = words else {
            return Ok(1);
        };
        // What has come already is gone on with by the next pull.
        if let Err(error) = interrupt::end_unheard() {
            hint::tell(&error);
        }
        let store = Store::open(Path::new(root))?;
        let client = Client::new(Settings {
            found: Some(Found::read(io::stdin().lock())?),
            ..PLAIN.settings()
        });
        let name = name.to_string_lossy().parse()?;
        fetch(&client, &store, &name, &Platform::host())?;
        Ok(0)
    },
    mounts: false,
    starts_others: true,
};

/// Fetches an image that is not here, for a verb that needs it where it is: its layers
/// are unpacked with this process's ids.
pub(super) fn fetch(
    client: &Client,
    store: &Store,
    name: &Reference,
    platform: &Platform,
) -> isolab_engine::Result<()> {
    stderr::tell(format_args!(
        "{name} is not here: pulling it from {}",
        name.registry()
    ));
    fetch_with(client, store, name, platform, &Watch::new(&|| false))
}

/// The same, beside something that draws at the terminal itself.
pub(super) fn fetch_quietly(
    store: &Store,
    name: &Reference,
    platform: &Platform,
    is_unwanted: &(dyn Fn() -> bool + Sync),
) -> isolab_engine::Result<()> {
    let watch = Watch::new(is_unwanted);
    watch.bar.set_draw_target(ProgressDrawTarget::hidden());
    fetch_with(&client(), store, name, platform, &watch)
}

fn fetch_with(
    client: &Client,
    store: &Store,
    name: &Reference,
    platform: &Platform,
    watch: &Watch<'_>,
) -> isolab_engine::Result<()> {
    let owners = Room::find().owners();
    let pulled = client.pull_unpacked(name, platform, store, owners, watch)?;
    let provenance = by_me(Provenance::now(Origin::Pulled));
    store.keep(name, &pulled.target, &provenance)?;
    Ok(())
}
