//! What the machine is called.

/// The host's name, as its administrator gave it.
pub(crate) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
