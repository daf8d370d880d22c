//! Webhooks: events sent to where a department or the operator says.

/// How webhooks behave.
#[derive(Debug, Clone, Copy, Default)]
pub struct Settings {
    /// May be sent to addresses that are not public, and over plain HTTP to this machine.
    pub allow_private: bool,
}
