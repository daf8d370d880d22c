//! A gate: so many requests at once are let through, and some may wait before it, served in turn by client.
//!
//! A semaphore serves in the order of arrival, so that a client who sends a thousand requests is before all who come after. Here each
//! client has a queue of its own and they take turns; when the room is full, the longest queue gives way.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::budget::share;

/// How much a gate lets through.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// Requests at once.
    pub at_once: usize,
    /// Requests that wait.
    pub waiting_max: usize,
    /// How long one waits at most.
    pub patience: Duration,
}

/// A gate. A clone is another handle on the same.
pub struct Gate<K: Eq + Hash + Clone>(Arc<Inner<K>>);

struct Inner<K: Eq + Hash + Clone> {
    room: Room,
    share: usize,
    state: Mutex<State<K>>,
}

struct State<K: Eq + Hash + Clone> {
    inside: usize,
    by: HashMap<K, usize>,
    waiting: usize,
    queues: HashMap<K, VecDeque<Waiter<K>>>,
    /// Clients that have someone waiting, each once, in the order of their turns.
    turns: VecDeque<K>,
    next: u64,
    refused: u64,
}

struct Waiter<K: Eq + Hash + Clone> {
    id: u64,
    tell: oneshot::Sender<Pass<K>>,
}

/// One request that was let through, until dropped.
pub struct Pass<K: Eq + Hash + Clone> {
    gate: Gate<K>,
    client: K,
}

/// There was no room, or no turn in time.
#[derive(Debug, PartialEq, Eq)]
pub struct Full;

impl<K: Eq + Hash + Clone> Clone for Gate<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Eq + Hash + Clone> Gate<K> {
    /// A gate that nobody has passed.
    pub fn new(room: Room) -> Self {
        let share = usize::try_from(share(room.at_once as u64)).unwrap_or(room.at_once);
        let state = State {
            inside: 0,
            by: HashMap::new(),
            waiting: 0,
            queues: HashMap::new(),
            turns: VecDeque::new(),
            next: 0,
            refused: 0,
        };
        Self(Arc::new(Inner { room, share, state: Mutex::new(state) }))
    }

    /// Requests inside, waiting, and refused so far.
    pub fn counts(&self) -> (usize, usize, u64) {
        let state = self.lock();
        (state.inside, state.waiting, state.refused)
    }

    /// Passes, at once or in turn.
    pub async fn enter(&self, client: &K) -> Result<Pass<K>, Full> {
        let (id, told) = {
            let mut state = self.lock();
            if state.inside < self.0.room.at_once && state.may(client, self.0.share) {
                state.let_in(client);
                return Ok(Pass { gate: self.clone(), client: client.clone() });
            }
            self.queue(&mut state, client)?
        };
        let leaving = Leaving { gate: self, client, id };
        // A sender that is dropped is one that gave way.
        let told = tokio::time::timeout(self.0.room.patience, told).await;
        if let Ok(Ok(pass)) = told {
            return Ok(pass);
        }
        drop(leaving);
        self.lock().refused += 1;
        Err(Full)
    }

    /// Takes a place to wait; when there is none, the last of the longest queue gives way to a client with fewer.
    fn queue(&self, state: &mut State<K>, client: &K) -> Result<(u64, oneshot::Receiver<Pass<K>>), Full> {
        if state.waiting >= self.0.room.waiting_max && !state.give_way(client) {
            state.refused += 1;
            return Err(Full);
        }
        let id = state.next;
        state.next += 1;
        let (tell, told) = oneshot::channel();
        let queue = state.queues.entry(client.clone()).or_default();
        queue.push_back(Waiter { id, tell });
        let first = queue.len() == 1;
        if first {
            state.turns.push_back(client.clone());
        }
        state.waiting += 1;
        Ok((id, told))
    }

    fn lock(&self) -> MutexGuard<'_, State<K>> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash + Clone> State<K> {
    fn may(&self, client: &K, share: usize) -> bool {
        self.by.get(client).copied().unwrap_or_default() < share
    }

    fn let_in(&mut self, client: &K) {
        self.inside += 1;
        *self.by.entry(client.clone()).or_default() += 1;
    }

    fn let_out(&mut self, client: &K) {
        self.inside -= 1;
        if let Some(mine) = self.by.get_mut(client) {
            *mine -= 1;
            if *mine == 0 {
                self.by.remove(client);
            }
        }
    }

    /// Who is next: the first in turn who has not its share inside.
    fn next(&mut self, share: usize) -> Option<(K, Waiter<K>)> {
        let at = (0..self.turns.len()).find(|at| self.may(&self.turns[*at], share))?;
        let client = self.turns.remove(at)?;
        let queue = self.queues.get_mut(&client)?;
        let waiter = queue.pop_front()?;
        self.waiting -= 1;
        if queue.is_empty() {
            self.queues.remove(&client);
        } else {
            self.turns.push_back(client.clone());
        }
        self.let_in(&client);
        Some((client, waiter))
    }

    fn give_way(&mut self, to: &K) -> bool {
        let mine = self.queues.get(to).map_or(0, VecDeque::len);
        let longest = self.queues.iter().max_by_key(|(_, queue)| queue.len());
        let Some((client, _)) = longest.filter(|(_, queue)| queue.len() > mine + 1) else { return false };
        let client = client.clone();
        // Its queue has more than one: it keeps its turn.
        let gone = self.queues.get_mut(&client).and_then(VecDeque::pop_back);
        self.waiting -= usize::from(gone.is_some());
        gone.is_some()
    }

    fn leave(&mut self, client: &K, id: u64) {
        let Some(queue) = self.queues.get_mut(client) else { return };
        let Some(at) = queue.iter().position(|waiter| waiter.id == id) else { return };
        queue.remove(at);
        self.waiting -= 1;
        if queue.is_empty() {
            self.queues.remove(client);
            self.turns.retain(|turn| turn != client);
        }
    }
}

impl<K: Eq + Hash + Clone> Drop for Pass<K> {
    fn drop(&mut self) {
        let mut state = self.gate.lock();
        state.let_out(&self.client);
        let mut passes = Vec::new();
        while state.inside < self.gate.0.room.at_once
            && let Some((client, waiter)) = state.next(self.gate.0.share)
        {
            passes.push((waiter.tell, Pass { gate: self.gate.clone(), client }));
        }
        drop(state);
        // A pass whose taker is gone comes back here, and goes to the next.
        for (tell, pass) in passes {
            drop(tell.send(pass));
        }
    }
}

/// Takes whoever waits no longer out of the queue.
struct Leaving<'a, K: Eq + Hash + Clone> {
    gate: &'a Gate<K>,
    client: &'a K,
    id: u64,
}

impl<K: Eq + Hash + Clone> Drop for Leaving<'_, K> {
    fn drop(&mut self) {
        self.gate.lock().leave(self.client, self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use futures_util::FutureExt as _;
    use futures_util::future::BoxFuture;

    use super::*;

    type Entering = BoxFuture<'static, Result<Pass<&'static str>, Full>>;

    fn gate(at_once: usize, waiting_max: usize) -> Gate<&'static str> {
        Gate::new(Room { at_once, waiting_max, patience: Duration::from_mins(1) })
    }

    /// Begins to enter; whether it was let in at once.
    fn begin(gate: &Gate<&'static str>, client: &'static str) -> Entering {
        let gate = gate.clone();
        let mut entering = async move { gate.enter(&client).await }.boxed();
        match entering.poll_unpin(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(entered) => std::future::ready(entered).boxed(),
            Poll::Pending => entering,
        }
    }

    fn is_in(entering: &mut Entering) -> Option<Result<Pass<&'static str>, Full>> {
        let polled = pin!(entering).poll_unpin(&mut Context::from_waker(Waker::noop()));
        match polled {
            Poll::Ready(entered) => Some(entered),
            Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn clients_take_turns_however_many_one_sends() {
        let gate = gate(4, 100);
        let mut inside: Vec<_> =
            ["flood", "flood", "flood"].map(|client| is_in(&mut begin(&gate, client))).into_iter().collect();
        let mut flood: Vec<_> = (0..50).map(|_| begin(&gate, "flood")).collect();
        assert!(flood.iter_mut().all(|one| is_in(one).is_none()), "three quarters of four are its share");
        let other = is_in(&mut begin(&gate, "other")).expect("a quarter is left").expect("it is let in");
        let mut second = begin(&gate, "second");
        assert!(is_in(&mut second).is_none());
        assert_eq!(gate.counts(), (4, 51, 0));
        // Fifty were there before: the second client is still next but one.
        drop(inside.pop());
        assert!(matches!(is_in(&mut flood[0]), Some(Ok(_))));
        drop(other);
        assert!(matches!(is_in(&mut second), Some(Ok(_))));
        inside.clear();
        drop((flood, second));
        assert_eq!((gate.counts().0, gate.counts().1), (0, 0), "all is given back, in whatever order");
    }

    #[tokio::test]
    async fn the_longest_queue_gives_way() {
        let gate = gate(1, 3);
        let inside = is_in(&mut begin(&gate, "flood")).expect("it is empty").expect("it is let in");
        let mut flood: Vec<_> = (0..3).map(|_| begin(&gate, "flood")).collect();
        assert!(matches!(is_in(&mut begin(&gate, "flood")), Some(Err(Full))), "its own queue is the longest");
        let mut other = begin(&gate, "other");
        assert!(is_in(&mut other).is_none(), "it waits in the place of the last of the flood");
        assert!(matches!(is_in(&mut flood[2]), Some(Err(Full))));
        assert_eq!(gate.counts(), (1, 3, 2));
        drop(inside);
        let first = is_in(&mut flood[0]).expect("it is its turn").expect("it is let in");
        drop(first);
        assert!(matches!(is_in(&mut other), Some(Ok(_))), "then the other's, before the rest of the flood");
    }

    #[tokio::test]
    async fn whoever_waits_too_long_or_goes_away_leaves_no_trace() {
        let gate = Gate::new(Room { at_once: 1, waiting_max: 10, patience: Duration::ZERO });
        let inside = gate.enter(&"one").await.expect("it is empty");
        assert!(gate.enter(&"two").await.is_err());
        let gone = begin(&gate, "three");
        assert_eq!(gate.counts(), (1, 1, 1));
        drop(gone);
        assert_eq!(gate.counts(), (1, 0, 1));
        assert!(gate.lock().turns.is_empty() && gate.lock().queues.is_empty());
        drop(inside);
        assert!(gate.enter(&"two").await.is_ok());
    }
}
