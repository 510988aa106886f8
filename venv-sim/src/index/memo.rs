//! Answers that are asked for once, by whoever comes first, and waited for by the others.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};

/// What is known, by what was asked.
pub(super) struct Memo<K, V, E = Error> {
    slots: Mutex<HashMap<K, Slot<V, E>>>,
    changed: Condvar,
}

enum Slot<V, E> {
    /// Somebody is asking.
    Asked,
    Known(Arc<V>),
    /// It was asked for before anybody needed it, and went wrong: for the first who does.
    Failed(E),
}

impl<K, V, E> Default for Memo<K, V, E> {
    fn default() -> Self {
        Self {
            slots: Mutex::default(),
            changed: Condvar::new(),
        }
    }
}

impl<K: Eq + Hash + Clone, V, E> Memo<K, V, E> {
    /// What is known of `key`, asked for by `ask` if it is not.
    pub(super) fn get(&self, key: &K, ask: impl FnOnce() -> Result<V, E>) -> Result<Arc<V>, E> {
        let mut slots = self.lock();
        loop {
            match slots.get(key) {
                Some(Slot::Known(value)) => return Ok(Arc::clone(value)),
                Some(Slot::Asked) => {
                    let woken = self.changed.wait(slots);
                    slots = woken.unwrap_or_else(PoisonError::into_inner);
                }
                Some(Slot::Failed(_)) => {
                    if let Some(Slot::Failed(error)) = slots.remove(key) {
                        return Err(error);
                    }
                }
                None => break,
            }
        }
        slots.insert(key.clone(), Slot::Asked);
        drop(slots);
        let asked = Asked { memo: self, key };
        match ask() {
            Ok(value) => {
                let value = Arc::new(value);
                self.lock()
                    .insert(key.clone(), Slot::Known(Arc::clone(&value)));
                drop(asked);
                Ok(value)
            }
            Err(error) => Err(error),
        }
    }

    /// As [`Memo::get`], for whoever will need it later; what goes wrong waits for them.
    pub(super) fn ask_ahead(&self, key: &K, ask: impl FnOnce() -> Result<V, E>) -> Option<Arc<V>> {
        if self.lock().contains_key(key) {
            return None;
        }
        match self.get(key, ask) {
            Ok(value) => Some(value),
            Err(error) => {
                self.lock()
                    .entry(key.clone())
                    .or_insert(Slot::Failed(error));
                None
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Slot<V, E>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// However asking ends, nobody waits for it any longer.
struct Asked<'a, K: Eq + Hash + Clone, V, E> {
    memo: &'a Memo<K, V, E>,
    key: &'a K,
}

impl<K: Eq + Hash + Clone, V, E> Drop for Asked<'_, K, V, E> {
    fn drop(&mut self) {
        let mut slots = self.memo.lock();
        if matches!(slots.get(self.key), Some(Slot::Asked)) {
            slots.remove(self.key);
        }
        drop(slots);
        self.memo.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn many_who_ask_at_once_ask_once() {
        let memo = Memo::<u8, u32>::default();
        let count = AtomicU32::new(0);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let value = memo.get(&1, || {
                        thread::sleep(Duration::from_millis(20));
                        Ok(count.fetch_add(1, Ordering::Relaxed) + 7)
                    });
                    assert_eq!(*value.expect("a value"), 7);
                });
            }
        });
        assert_eq!(count.into_inner(), 1);
    }

    #[test]
    fn what_goes_wrong_ahead_is_told_to_the_first_who_needs_it_and_then_asked_again() {
        let memo = Memo::<u8, u32>::default();
        let wrong = || {
            Err(Error::NoIndex {
                tried: vec!["x".to_owned()],
            })
        };
        assert!(memo.ask_ahead(&1, wrong).is_none());
        assert!(memo.get(&1, || Ok(1)).is_err());
        assert_eq!(*memo.get(&1, || Ok(2)).expect("a value"), 2);
        assert!(memo.get(&2, wrong).is_err());
        assert_eq!(*memo.get(&2, || Ok(3)).expect("a value"), 3);
    }
}
