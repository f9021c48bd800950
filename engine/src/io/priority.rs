//! How urgent the operating system takes a thread to be.

/// Added to the calling thread's nice value: it gets about a tenth of a core that others want too.
const NICE: i32 = 10;

/// Makes the calling thread give way to others. On Linux the nice value is one of the thread.
pub(crate) fn lower_priority() {
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::debug!(%error, "the priority of a background thread could not be lowered");
    }
}
