//! Statistics by region, made once for a month and kept: to protect a table takes all of its cells, and anyone may ask.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Arc;

use eventstore::Store;
use projections::statistics::{self, By, THRESHOLD_DEFAULT, Table};
use proofs::slug::Slug;
use tokio::sync::Mutex;

use crate::problem::Problem;

/// Tables that are kept: of 20,000 rows of some 200 bytes at most, so 250 MB if all were of the largest kind.
const TABLES_MAX: usize = 64;

/// What an operator sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// People of a region's group that may be told, at least.
    pub threshold: NonZeroU64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { threshold: NonZeroU64::new(THRESHOLD_DEFAULT).unwrap_or(NonZeroU64::MIN) }
    }
}

/// Tables by region: of a register or of all, and by what.
type Kept = BTreeMap<(Option<Slug>, By), Arc<Table>>;

/// Makes tables, and keeps those by region.
#[derive(Debug, Default)]
pub struct Tables {
    settings: Settings,
    kept: Mutex<Kept>,
}

impl Tables {
    /// With none made.
    pub fn new(settings: Settings) -> Self {
        Self { settings, kept: Mutex::default() }
    }

    /// People of a region's group that may be told, at least.
    pub fn threshold(&self) -> u64 {
        self.settings.threshold.get()
    }

    /// A table. One by region changes when a month ends and not before, so that it is made once in between; whoever asks
    /// meanwhile waits, and no two are made at once.
    pub async fn table(&self, store: &Store, register: Option<&Slug>, by: By) -> Result<Arc<Table>, Problem> {
        if !by.region {
            return Ok(Arc::new(statistics::table(store, register, by, self.threshold()).await?));
        }
        let mut kept = self.kept.lock().await;
        let key = (register.cloned(), by);
        let until = statistics::closed_month(store).await?;
        if let Some(table) = kept.get(&key).filter(|table| table.until == until) {
            return Ok(Arc::clone(table));
        }
        let table = Arc::new(statistics::table(store, register, by, self.threshold()).await?);
        if kept.len() >= TABLES_MAX {
            kept.clear();
        }
        kept.insert(key, Arc::clone(&table));
        Ok(table)
    }
}
