//! The remedy that an error carries, wherever in its chain it stands.

/// What the user can do about `error`, if any of its causes knows.
#[must_use]
pub fn of(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(|cause| {
        if let Some(cause) = cause.downcast_ref::<venv_sim::Error>() {
            cause.hint().map(str::to_owned)
        } else if let Some(cause) = cause.downcast_ref::<vm_model::Error>() {
            cause.hint()
        } else if let Some(cause) = cause.downcast_ref::<isolab_oci::Error>() {
            cause.hint()
        } else {
            cause.downcast_ref::<crate::report::Error>()?.hint()
        }
    })
}
