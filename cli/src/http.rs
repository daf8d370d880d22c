//! The HTTP client of commands that ask a server.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::failure::Failure;

/// Whom a command trusts, besides those that the system does.
#[derive(Args, Clone, Debug, Default)]
pub struct Trust {
    /// File with certificates in PEM of those whose word for the server's certificate is taken too (a CA of your own).
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

impl Trust {
    /// Was anyone named?
    pub fn is_given(&self) -> bool {
        self.ca.is_some()
    }

    /// A client that gives a request up after so long.
    pub fn client(&self, timeout: Duration) -> Result<reqwest::Client, Failure> {
        let mut builder = reqwest::Client::builder().timeout(timeout);
        if let Some(file) = &self.ca {
            let said = |error: &dyn std::fmt::Display| {
                Failure::usage(format!("the certificates in {} cannot be read: {error}", file.display()))
            };
            let text = std::fs::read(file).map_err(|error| said(&error))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&text).map_err(|error| said(&error))?;
            if certificates.is_empty() {
                return Err(said(&"there is none (-----BEGIN CERTIFICATE-----)"));
            }
            builder = builder.tls_certs_merge(certificates);
        }
        builder.build().map_err(|error| Failure::because("the HTTP client", &error))
    }
}
