//! Something that there is so much of, shared by clients: none has more than its share, so that one alone leaves some for others.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// So much of something. A clone is another handle on the same.
pub struct Budget<K: Eq + Hash>(Arc<Inner<K>>);

struct Inner<K> {
    max: u64,
    share: u64,
    held: Mutex<Held<K>>,
}

struct Held<K> {
    total: u64,
    by: HashMap<K, u64>,
}

/// What a client has of it, until dropped.
pub struct Hold<K: Eq + Hash> {
    of: Budget<K>,
    client: K,
    amount: u64,
}

/// What one client may have at most: three quarters. A client that comes from a proxy may be many, so that the share is large.
pub fn share(max: u64) -> u64 {
    (max - max / 4).max(1)
}

impl<K: Eq + Hash> Clone for Budget<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Eq + Hash + Clone> Budget<K> {
    /// So much, all of it free.
    pub fn new(max: u64) -> Self {
        let held = Mutex::new(Held { total: 0, by: HashMap::new() });
        Self(Arc::new(Inner { max, share: share(max), held }))
    }

    /// How much there is.
    pub fn max(&self) -> u64 {
        self.0.max
    }

    /// How much is held.
    pub fn held(&self) -> u64 {
        self.lock().total
    }

    /// So much for this client, if there is so much and it has no more than its share then. What no share is large enough for
    /// takes a whole share.
    pub fn take(&self, client: &K, amount: u64) -> Option<Hold<K>> {
        let amount = amount.min(self.0.share);
        let mut hold = Hold { of: self.clone(), client: client.clone(), amount: 0 };
        hold.grow(amount).then_some(hold)
    }

    fn lock(&self) -> MutexGuard<'_, Held<K>> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash + Clone> Hold<K> {
    /// Takes so much more, if there is.
    pub fn grow(&mut self, more: u64) -> bool {
        let mut held = self.of.lock();
        let mine = held.by.get(&self.client).copied().unwrap_or_default();
        if held.total + more > self.of.0.max || mine + more > self.of.0.share {
            return false;
        }
        held.total += more;
        *held.by.entry(self.client.clone()).or_default() += more;
        self.amount += more;
        true
    }
}

impl<K: Eq + Hash> Drop for Hold<K> {
    fn drop(&mut self) {
        let mut held = self.of.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.total -= self.amount;
        if let Some(mine) = held.by.get_mut(&self.client) {
            *mine -= self.amount;
            // Clients that hold nothing are forgotten, so that the table stays as small as its use.
            if *mine == 0 {
                held.by.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_leaves_a_quarter_to_others() {
        let budget = Budget::new(100);
        let first = budget.take(&"one", 70).expect("there is enough");
        assert!(budget.take(&"one", 6).is_none(), "76 is more than its share");
        let second = budget.take(&"one", 5).expect("75 is its share");
        assert!(budget.take(&"two", 26).is_none(), "there is not so much");
        let mut other = budget.take(&"two", 20).expect("there is for others");
        assert!(other.grow(5) && !other.grow(1));
        assert_eq!(budget.held(), 100);
        drop((first, second, other));
        assert_eq!(budget.held(), 0);
        assert!(budget.lock().by.is_empty(), "nobody is remembered who holds nothing");
        assert!(budget.take(&"one", 1_000).is_some(), "more than any share takes a share");
    }
}
